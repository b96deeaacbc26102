"""What the tests of the assignments share: one build, and questions graded in this process."""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
from conftest import ROOT
from make import Made, make
from otter.test_files.exception_test import ExceptionTestFile

NAMES = sorted(p.stem for p in (ROOT / "assignments").glob("*.md") if p.stem != "README")


@dataclass(frozen=True)
class Graded:
    """What the checks of one question said: a message per check that failed."""

    points: float
    possible: float
    messages: tuple[str, ...]
    output: str


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
    with zipfile.ZipFile(io.BytesIO(made.autograder)) as archive:
        return sorted(Path(n).stem for n in archive.namelist() if n.startswith("tests/q"))


def grade(made: Made, question: str, names: dict[str, Any]) -> Graded:
    """All checks of a question, public and hidden, run as otter runs them."""
    with zipfile.ZipFile(io.BytesIO(made.autograder)) as archive:
        source = archive.read(f"tests/{question}.py").decode()
    tests = ExceptionTestFile.from_string(source)
    tests.run(names)
    results = tests.test_case_results
    failed = tuple(r.message for r in results if not r.passed)
    return Graded(tests.score, tests.possible, failed, tests.summary())


@cache
def made(name: str, term: str = "open") -> Made:
    """An assignment, made once."""
    return make(ROOT / "assignments" / f"{name}.md", term=term)
