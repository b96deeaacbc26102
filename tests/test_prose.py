"""What a chapter must look like: short cells, prose between them, figures that are read."""

from __future__ import annotations

import ast
import re
import statistics
import sys
from itertools import pairwise
from pathlib import Path

import jupytext
import pytest

BOOK = Path(__file__).parents[1] / "book"
sys.path.insert(0, str(BOOK / "_ext"))
import chapters  # noqa: E402

CHAPTERS = chapters.chapters()
NUMBERED = [page for page, numbered in chapters.toc() if numbered]
WORD = re.compile(r"[^\W\d_][\w'’-]*")
REBOUND = {"fig", "ax", "_"}  # names of the moment
COLUMN = 84  # characters of code that fit beside the contents at 1280 pixels
QUIET = {"remove-input", "hide-input"}
METRIC = r"accurac|PGR|OPR|gain|misfit|error rate|risk"


def cells(page: str) -> list:
    return jupytext.read(BOOK / f"{page}.md").cells


def code(page: str) -> list:
    """Code cells of the page, without what only Colab shows."""
    return code_among(cells(page))


def code_among(some: list) -> list:
    return [
        cell
        for cell in some
        if cell.cell_type == "code" and "colab-only" not in cell.metadata.get("tags", [])
    ]


def lines(cell) -> int:
    return sum(1 for line in cell.source.splitlines() if line.strip())


def quiet(cell) -> bool:
    return bool(QUIET & set(cell.metadata.get("tags", [])))


@pytest.mark.parametrize("page", CHAPTERS)
def test_cells_are_short(page):
    lengths = [lines(cell) for cell in code(page)]
    assert max(lengths) <= 20
    assert statistics.median(lengths) <= 6


@pytest.mark.parametrize("page", CHAPTERS)
def test_code_fits_the_column(page):
    long = [line for cell in code(page) for line in cell.source.splitlines() if len(line) > COLUMN]
    assert not long


@pytest.mark.parametrize("page", CHAPTERS)
def test_there_is_more_prose_than_code(page):
    words = sum(len(WORD.findall(c.source)) for c in cells(page) if c.cell_type == "markdown")
    assert words >= 6 * sum(lines(cell) for cell in code(page) if not quiet(cell))


@pytest.mark.parametrize("page", CHAPTERS)
def test_functions_are_short_and_nothing_is_starred(page):
    for cell in code(page):
        for node in ast.walk(ast.parse(cell.source)):
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 12, node.name
            assert not (isinstance(node, ast.ImportFrom) and node.names[0].name == "*")


@pytest.mark.parametrize("page", CHAPTERS)
def test_a_name_is_bound_once(page):
    seen: dict[str, int] = {}
    for number, cell in enumerate(code(page)):
        bound = set()
        for statement in ast.parse(cell.source).body:
            if isinstance(statement, ast.FunctionDef | ast.ClassDef):
                bound.add(statement.name)
            elif isinstance(statement, ast.Assign):
                parts = (node for target in statement.targets for node in ast.walk(target))
                bound |= {
                    node.id
                    for node in parts
                    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
                }
        for name in bound - REBOUND:
            assert name not in seen, f"{name}, of cell {seen.get(name)}, is bound again"
            seen[name] = number


@pytest.mark.parametrize("page", CHAPTERS)
def test_figures_have_a_name_a_message_and_a_reader(page):
    prose = "\n".join(cell.source for cell in cells(page) if cell.cell_type == "markdown")
    named = [c.metadata["mystnb"]["figure"] for c in code(page) if "mystnb" in c.metadata]
    assert named
    for figure in named:
        assert figure["name"].startswith("fig-")
        assert figure["caption"].lstrip().startswith("**"), "the message comes first"
        assert f"{{numref}}`{figure['name']}`" in prose, f"no text refers to {figure['name']}"
    drawn = [c for c in code(page) if re.search(r"^explore\.(figure|slider)\(", c.source, re.M)]
    assert all("mystnb" in cell.metadata for cell in drawn), "every figure is numbered"


@pytest.mark.parametrize("page", CHAPTERS)
def test_code_cells_are_parted_by_prose_unless_one_only_shows(page):
    sequence = cells(page)
    for first, second in pairwise(sequence):
        if first.cell_type == second.cell_type == "code":
            assert quiet(first) or quiet(second) or "assert" in second.source, second.source


def before_exercises(page: str) -> list:
    """Cells of a chapter up to its exercises."""
    every = cells(page)
    ends = [n for n, cell in enumerate(every) if re.search(r"^## Exercises$", cell.source, re.M)]
    return every[: ends[0]]


@pytest.mark.parametrize("page", NUMBERED)
def test_a_chapter_holds_one_idea(page):
    part = before_exercises(page)
    words = sum(len(WORD.findall(cell.source)) for cell in part if cell.cell_type == "markdown")
    shown = [cell for cell in code_among(part) if not quiet(cell)]
    figures = [cell for cell in code(page) if "figure" in cell.metadata.get("mystnb", {})]
    limits = (2600, 28, 7)
    found = (words, len(shown), len(figures))
    assert all(one <= most for one, most in zip(found, limits, strict=True)), found


def typed_result(prose: str) -> str | None:
    """A measured number that someone typed: a decimal beside a metric's name, or a percentage."""
    text = re.sub(r"\$[^$]*\$|`[^`]*`|95 %", "", prose)
    found = re.search(rf"({METRIC})\w*\b[^.\n]{{0,40}}?(?<![\w.])\d*\.\d+|\d+(\.\d+)? ?%", text)
    return found[0] if found else None


@pytest.mark.parametrize("page", CHAPTERS)
def test_measured_numbers_come_from_cells(page):
    for cell in cells(page):
        if cell.cell_type == "markdown":
            assert typed_result(cell.source) is None


def test_the_lint_finds_typed_results():
    assert typed_result("The student reaches an accuracy of 0.87.") == "accuracy of 0.87"
    assert typed_result("It recovers 55 % of the gap.") == "55 %"
    assert typed_result("With 100 labels, 95 % intervals and $a = 0.5$, accuracy rises.") is None


@pytest.mark.parametrize("page", NUMBERED)
def test_exercises_have_solutions_that_are_checked(page):
    text = (BOOK / f"{page}.md").read_text(encoding="utf-8")
    asked = re.findall(r"\{exercise(?:-start)?\}.*\n:label: (\S+)", text)
    solved = re.findall(r"\{solution-start\} (\S+)\n(.*?)\{solution-end\}", text, re.S)
    assert 3 <= len(asked) <= 5
    assert [label for label, _ in solved] == asked
    for label, solution in solved:
        assert "check" in solution, f"the solution of {label} is not checked"
        before = text.partition(f"{{solution-start}} {label}\n")[0].rpartition("{exercise")[2]
        assert before.count(":class: dropdown hint") == 2, f"{label} has no ladder of two hints"


def unsourced(text: str) -> list[str]:
    """Labels of theorems with no box about their source before the next heading or theorem."""
    parts = re.split(r"^(?=```\{prf:theorem\}|#+ )", text, flags=re.MULTILINE)
    theorems = [part for part in parts if part.startswith("```{prf:theorem}")]
    return [
        re.search(r":label: (\S+)", part)[1] for part in theorems if ":class: source" not in part
    ]


def test_every_theorem_says_what_was_read():
    pages = [(BOOK / f"{page}.md").read_text(encoding="utf-8") for page in CHAPTERS]
    assert sum(text.count("```{prf:theorem}") for text in pages) >= 4
    assert not [label for text in pages for label in unsourced(text)]
    assert unsourced("```{prf:theorem} T\n:label: thm-t\n```\n\n## Next\n:class: source") == [
        "thm-t"
    ]


def test_what_a_source_box_cites_is_on_the_page_of_sources():
    listed = (BOOK / "sources.md").read_text(encoding="utf-8")
    cited = set()
    for page in CHAPTERS:
        text = (BOOK / f"{page}.md").read_text(encoding="utf-8")
        boxes = re.findall(r":class: source\n(.*?)\n(?:```|:::)$", text, re.DOTALL | re.MULTILINE)
        cited |= {key for box in boxes for key in re.findall(r"\{cite:\w\}`(\w+)`", box)}
    assert len(cited) >= 8
    assert not [key for key in sorted(cited) if f"`{key}`" not in listed]
