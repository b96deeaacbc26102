"""Grading a folder: right, wrong, endless and harmful notebooks side by side."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import grade as grading
import psutil
import pytest
import submissions
from assignment_cases import ROOT, made

LEAVE_A_LINK = """
import os
os.symlink("/dev/zero", os.environ["HOME"] + "/out/results.json")
"""
# A child in a session of its own, without a parent, that never ends; and a loop.
ENDLESS = """
import os, subprocess, sys
inner = "import time; time.sleep({seconds})"
outer = "import subprocess, sys; subprocess.Popen(sys.argv[1:], start_new_session=True)"
subprocess.run([sys.executable, "-c", outer, sys.executable, "-c", inner])
while True:
    pass
"""
# Shared memory of a child counts too.
GREEDY = """
import mmap, os, time
if os.fork() == 0:
    memory = mmap.mmap(-1, 3 * 2**30)
    for i in range(0, len(memory), 4096):
        memory[i] = 1
    time.sleep(600)
time.sleep(600)
"""
SECONDS = 987_654


def handed_in(text: str, student: str, first: str = "") -> str:
    notebook = json.loads(text.replace('STUDENT = \\"your id\\"', f'STUDENT=\\"{student}\\"'))
    if first:
        new = {"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None}
        notebook["cells"].insert(1, new | {"id": "new", "source": first})
    return json.dumps(notebook)


def graded(folder: Path, *options: str, assignment: str = "intrinsic") -> int:
    zipped = folder.parent / f"{assignment}.zip"
    zipped.write_bytes(made(assignment).autograder)
    with pytest.MonkeyPatch.context() as patch:
        command = ["grade.py", str(folder), assignment, "--autograder", str(zipped), *options]
        patch.setattr(sys, "argv", command)
        return grading.main()


def table(folder: Path) -> dict[str, dict[str, str]]:
    with (folder / "graded" / "results.csv").open(newline="", encoding="utf-8-sig") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def course(tmp_path_factory) -> Path:
    """A folder graded in one go."""
    folder = tmp_path_factory.mktemp("course") / "handed in"
    key, stub = made("intrinsic").key, made("intrinsic").student
    files = {
        "Jörg Müller_4711_assignsubmission_file_/Intrinsic (1).ipynb": handed_in(key, "Müller"),
        "submission_7/stub.ipynb": handed_in(stub, "st1"),
        "Ohne Abgabe_4713_assignsubmission_file_/report.pdf": "%PDF",
        "broken.ipynb": "{",
        "other.ipynb": handed_in(made("misfit").key, "ot1"),
        "leaves.ipynb": handed_in(stub, "le1", LEAVE_A_LINK),
        "killer.ipynb": handed_in(stub, "ki1", "import os\nos.kill(os.getppid(), 9)"),
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    assert graded(folder, "--jobs", "2", "--seconds", "300") == 0
    return folder


@pytest.mark.parametrize(
    ("file", "student", "status", "total"),
    [
        ("Jörg Müller_4711_assignsubmission_file_/Intrinsic (1).ipynb", "Müller", "graded", 16),
        ("submission_7/stub.ipynb", "st1", "graded", 0),
        ("Ohne Abgabe_4713_assignsubmission_file_", "", "no notebook", 0),
        ("broken.ipynb", "", "unreadable (JSONDecodeError)", 0),
        ("other.ipynb", "", "made for misfit, term open, not for intrinsic, term open", 0),
        ("leaves.ipynb", "le1", "crashed", 0),
        ("killer.ipynb", "ki1", "crashed", 0),
    ],
)
def test_each_gets_a_row_and_costs_the_others_nothing(file, student, status, total, course):
    rows = table(course)
    assert len(rows) == 7
    row = rows[file]
    assert (row["student"], row["status"], float(row["total"])) == (student, status, total)


def test_feedback_tells_what_our_checks_say(course):
    feedback = (course / "graded" / "feedback" / "submission_7" / "stub.md").read_text()
    assert feedback.count("q2 - 1: Write a number") == 1
    assert "q1 - 1: one number is asked for" in feedback or "q1 - 1: Share 1" in feedback
    assert "assert isinstance" not in feedback


def test_nothing_published_holds_a_check(course):
    files = [path for path in (course / "graded").rglob("*") if path.is_file()]
    assert len(files) == 1 + 2 * 7
    assert not [path for path in files if "def test_" in path.read_text(encoding="utf-8")]


def test_written_points_are_added_and_survive_another_run(course, monkeypatch):
    entered = course.parent / "entered.csv"
    rows = table(course)
    name = next(file for file in rows if "Intrinsic" in file)
    rows[name]["q5"] = "3"
    with entered.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, [*rows[name]], delimiter=";")
        writer.writeheader()
        writer.writerows(rows.values())
    assert graded(course, "--written", str(entered)) == 0
    assert (table(course)[name]["q5"], table(course)[name]["total"]) == ("3.0", "19.0")
    feedback = course / "graded" / "feedback" / Path(name).with_suffix(".json")
    assert json.loads(feedback.read_text(encoding="utf-8"))["score"] == 19
    monkeypatch.setattr(grading, "run", lambda notebook, limits: ("timed out", []))
    assert graded(course) == 1
    assert (table(course)[name]["q5"], table(course)[name]["total"]) == ("3.0", "3.0")


def test_where_nothing_is_graded_nothing_is_made(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert graded(tmp_path / "empty") == 1
    assert "0 of 0 notebooks graded" in capsys.readouterr().out
    for folder in (tmp_path / "mistyped", tmp_path / "intrinsic.zip"):
        with pytest.raises(SystemExit, match="2"):
            graded(folder)
        assert "is no folder" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"empty", "intrinsic.zip"}
    assert not list((tmp_path / "empty").iterdir())


def limits(**changed: float) -> grading.Limits:
    given = submissions.loaded(made("intrinsic").student.encode())
    kept = {"seconds": 120, "gigabytes": 4.0} | changed
    return grading.Limits(made("intrinsic").autograder, given, **kept)


def running(mark: str) -> list[list[str]]:
    lines = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    return [line for line in lines if mark in " ".join(line)]


def test_a_loop_is_ended_with_all_that_it_started(tmp_path):
    path = tmp_path / "loop.ipynb"
    path.write_text(handed_in(made("intrinsic").student, "lo1", ENDLESS.format(seconds=SECONDS)))
    code = submissions.read(path, limits().given).runs
    seen: list[int] = []
    watch = grading._memory

    def memory(home: Path) -> int:
        seen.append(len(running(str(SECONDS))))
        return watch(home)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grading, "_memory", memory)
        assert grading.run(code, limits(seconds=20)) == ("timed out", [])
    assert max(seen) >= 1  # it was there
    assert not running(str(SECONDS))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_memory_of_all_processes_counts(tmp_path):
    path = tmp_path / "greedy.ipynb"
    path.write_text(handed_in(made("intrinsic").student, "gr1", GREEDY))
    code = submissions.read(path, limits().given).runs
    assert grading.run(code, limits(gigabytes=2))[0] == "too much memory"


@pytest.mark.parametrize("score", [4.5, -1, float("nan"), None, "x", [4]])
def test_points_above_the_maximum_are_refused(score, tmp_path, monkeypatch):
    path = tmp_path / "a.ipynb"
    path.write_text(handed_in(made("intrinsic").student, "a"))
    monkeypatch.setattr(
        grading, "run", lambda *_: ("graded", [{"name": "q1", "score": score, "output": ""}])
    )
    row = grading.grade(path, "a.ipynb", limits(), None)
    assert (row["status"], row["q1"]) == ("crashed", "")
    monkeypatch.setattr(
        grading, "run", lambda *_: ("graded", [{"name": "q1", "score": 4, "output": ""}])
    )
    row = grading.grade(path, "a.ipynb", limits(), None)
    assert (row["status"], row["q1"]) == ("graded", 4.0)


@pytest.mark.parametrize(
    ("pattern", "student"), [(r"_([a-z0-9]+)_attempt", "bb99"), ("^([^_]+)_9", "")]
)
def test_the_id_is_the_files_if_asked(pattern, student, tmp_path, monkeypatch):
    folder = tmp_path / "handed in"
    folder.mkdir()
    name = "Sheet 3_bb99_attempt_2026-11-28_misfit.ipynb"
    (folder / name).write_text(handed_in(made("misfit").student, "friend"))
    ran = []
    monkeypatch.setattr(grading, "run", lambda code, _: ran.append(code) or ("crashed", []))
    graded(folder, "--ids", pattern, assignment="misfit")
    row = table(folder)[name]
    assert row["student"] == student
    assert "'friend'" in row["notes"]
    assert ("no id found" in row["notes"]) == (not student)
    checks = [cell.source for cell in ran[0].cells if "grader.check(" in cell.source]
    assert all(source.startswith("STUDENT = 'bb99'\n") == bool(student) for source in checks)


def test_no_module_of_unix_alone_is_imported():
    missing = "import sys; sys.modules.update(dict.fromkeys(['fcntl', 'pwd', 'grp', 'termios']))"
    code = f"{missing}; import grade; grade.main()"
    command = [sys.executable, "-c", code, "--help"]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "assignments")}
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "notebooks of people whom you trust" in run.stdout
