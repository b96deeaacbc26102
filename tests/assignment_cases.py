"""What the tests of the assignments share: one build, and questions graded in this process."""

from __future__ import annotations

import sys
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from conftest import ROOT

sys.path.insert(0, str(ROOT / "assignments"))

from make import Made, make
from otter.test_files.exception_test import ExceptionTestFile

NAMES = sorted(p.stem for p in (ROOT / "assignments").glob("*.md") if p.stem != "README")


@dataclass(frozen=True)
class Graded:
    """What the checks of one question said: a message per check that failed."""

    points: float
    possible: float
    messages: tuple[str, ...]


def code_cells(notebook: str, student: str) -> list[str]:
    """The code of a notebook, without set-up and checks, with a student's id filled in."""
    cells = [cell for cell in nbformat.reads(notebook, 4).cells if cell.cell_type == "code"]
    return [
        cell.source.replace('STUDENT = "your id"', f"STUDENT = {student!r}")
        for cell in cells
        if not cell.source.startswith(("# @title", "grader.check"))
    ]


def run(code: list[str], names: dict[str, Any] | None = None) -> dict[str, Any]:
    """The names that are bound after this code."""
    bound = dict(names or {})
    for cell in code:
        exec(compile(cell, "<answer>", "exec"), bound)
    return bound


def questions(made: Made) -> list[str]:
    """Names of the questions that have checks."""
    with zipfile.ZipFile(made.autograder) as archive:
        return sorted(Path(n).stem for n in archive.namelist() if n.startswith("tests/q"))


def grade(made: Made, question: str, names: dict[str, Any], folder: Path) -> Graded:
    """All checks of a question, public and hidden, run as otter runs them."""
    with zipfile.ZipFile(made.autograder) as archive:
        path = Path(archive.extract(f"tests/{question}.py", folder / made.name))
    tests = ExceptionTestFile.from_file(str(path))
    tests.run(names)
    results = tests.test_case_results
    failed = tuple(r.message for r in results if not r.passed)
    return Graded(tests.score, tests.possible, failed)


@cache
def made(name: str, out: Path, term: str = "open") -> Made:
    """An assignment, made once."""
    return make(ROOT / "assignments" / f"{name}.md", out, term=term)
