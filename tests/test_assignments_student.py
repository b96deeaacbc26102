"""The students' notebooks: up to date, the same bytes every time, and at work on Colab."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from address import Address
from assignment_cases import NAMES, made, questions
from conftest import ROOT
from make import make, make_all
from set_up import set_up

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


def test_on_colab_the_set_up_fetches_the_package_and_no_master(tmp_path):
    origin, content = tmp_path / "origin", tmp_path / "content"
    content.mkdir()
    for file in ("w2s_tutorial/__init__.py", "data/a.csv", "assignments/a.md", "tests/test_a.py"):
        (origin / file).parent.mkdir(parents=True)
        (origin / file).write_text("")
    identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost"]
    for arguments in (
        ["init", "--quiet", "--initial-branch=trunk"],
        ["add", "--all"],
        [*identity, "commit", "--quiet", "--no-verify", "-m", "Everything"],
    ):
        subprocess.run(["git", *arguments], cwd=origin, check=True)
    stub = tmp_path / "stub" / "google" / "colab" / "__init__.py"
    stub.parent.mkdir(parents=True)
    stub.touch()
    cell = set_up(Address(f"file://{origin}", "trunk"), {"q1.py": "name = 'q1'\n"})
    check = f"\nimport w2s_tutorial\nassert {str(content)!r} in w2s_tutorial.__file__"
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", cell + check],
        cwd=content,
        env={"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PYTHONPATH": str(stub.parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    fetched = {path.name for path in (content / "origin").iterdir()}
    assert fetched == {".git", "w2s_tutorial"}
    assert Path(content, "public_checks", "q1.py").read_text() == "name = 'q1'\n"


def test_without_an_address_the_set_up_says_what_to_do():
    cell = set_up(Address("https://github.com/ORG/REPO", "main"), {})
    assert "run `make assignments`" in cell
    assert "git" not in json.dumps(cell).replace("github", "")
