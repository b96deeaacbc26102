"""`otter run` without docker: right, wrong and hostile notebooks side by side."""

from __future__ import annotations

import csv
import socket
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import nbformat
import pytest
from assignment_cases import ROOT, made

sys.path.insert(0, str(ROOT / "assignments"))

pytest.importorskip("fcntl", reason="grading needs Linux or macOS")

import grade as grading
import submissions
from confine import landlock_version

VANDAL = """
STUDENT = "vandal"
import glob, os, shutil, socket, sys
for path in glob.glob("tests/*.py") + glob.glob("public_checks/*"):
    print(open(path).read(), file=sys.stderr)
    print(open(path).read())
try:
    os.remove({canary!r})
except OSError:
    pass
try:
    open({canary!r}, "w").write("mine")
except OSError:
    pass
try:
    socket.create_connection(("127.0.0.1", {port}), timeout=2).send(b"secret")
except OSError:
    pass
shutil.rmtree(os.path.expanduser("~"), ignore_errors=True)
"""


def notebook(folder: Path, name: str, *code: str) -> None:
    cells = [nbformat.v4.new_code_cell(source) for source in code]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / name)


@contextmanager
def listening():
    """A server on this machine, and what it was sent."""
    heard: list[bytes] = []

    def hear() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            heard.append(connection.recv(100))
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=hear, daemon=True).start()
        yield server.getsockname()[1], heard


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """One folder with all sorts, graded in one go: rows by file, folder, canary, what was heard."""
    folder = tmp_path_factory.mktemp("submissions")
    assignment = made("intrinsic", tmp_path_factory.mktemp("assignments"))
    canary = folder / "canary"
    canary.write_text("alive")
    for name, text in (("right", assignment.key), ("stub", assignment.student)):
        text = text.replace('STUDENT = \\"your id\\"', 'STUDENT = \\"ab1234\\"')
        (folder / f"{name}.ipynb").write_text(text)
    (folder / "broken.ipynb").write_text("{")
    notebook(folder, "killer.ipynb", "import os, signal\nos.kill(os.getppid(), signal.SIGKILL)")
    with listening() as (port, heard):
        vandal = VANDAL.format(canary=str(canary), port=port)
        notebook(folder, "vandal.ipynb", vandal)
        options = ["--autograder", str(assignment.autograder), "--jobs", "2", "--seconds", "300"]
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["grade.py", str(folder), "intrinsic", *options])
            assert grading.main() == 0
    with (folder / "graded" / "results.csv").open(newline="") as file:
        rows = {row["file"].removesuffix(".ipynb"): row for row in csv.DictReader(file)}
    return rows, folder, canary, heard


def test_right_and_wrong_get_their_points(graded):
    rows, folder, *_ = graded
    assert rows["right"]["status"] == rows["stub"]["status"] == "graded"
    assert (rows["right"]["total"], rows["stub"]["total"]) == ("16.0", "0.0")
    feedback = (folder / "graded" / "stub.md").read_text()
    assert "q2 - 1: Write a number" in feedback
    assert "assert isinstance" not in feedback


def test_one_that_crashes_costs_the_others_nothing(graded):
    rows, *_ = graded
    assert len(rows) == 5
    assert rows["killer"]["status"] == rows["broken"]["status"] == "crashed"
    assert float(rows["killer"]["total"]) == float(rows["broken"]["total"]) == 0


def test_printed_checks_reach_nobody(graded):
    _, folder, *_ = graded
    published = "\n".join(path.read_text() for path in (folder / "graded").iterdir())
    assert "def test_" not in published
    assert "uses tests/" in published


def test_without_confinement_the_vandal_succeeds(tmp_path):
    canary = tmp_path / "canary"
    canary.write_text("alive")
    home = tmp_path / "home"
    home.mkdir()
    with listening() as (port, heard):
        command = [sys.executable, "-c", VANDAL.format(canary=str(canary), port=port)]
        subprocess.run(command, cwd=tmp_path, env={"HOME": str(home)}, check=True)
        time.sleep(0.2)
    assert canary.read_text() == "mine"
    assert heard == [b"secret"]
    assert not home.exists()


def test_what_the_notes_say_of_forgers(graded):
    rows, *_ = graded
    assert "socket" in rows["vandal"]["notes"]
    assert not rows["right"]["notes"].replace("same id twice", "")


@pytest.mark.skipif(not landlock_version(), reason="this kernel has no Landlock")
def test_files_outside_the_copy_stay(graded):
    _, folder, canary, _ = graded
    assert canary.read_text() == "alive"
    assert len(list(folder.glob("*.ipynb"))) == 5


@pytest.mark.skipif(not grading.isolated(), reason="no namespaces for this user")
def test_the_network_is_out_of_reach(graded):
    *_, heard = graded
    assert heard == []


def test_an_endless_loop_is_ended_with_all_it_started(tmp_path):
    fork = "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'while True: pass'])"
    notebook(tmp_path, "loop.ipynb", fork, "while True:\n    pass")
    zipped = made("intrinsic", tmp_path).autograder
    result = grading.grade(tmp_path / "loop.ipynb", zipped, seconds=8, gigabytes=4.0)
    assert (result.status, result.points) == ("timed out", {})
    assert result.seconds < 60
    if grading.isolated():
        import psutil

        mine = [p.info["cmdline"] or [] for p in psutil.process_iter(["cmdline"])]
        assert not [c for c in mine if "while True: pass" in c]


def test_a_table_holds_no_formulas(tmp_path):
    submissions.write([submissions.Result("a.ipynb", "=1+1", "graded")], tmp_path)
    assert "'=1+1,a.ipynb" in (tmp_path / "results.csv").read_text()


@pytest.mark.parametrize(("ids", "student"), [("file", "mine"), ("notebook", "friend")])
def test_the_id_is_the_files_if_asked(tmp_path, ids, student):
    notebook(tmp_path, "mine_1.ipynb", "x = 1", 'STUDENT = "friend"')
    submission = submissions.read(tmp_path / "mine_1.ipynb", ids=ids)
    assert submission.student == student
    source = "".join(submission.content["cells"][1]["source"])
    assert source.replace('"', "'") == f"STUDENT = {student!r}"
    assert ("graded for 'mine'" in submission.notes) == (ids == "file")


def test_written_answers_come_out_by_question(graded):
    _, folder, *_ = graded
    written = (folder / "graded" / "written.md").read_text()
    assert written.startswith("# 5 Explain")
    assert "## right.ipynb\n\n**What a good answer says.**" in written
    assert "Type your answer here" not in written
