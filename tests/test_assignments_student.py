"""The students' notebooks: up to date, the same bytes every time, and at work on Colab."""

from __future__ import annotations

import re
import shutil
import sys

import make as making
import nbformat
import pytest
from assignment_cases import NAMES, made, questions
from conftest import ROOT
from make import make, make_all

STUDENT = ROOT / "assignments" / "student"
HIDDEN_POINTS = 0.45  # the least share of the points that needs more than the public checks


def test_committed_notebooks_are_up_to_date():
    assert sorted(path.stem for path in STUDENT.glob("*.ipynb")) == NAMES
    for assignment in make_all(ROOT / "assignments", term="open"):
        committed = (STUDENT / f"{assignment.name}.ipynb").read_text(encoding="utf-8")
        assert committed == assignment.student, "run `make assignments`"


def test_twice_the_same_bytes():
    first, second = (make(ROOT / "assignments" / "misfit.md", term="2030") for _ in "ab")
    assert (first.student, first.key) == (second.student, second.key)
    assert "2030" in first.student
    assert "@TERM@" not in first.student + first.key


@pytest.mark.parametrize("name", NAMES)
def test_points_and_minutes_add_up(name):
    master = (ROOT / "assignments" / f"{name}.md").read_text(encoding="utf-8")
    rows = re.findall(r"\| (\d) \| (\w+) \| (\d+) \| (\d+) \|", master)
    assert [row[1] for row in rows] == ["derive", "predict", "implement", "break", "explain"]
    minutes, points = (sum(int(row[i]) for row in rows) for i in (2, 3))
    assert (points, minutes) == (20, int(re.search(r"Allow (\d+) minutes", master)[1]))
    assert 60 <= minutes <= 90
    for number, _, _, worth in rows:
        assert re.search(rf"name: q{number}\n(manual: true\n)?points: {worth}\n", master)
    hidden = sum(map(float, re.findall(r"hidden: true\npoints: ([\d.]+)", master)))
    assert hidden >= HIDDEN_POINTS * 16 - 1e-9
    assert "Rubric (4 points)" in master


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_has_its_checks_and_no_outputs(name):
    notebook = nbformat.reads(made(name).student, 4)
    sources = [cell.source for cell in notebook.cells]
    asked = questions(made(name))
    assert [f'grader.check("{question}")' in sources for question in asked] == [True] * 4
    assert all(f"'{question}.py'" in sources[1] for question in asked)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)


def asked(monkeypatch, *options: str) -> int:
    monkeypatch.setattr(sys, "argv", ["make.py", *options])
    return making.main()


def test_a_term_is_remembered_and_looking_changes_nothing(tmp_path, monkeypatch):
    masters, out = tmp_path / "masters", tmp_path / "out"
    masters.mkdir()
    shutil.copy(ROOT / "assignments" / "misfit.md", masters)
    monkeypatch.setattr(making, "OUT", out)
    monkeypatch.setattr(making, "execute", lambda key, student: nbformat.reads(key, 4))
    own = ("--masters", str(masters))
    assert asked(monkeypatch, *own, "--term", "2030-fall") == 0
    files = [masters / "student" / "misfit.ipynb", out / "autograder" / "misfit.zip"]
    before = [path.read_bytes() for path in files]
    assert b"2030-fall" in before[0]
    assert asked(monkeypatch, *own, "--check") == 0
    assert asked(monkeypatch, *own, "--student", "ab1234") == 0
    assert asked(monkeypatch, *own, "--student", "ab1234", "--term", "2031") == 0
    assert asked(monkeypatch, *own, "--check", "--term", "2031") == 1
    assert [path.read_bytes() for path in files] == before
    assert (out / "key" / "misfit-ab1234.ipynb").exists()
    assert asked(monkeypatch, *own) == 0
    assert files[0].read_bytes() == before[0]
    assert asked(monkeypatch, *own, "--term", "2031") == 0
    assert [path.read_bytes() for path in files] != before


def test_a_check_that_is_not_ascii_is_refused(tmp_path):
    text = (ROOT / "assignments" / "misfit.md").read_text(encoding="utf-8")
    master = tmp_path / "misfit.md"
    master.write_text(text.replace("Return two numbers", "n \u2264 2"), encoding="utf-8")
    with pytest.raises(ValueError, match=r"must be ASCII: write '\\u2264'"):
        make(master, term="open")
