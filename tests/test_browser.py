"""The built pages in a real browser, opened as files: layout, formulas, search, accessibility."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import chapters
import pytest
from axe_playwright_python.sync_playwright import Axe
from conftest import Built, skip_or_fail
from playwright.sync_api import Browser, ConsoleMessage, Page, Request

PAGES = [page for page, _ in chapters.toc()]
FIRST = chapters.chapters()[0]
# Pages of names are long and of one template: one of them every time, all on every screen at night.
NAMES = [page for page in PAGES if page.startswith("api_")]
VISITED = [page for page in PAGES if page not in NAMES] + ["search", "404", "genindex", "prf-prf"]
SCREENS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]
# Frames that a slider hides are looked at in tests/test_figures_in_browser.py, one by one.
SHOWN = {"exclude": [[".w2s-frame[hidden]"]]}
# Without preload, which asks for style sheets again and in vain where a page is a file; and without
# a list of all that is right, which takes as long as to find what is wrong.
EVERY_RULE = {"preload": False, "resultTypes": ["violations"]}
CONTRAST = EVERY_RULE | {"runOnly": ["color-contrast"]}
OTHERS = EVERY_RULE | {"rules": {"color-contrast": {"enabled": False}}}
SCROLLING = EVERY_RULE | {"runOnly": ["scrollable-region-focusable"]}
MOBILE = {"width": 390, "height": 900}
ZOOMED = {"width": 640, "height": 450}  # 1280 pixels at 200 %
SETTLES = 600  # milliseconds after a change of width until the theme and the figures have answered
PATIENCE = 120_000  # milliseconds: a busy machine is slow and not at fault
COLUMNS = 92  # of code; the narrowest box, that of an exercise, holds them

FORMULAS = "() => document.querySelectorAll('article .math').length"
RENDERED = "() => document.querySelectorAll('article .math mjx-container mjx-assistive-mml').length"
UNREADABLE = "() => [...document.querySelectorAll('[data-mjx-error]')].map(e => e.textContent)"
WIDTHS = "() => [document.scrollingElement.scrollWidth, innerWidth]"
FRAME = "root => [...root.querySelectorAll('.w2s-frame')].findIndex(frame => !frame.hidden)"
TWICE = "html { font-size: 200% !important }"
MOVING = "() => document.getAnimations().length"
CUT_OFF = """columns => [...document.querySelectorAll(
  'article pre, article div.math, article table')].filter(e => e.getClientRects().length
).filter(e => {
  if (e.textContent.split('\\n').some(line => line.length > columns)) return false;
  const box = e.tagName === 'TABLE' ? e.parentElement : e;
  return box.scrollWidth > box.clientWidth + 1;
}).map(e => e.textContent.slice(0, 200))"""
# Words that a reader cannot reach, and controls that do nothing, where no script runs.
LOST = """() => [...document.querySelectorAll('article p, article li, article td')].filter(
  e => !e.getClientRects().length && !e.closest('.w2s-frame[hidden], details:not([open])')
).map(e => e.textContent.slice(0, 80))"""
DEAD = """() => [...document.querySelectorAll('.w2s-slider')].filter(
  e => [...e.querySelectorAll('.w2s-frame')].filter(f => f.checkVisibility()).length !== 1
    || e.querySelector('input').checkVisibility()).map(e => e.textContent.slice(0, 80))"""
SETTLED = "async () => { if (window.MathJax) { await MathJax.startup.promise } }"
LOADING = (
    "() => !document.querySelector('script[src*=mathjax]') || window.MathJax?.startup?.promise"
)
AXE = Axe()
TAG = re.compile(r"<(\w+)[^>]*?class=\"([^\"]*)\"")
COLOUR = re.compile(r"(?:fill|color|background[\w-]*): ?#?[\w(), .]+")
NUMBERED = re.compile(r"\d|^sig-|^mjx")  # classes that every exercise or formula has of its own


@dataclass
class Visit:
    """A page that was opened, and everything that went wrong meanwhile."""

    page: Page
    faults: list[str] = field(default_factory=list)


def visit(browser: Browser, file: Path, width: int, scheme: str, **options: bool) -> Visit:
    screen = {"viewport": {"width": width, "height": 900}, "color_scheme": scheme}
    # a colour in the middle of its transition would be judged as if it stayed
    context = browser.new_context(**screen, reduced_motion="reduce", **options)
    context.set_default_timeout(PATIENCE)
    seen = Visit(context.new_page())

    def note_request(request: Request) -> None:
        if not request.url.startswith(("file:", "data:", "blob:")):
            seen.faults.append(f"asks the network: {request.url}")

    def note_message(message: ConsoleMessage) -> None:
        if message.type == "error":
            seen.faults.append(f"console: {message.text}")

    seen.page.on("request", note_request)
    seen.page.on("requestfailed", lambda request: seen.faults.append(f"failed: {request.url}"))
    seen.page.on("console", note_message)
    seen.page.on("pageerror", lambda error: seen.faults.append(f"script: {error}"))
    seen.page.goto(file.as_uri(), wait_until="load")
    if options.get("java_script_enabled", True):
        seen.page.wait_for_function(LOADING)
        seen.page.evaluate(SETTLED)
    return seen


def kinds(html: str) -> set[tuple[str, str]]:
    """What a page's own part holds that a style sheet can colour: tags by class, and colours."""
    text = html[max(html.find("<article"), 0) :]
    found = {("", colour) for colour in COLOUR.findall(text)}
    for tag, classes in TAG.findall(text):
        found |= {(tag, name) for name in classes.split() if not NUMBERED.search(name)}
    return found


@pytest.fixture(scope="module")
def judged(fast_book: Built) -> set[str]:
    """Pages that hold a kind of element, or a colour, that no page before them holds."""
    found, met = set[str](), set[tuple[str, str]]()
    for name in VISITED:
        here = kinds((fast_book.html / f"{name}.html").read_text("utf-8"))
        if here - met:
            found.add(name)
        met |= here
    return found


def test_some_pages_bring_colours_of_their_own_and_some_do_not(judged: set[str]) -> None:
    assert {FIRST, "references", "search"} <= judged
    assert len(judged) < len(VISITED)
    bare, links = "<article><p>words", "<article><a class='x' href=''>"
    assert kinds(bare) == set()
    assert kinds(links.replace("'", '"')) == {("a", "x")}
    assert kinds("<article><td style='background-color: #fff; top: 1px'>") == {
        ("", "background-color: #fff")
    }


@pytest.mark.parametrize("name", VISITED)
def test_page_in_a_browser(browser: Browser, fast_book: Built, judged: set[str], name: str) -> None:
    """Opened once: every rule in light at 1280 pixels, colours in dark, layout at 390 pixels.

    Colours, which take most of the time, are judged where they are new, and at night everywhere.
    """
    seen = visit(browser, fast_book.html / f"{name}.html", 1280, "light")
    page = seen.page
    try:
        looks_right(page, "light")
        assert page.evaluate(RENDERED) == page.evaluate(FORMULAS)
        assert not page.evaluate(UNREADABLE)
        assert not page.evaluate(CUT_OFF, COLUMNS)
        assert not violations(page, EVERY_RULE if name in judged else OTHERS)
        page.emulate_media(color_scheme="dark")
        page.wait_for_function("() => document.documentElement.dataset.theme === 'dark'")
        assert not page.evaluate(MOVING)
        assert name not in judged or not violations(page, CONTRAST)
        page.set_viewport_size(ZOOMED)
        looks_right(page, "dark")
        page.set_viewport_size(MOBILE)
        looks_right(page, "dark")
        assert not dead_sliders(page)
        page.wait_for_timeout(SETTLES)
        assert not violations(page, SCROLLING)
        looks_right_twice_as_large(page)
        assert not seen.faults
    finally:
        page.context.close()


@pytest.mark.nightly
@pytest.mark.parametrize(("width", "scheme"), SCREENS)
@pytest.mark.parametrize("name", PAGES)
def test_page_on_every_screen(
    browser: Browser, fast_book: Built, name: str, width: int, scheme: str
) -> None:
    seen = visit(browser, fast_book.html / f"{name}.html", width, scheme)
    looks_right(seen.page, scheme)
    assert not violations(seen.page)
    assert not dead_sliders(seen.page)
    looks_right_twice_as_large(seen.page)
    assert not seen.faults
    seen.page.context.close()


def reads_without_scripts(browser: Browser, file: Path) -> list[str]:
    """What is lost or dead on a page, on a phone, where no script runs."""
    seen = visit(browser, file, 390, "light", java_script_enabled=False)
    content, window = seen.page.evaluate(WIDTHS)
    found = [*seen.page.evaluate(LOST), *seen.page.evaluate(DEAD)]
    seen.page.context.close()
    return found + ["the page scrolls sideways"] * (content > window)


@pytest.mark.parametrize(
    "name", [FIRST, *(pytest.param(n, marks=pytest.mark.nightly) for n in PAGES if n != FIRST)]
)
def test_page_without_scripts(browser: Browser, fast_book: Built, name: str) -> None:
    assert not reads_without_scripts(browser, fast_book.html / f"{name}.html")


def looks_right(page: Page, scheme: str) -> None:
    content, window = page.evaluate(WIDTHS)
    assert content <= window, "the page scrolls sideways"
    assert page.evaluate("() => document.documentElement.dataset.theme") == scheme


def looks_right_twice_as_large(page: Page) -> None:
    page.add_style_tag(content=TWICE)
    content, window = page.evaluate(WIDTHS)
    assert content <= window, "with text at twice its size the page scrolls sideways"


def violations(page: Page, options: dict[str, object] | None = None) -> list[str]:
    """Rules of axe-core that are broken, whatever their impact, with the places."""
    return [
        f"{rule['id']} ({rule['impact']}): {node['html'][:160]}"
        for rule in AXE.run(page, SHOWN, options or EVERY_RULE).response["violations"]
        for node in rule["nodes"]
    ]


def dead_sliders(page: Page) -> list[str]:
    """Sliders that do not show another frame when an arrow key is pressed."""
    dead = []
    for slider in page.locator(".w2s-slider").all():
        control = slider.locator("input")
        before = control.get_attribute("aria-valuetext"), slider.evaluate(FRAME)
        control.focus()
        at_end = control.evaluate("input => input.value === input.max")
        page.keyboard.press("ArrowLeft" if at_end else "ArrowRight")
        after = control.get_attribute("aria-valuetext"), slider.evaluate(FRAME)
        if before[0] == after[0] or before[1] == after[1]:
            dead.append(slider.inner_text()[:80])
    return dead


def test_a_dead_slider_is_found(browser: Browser, tmp_path: Path) -> None:
    frames = "".join(f"<div class='w2s-frame' {h}>{h}</div>" for h in ("", "hidden"))
    (tmp_path / "dead.html").write_text(
        "<div class='w2s-slider'><input type='range' min='0' max='1' value='0' "
        f"aria-valuetext='1'>{frames}</div>"
    )
    seen = visit(browser, tmp_path / "dead.html", 390, "light")
    assert len(dead_sliders(seen.page)) == 1
    seen.page.context.close()


def test_the_checks_can_fail(browser: Browser, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text(
        "<html><style>body { transition: color 9s } @media (prefers-color-scheme: dark) "
        "{ body { color: red } }</style><body><h1>Bad</h1><article><pre>words</pre>"
        "<p style='display:none'>lost</p><pre style='width:9px'>cut off</pre></article>"
        "<img src='missing.png'><div style='width:900px'>wide</div>"
        "<script>undefined_name()</script><script src='http://localhost:9/x.js'></script>"
    )
    seen = visit(browser, page, 390, "light")
    faults = " ".join(seen.faults)
    assert "missing.png" in faults
    assert "asks the network: http://localhost:9/x.js" in faults
    assert "undefined_name" in faults
    content, window = seen.page.evaluate(WIDTHS)
    assert content > window
    assert any("image-alt" in fault for fault in violations(seen.page))
    assert seen.page.evaluate(CUT_OFF, COLUMNS) == ["cut off"]
    assert seen.page.evaluate(CUT_OFF, 3) == []
    seen.page.emulate_media(color_scheme="dark")
    assert seen.page.evaluate(MOVING) > 0
    seen.page.context.close()
    lost = reads_without_scripts(browser, page)
    assert "lost" in lost
    assert "the page scrolls sideways" in lost


def test_search_from_disk_finds_pages_and_shows_excerpts(
    browser: Browser, fast_book: Built
) -> None:
    seen = visit(browser, fast_book.html / "index.html", 1280, "light")
    page = seen.page
    page.goto((fast_book.html / "search.html").as_uri() + "?q=student")
    page.wait_for_selector("#search-results li .context", timeout=10_000)
    first = page.locator("#search-results li a").first.get_attribute("href")
    assert first is not None
    assert first.split("?")[0].split("#")[0].removesuffix(".html") in PAGES
    excerpts = page.locator("#search-results li .context").all_inner_texts()
    assert sum("student" in text.lower() for text in excerpts) > 5
    assert not seen.faults
    page.context.close()


def test_a_word_typed_into_the_search_field_finds_a_page(
    browser: Browser, fast_book: Built
) -> None:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    page.goto((fast_book.html / "index.html").as_uri())
    page.keyboard.press("Control+k")
    page.keyboard.type("student")
    page.keyboard.press("Enter")
    page.wait_for_selector("#search-results li a", timeout=10_000)
    context.close()


def test_a_missing_browser_is_a_failure_only_in_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no browser"):
        skip_or_fail("no browser")
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="no browser"):
        skip_or_fail("no browser")
