"""The planner computes what the package does, and works by keyboard, phone and screen reader."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from w2s_tutorial.problems import IntrinsicProblem, SpuriousProblem
from w2s_tutorial.theory import intrinsic, spurious, spurious_leading

BOOK = Path(__file__).parents[1] / "book"
SCRIPT = (BOOK / "_assets" / "planner.js").read_text("utf-8")
FORMS = re.findall(r"```\{raw\} html\n(.*?)```", (BOOK / "planner.md").read_text("utf-8"), re.S)


@pytest.fixture(scope="module", params=[1280, 390])
def tab(browser: Browser, tmp_path_factory: pytest.TempPathFactory, request):
    file = tmp_path_factory.mktemp("planner") / "page.html"
    style = (BOOK / "_assets" / "book.css").read_text("utf-8")
    file.write_text(
        "<!doctype html><html lang=en><meta charset=utf-8><title>planner</title>"
        f"<meta name=viewport content='width=device-width'><style>{style}</style>"
        f"<body><main><h1>A planner</h1>{''.join(FORMS)}</main><script>{SCRIPT}</script>",
        "utf-8",
    )
    context = browser.new_context(viewport={"width": request.param, "height": 800})
    opened = context.new_page()
    opened.goto(file.as_uri())
    yield opened
    context.close()


def differs(found: dict[str, float], expected) -> float:
    """The largest relative difference over the four roles."""
    return max(abs(found[role] / float(risk) - 1) for role, risk in expected._asdict().items())


def sizes(rng: np.random.Generator) -> dict[str, float]:
    weak, strong = (int(rng.integers(1, 200)) for _ in range(2))
    return {
        "n_labeled": max(weak, strong) + 2 + int(rng.integers(0, 3000)),
        "n_pool": strong + 2 + int(rng.integers(0, 30_000)),
        "d_weak": weak,
        "d_strong": strong,
        "d_shared": int(rng.integers(0, min(weak, strong) + 1)),
        "noise": float(rng.uniform(0.01, 10)),
        "unreachable": float(rng.choice([0.0, rng.uniform(0, 3)])),
    }


def test_sizes_are_those_of_the_package(tab: Page) -> None:
    rng = np.random.default_rng(0)
    for _ in range(40):
        given = sizes(rng)
        expected = intrinsic.risks(IntrinsicProblem.aligned(**given))
        found = tab.evaluate("given => planner.sizes(given)", given)
        assert differs(found["risks"], expected) < 1e-9, given


def test_the_pools_that_suffice_are_where_risks_cross(tab: Page) -> None:
    rng, crossed = np.random.default_rng(1), 0
    for _ in range(40):
        given = sizes(rng)
        for role, pool in tab.evaluate("given => planner.sizes(given).passes", given).items():
            other = "weak" if role == "teacher" else "baseline"
            for n_pool, passed in ((pool, False), (pool and pool + 1.0, True)):
                if n_pool is None or n_pool <= given["d_strong"] + 2:
                    continue
                at = tab.evaluate(
                    "given => planner.sizes(given).risks",
                    {**given, "n_pool": n_pool + 1e-6 * passed},
                )
                assert (at["student"] < at[other] * (1 - 1e-12)) == passed, (given, role)
                crossed += 1
            if pool is None:
                endless = tab.evaluate(
                    "given => planner.sizes(given).risks", {**given, "n_pool": 1e12}
                )
                assert endless["student"] >= endless[other] * (1 - 1e-6)
    assert crossed > 40


def shares(rng: np.random.Generator, reading: str) -> dict[str, float | str]:
    weak, strong = (int(rng.integers(1, 7)) for _ in range(2))
    core, pairs = int(rng.integers(1, 40)), min(weak, strong) - 1
    return {
        "n_labeled": max(weak, strong) * core + 2 + int(rng.integers(0, 9000)),
        "n_pool": strong * core + 2 + int(rng.integers(0, 9000)),
        "d_core": core,
        "p_weak": weak,
        "p_strong": strong,
        "overlap": float(rng.uniform(0, 0.95) * pairs),
        "separation_weak": float(rng.uniform(0, 40)) if weak > 1 else 0.0,
        "separation_strong": float(rng.uniform(0, 10)) if strong > 1 else 0.0,
        "noise": float(rng.uniform(0.1, 5)),
        **{f"minority_{part}": float(rng.uniform()) for part in ("labeled", "pool", "test")},
        "reading": reading,
    }


@pytest.mark.parametrize("reading", ["mean", "mixture"])
def test_shares_are_those_of_the_package(tab: Page, reading: str) -> None:
    rng = np.random.default_rng(2)
    formula = {
        "mean": spurious_leading.published_risks,
        "mixture": spurious_leading.leading_order_risks,
    }
    for _ in range(40):
        given = shares(rng, reading)
        problem = SpuriousProblem.aligned(**given)  # type: ignore[arg-type]
        found = tab.evaluate("given => planner.shares(given)", given)
        assert differs(found["risks"], formula[reading](problem)) < 1e-9, given
        pool = found["passes"].get("teacher")
        if pool and pool > given["p_strong"] * given["d_core"] + 3:  # type: ignore[operator]
            at = tab.evaluate("given => planner.shares(given).risks", {**given, "n_pool": pool})
            assert at["student"] == pytest.approx(at["weak"], rel=1e-9)


def test_the_page_says_how_far_its_second_formula_is_off() -> None:
    text = " ".join((BOOK / "planner.md").read_text("utf-8").split())
    percent = int(re.search(r"true risk is about (\d+) percent higher", text)[1])
    problem = SpuriousProblem.aligned(
        n_labeled=1000, n_pool=100_000, d_core=20, p_weak=5, p_strong=3, overlap=0.2,
        separation_weak=10.0, separation_strong=1.0, minority_labeled=0.1, minority_pool=0.3,
        minority_test=0.5, reading="mixture",
    )  # fmt: skip
    true, leading = spurious.risks(problem), spurious_leading.leading_order_risks(problem)
    for role in ("weak", "student"):
        off = 100 * (float(getattr(true, role)) / float(getattr(leading, role)) - 1)
        assert off == pytest.approx(percent, abs=3), role


def test_the_keyboard_changes_the_answer_and_brings_the_example_back(tab: Page) -> None:
    form = tab.locator("form").first
    field = form.get_by_role("spinbutton", name="Pool")
    before = form.get_by_role("status").inner_text()
    assert "from a pool of 102 examples on" in before  # 2 d_s + 1 = 101
    field.focus()
    tab.keyboard.press("ArrowUp")
    assert field.input_value() == "1001"
    tab.keyboard.press("End")
    tab.keyboard.type("0")  # a pool ten times as large
    assert form.get_by_role("status").inner_text() != before
    tab.keyboard.press("Control+a")
    tab.keyboard.type("40")
    assert "The pool must exceed 51" in form.get_by_role("status").inner_text()
    assert "–" in form.locator("tbody").inner_text()
    form.get_by_role("button", name="Back to the example").press("Enter")
    tab.wait_for_function(
        "before => document.querySelector('[role=status]').innerText === before", arg=before
    )


@pytest.mark.parametrize(("name", "value"), [("Labels", ""), ("Shared", "-1"), ("noise", "0")])
def test_what_is_missing_or_wrong_is_named(tab: Page, name: str, value: str) -> None:
    form = tab.locator("form").first
    form.get_by_role("spinbutton", name=name).fill(value)
    said = form.locator("li").all_inner_texts()
    assert len(said) == 1
    assert name in said[0]
    form.get_by_role("button").click()


def test_no_rule_of_accessibility_is_broken_and_nothing_is_wider_than_the_screen(tab: Page) -> None:
    assert not [rule["id"] for rule in Axe().run(tab).response["violations"]]
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
