"""What is handed in: every spelling, encoding, platform and bad file, before anything runs."""

from __future__ import annotations

import json
import os
import unicodedata
from copy import deepcopy
from pathlib import Path

import pytest
import submissions
from assignment_cases import made

from w2s_tutorial.variants import plain_id

GIVEN = submissions.loaded(made("misfit").student.encode())
STUDENT = 'STUDENT = "your id"'


def with_line(line: str) -> dict:
    """The notebook as handed out, with this line in place of the one for the id."""
    notebook = json.loads(made("misfit").student)
    for cell in notebook["cells"]:
        cell["source"] = cell["source"].replace(STUDENT, line)
    return notebook


def read(tmp_path: Path, content: dict | bytes, **how: str) -> submissions.Submission:
    path = tmp_path / "a.ipynb"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return submissions.read(path, GIVEN, **how)


@pytest.mark.parametrize(
    ("line", "student"),
    [
        ('STUDENT="ns1234"', "ns1234"),
        ("STUDENT = 7012345", "7012345"),
        ('STUDENT: str = "an1234"', "an1234"),
        ("STUDENT = 'cm1234'  # \"Anna\", group 'B'", "cm1234"),
        ('STUDENT = "o\'neil"', "o'neil"),
        ('STUDENT = name = "two"', "two"),
        ('STUDENT = "a"; x = "b"', "a"),
        ('%time STUDENT = "magic"', ""),  # not an assignment that can be read
        ('%matplotlib inline\n!ls\nSTUDENT = "shell"', "shell"),
        ('# STUDENT = "no"\nSTUDENT = """long"""', "long"),
        ('STUDENT = "a\\u0308"', "a\u0308"),
        ("STUDENT = input()", ""),
    ],
)
def test_an_id_in_any_spelling(line, student, tmp_path):
    found = read(tmp_path, with_line(line))
    assert found.student == student
    assert ("no id found" in found.notes) == (student == "")


@pytest.mark.parametrize("ids", [("ab1234", " ab1234 ", "AB1234"), ("Müller", "MU\u0308LLER")])
def test_ids_are_compared_as_they_are_drawn(ids):
    assert len({plain_id(student) for student in ids}) == 1
    assert plain_id("Muller") != plain_id("Müller")


def test_a_blank_id_and_two_ids_are_noted(tmp_path):
    assert "id not filled in" in read(tmp_path, with_line(STUDENT)).notes
    two = read(tmp_path, with_line('STUDENT = "me2"\nSTUDENT="friend99"'))
    assert "names the id 'friend99', graded for 'me2'" in two.notes
    assert not [note for note in read(tmp_path, with_line('STUDENT="a"')).notes if "id" in note]


@pytest.mark.parametrize("spelling", ['STUDENT="friend99"', 'globals()["STUDENT"] = "friend99"'])
def test_each_check_is_made_for_the_one_student(spelling, tmp_path):
    submission = read(tmp_path, with_line(spelling), student="me2")
    sources = [cell.source for cell in submission.runs.cells]
    checks = [source for source in sources if "grader.check(" in source]
    assert len(checks) == 4
    for source in [*checks, sources[-1]]:
        assert source.startswith("STUDENT = 'me2'\n")


def as_colab_saves(notebook: dict) -> dict:
    saved = deepcopy(notebook) | {"nbformat_minor": 0}
    saved["metadata"] = {"colab": {"provenance": []}, "kernelspec": {"name": "python3"}}
    mounted = "from google.colab import drive\ndrive.mount('/d')\n!pip list\n%matplotlib inline"
    cell = {"cell_type": "code", "execution_count": 1, "outputs": [], "source": mounted}
    saved["cells"].insert(2, cell)
    for i, cell in enumerate(saved["cells"]):
        cell.pop("id", None)
        cell["metadata"] = {"id": f"x{i}", "outputId": "ab"}
        cell["source"] = cell["source"].replace("\n", "\r\n").splitlines(True)
    return saved


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_encodings_and_colab_change_nothing(encoding, tmp_path):
    notebook = with_line('STUDENT = "Jörg"')
    plain = read(tmp_path, notebook)
    other = json.dumps(as_colab_saves(notebook), ensure_ascii=False).encode(encoding)
    colab = read(tmp_path, other)
    assert (colab.student, colab.written, colab.notes) == plain[1:]
    assert [c.source for c in plain.runs.cells] == [
        c.source for i, c in enumerate(colab.runs.cells) if i != 1
    ]


def test_half_an_emoji_costs_nothing(tmp_path):
    line = json.dumps(with_line('STUDENT = "@"')).replace("@", "\\ud83d")
    submission = read(tmp_path, line.encode())
    assert submission.student == "?"
    json.dumps(submission.runs, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ('\\"misfit\\"', '\\"intrinsic\\"', "intrinsic, term open"),
        ("open", "2031", "misfit, term 2031"),
    ],
)
@pytest.mark.parametrize("by", ["call", "metadata"])
def test_another_assignment_or_term_is_refused(old, new, named, by, tmp_path):
    notebook = json.loads(json.dumps(with_line('STUDENT = "a"')).replace(old, new))
    if by == "metadata":
        notebook["metadata"]["assignment"] |= dict(
            zip(("name", "term"), named.split(", term "), strict=True)
        )
        notebook["cells"] = [c for c in notebook["cells"] if "mine = draw" not in c["source"]]
    with pytest.raises(submissions.Refused, match=f"made for {named}, not for misfit, term open"):
        read(tmp_path, notebook)


def test_a_notebook_that_names_no_assignment_is_noted(tmp_path):
    notebook = with_line('STUDENT = "a"')
    del notebook["metadata"]["assignment"]
    notebook["cells"] = [c for c in notebook["cells"] if "mine = draw" not in c["source"]]
    assert "does not say of which assignment and term it is" in read(tmp_path, notebook).notes


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"<html>", b"[1]", b"null", b'{"cells": [1]}', b'{"cells": [{}]}', b"\xff\x00\x01",
     b"[" * 200_000, b'{"nbformat": 4, "metadata": {"assignment": 1}, "cells": []}'],
)  # fmt: skip
def test_what_is_no_notebook_raises(content, tmp_path):
    with pytest.raises(Exception):  # noqa: B017, PT011 - whatever it is, grade.py goes on
        read(tmp_path, content)


@pytest.mark.skipif(os.name == "nt", reason="links and pipes")
def test_links_pipes_and_large_files_are_not_read(tmp_path, monkeypatch):
    (tmp_path / "dangling").symlink_to("nowhere")
    (tmp_path / "endless").symlink_to("/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "large").write_bytes(bytes(100))
    for name in ("dangling", "endless", "pipe", "large", "absent"):
        with pytest.raises(OSError, match=name):
            submissions.plain_file(tmp_path / name, 99)
    assert submissions.plain_file(tmp_path / "large", 100) == bytes(100)


CANVAS = "meieranna_LATE_12345_678901_misfit-1.ipynb"
BLACKBOARD = "Sheet 3_bb99_attempt_2026-11-28-12-00-00_misfit.ipynb"
MOODLE = "Jörg Müller_4711_assignsubmission_file_"
HANDED_OUT = [CANVAS, BLACKBOARD, f"{MOODLE}/Misfit (1).ipynb", "submission_1001/misfit.IPYNB",
              "Copy of misfit.ipynb", "safari.ipynb.json", "a/b/c/deep.ipynb"]  # fmt: skip
NOT = ["a/.ipynb_checkpoints/x-checkpoint.ipynb", "__MACOSX/._x.ipynb", "graded/feedback/x.ipynb",
       "submission_metadata.yml", "a/notes.pdf"]  # fmt: skip


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_a_folder_as_platforms_hand_it_out(form, tmp_path):
    for name in [*HANDED_OUT, *NOT, "Ohne Abgabe_4713_assignsubmission_file_/report.pdf"]:
        path = tmp_path / unicodedata.normalize(form, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    found = {submissions.shown(p.relative_to(tmp_path)) for p in submissions.find(tmp_path)}
    assert found == {*HANDED_OUT, "Ohne Abgabe_4713_assignsubmission_file_"}


def test_a_name_that_is_not_utf8_can_be_shown():
    assert submissions.shown(Path(os.fsdecode(b"caf\xe9.ipynb"))) == "caf\ufffd.ipynb"


def answered(where: str, text: str) -> dict:
    """The notebook with an answer to the written question, typed there."""
    notebook = with_line('STUDENT = "a"')
    cells = notebook["cells"]
    at = next(i for i, cell in enumerate(cells) if "BEGIN QUESTION" in cell["source"])
    new = {"cell_type": "markdown", "metadata": {}, "source": text}
    if where == "in its place":
        cells[at + 1]["source"] = text
    elif where == "below the prompt":
        cells[at]["source"] += f"\n\n{text}"
    elif where == "instead of the prompt":
        cells[at]["source"] = text
    elif where == "a code cell":
        cells.insert(at + 1, new | {"cell_type": "code", "outputs": [], "execution_count": None})
    elif where == "a raw cell":
        cells.insert(at + 2, new | {"cell_type": "raw"})
    else:
        cells.append(new)
    return notebook


PLACES = ["in its place", "below the prompt", "instead of the prompt", "a code cell",
          "a raw cell", "after the end"]  # fmt: skip


@pytest.mark.parametrize("where", PLACES)
def test_an_answer_is_found_wherever_it_is_typed(where, tmp_path):
    text = "## zoe_misfit.ipynb\n\nBecause of *this*.\n\n## 5 Explain\n\nAnd that."
    submission = read(tmp_path, answered(where, text))
    assert list(submission.written) == ["q5"]
    assert "Because of *this*." in submission.written["q5"]
    assert "And that." in submission.written["q5"]
    assert "team has no true labels" not in submission.written["q5"]
    assert "q5: no answer found" not in submission.notes
    if where != "instead of the prompt":
        assert submission.written["q5"].startswith("## zoe_misfit.ipynb")


def test_an_answer_that_is_missing_is_noted(tmp_path):
    submission = read(tmp_path, answered("after the end", " \n"))
    assert submission.written == {"q5": ""}
    assert "q5: no answer found" in submission.notes


def test_an_answer_ends_where_the_next_question_begins(tmp_path):
    """With two written questions, of which the second is followed by one that runs."""
    given = deepcopy(GIVEN)
    given.metadata.assignment.written = ["q3", "q5"]
    at = next(i for i, cell in enumerate(given.cells) if cell.source == "## 3 Implement")
    given.cells[at + 1].source = submissions.BEGIN + given.cells[at + 1].source
    handed_in = deepcopy(given)
    handed_in.cells[at + 2].source += "\n# mine"
    next(c for c in handed_in.cells if c.source.startswith("strong = ...")).source = "strong = 1"
    handed_in.cells[-1].source += "\nLast."
    path = tmp_path / "a.ipynb"
    path.write_text(json.dumps(handed_in))
    assert submissions.read(path, given).written == {"q3": "# mine", "q5": "Last."}
