"""The table: points that a person enters, formulas, feedback of our own checks alone."""

from __future__ import annotations

import csv
import json

import grade as grading
import pytest
import results
from assignment_cases import code_cells, grade, made, run

MOST = {"q1": 4.0, "q5": 4.0}


def rows() -> list[results.Row]:
    first = {"q1": 3.5, "q5 answer": "Ja, größer;\n'so'", "feedback": "q1 - 1: No.", "seconds": 9}
    return [
        results.row("b/Jörg.ipynb", "jörg", "graded", MOST, **first),
        results.row("=1+1.ipynb", "=1+1", "graded", MOST, q1=4.0, **{"q5 answer": "=cmd"}),
        results.row("c.ipynb", "", "unreadable (OSError)", MOST),
    ]


def table(path) -> dict[str, dict[str, str]]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def test_a_table_holds_no_formulas(tmp_path):
    results.write(rows(), MOST, tmp_path)
    for cells in table(tmp_path / "results.csv").values():
        assert not [cell for cell in cells.values() if cell.startswith(tuple("=+-@"))]
    assert "'=1+1.ipynb" in table(tmp_path / "results.csv")


def test_ids_that_draw_alike_are_the_same_id(tmp_path):
    twice = [results.row(f"{i}", i, "graded", MOST) for i in ("Jo\u0308rg", " JÖRG", "jorg", "")]
    results.write(twice, MOST, tmp_path)
    noted = [row["notes"] for row in table(tmp_path / "results.csv").values()]
    assert sorted(noted) == ["", "", "same id twice", "same id twice"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
@pytest.mark.parametrize("entered", ["2.5", "2,5", " 2.5 "])
def test_points_for_written_answers_land_in_the_table(separator, entered, tmp_path):
    """As spreadsheets of several countries save it."""
    results.write(rows(), MOST, tmp_path)
    saved = table(tmp_path / "results.csv")
    saved["b/Jörg.ipynb"]["q5"] = entered
    with (tmp_path / "mine.csv").open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, [*saved["c.ipynb"]], delimiter=separator)
        writer.writeheader()
        writer.writerows(saved.values())
    results.write(results.read(tmp_path / "mine.csv", MOST), MOST, tmp_path)
    again = table(tmp_path / "results.csv")
    assert (again["b/Jörg.ipynb"]["q5"], again["b/Jörg.ipynb"]["total"]) == ("2.5", "6.0")
    assert again["b/Jörg.ipynb"]["q5 answer"] == "Ja, größer;\n'so'"
    assert [again[file]["total"] for file in ("'=1+1.ipynb", "c.ipynb")] == ["4.0", "0.0"]
    assert again["c.ipynb"]["q5"] == ""


@pytest.mark.parametrize("entered", ["4.5", "-1", "nan", "good", "1e9", "inf"])
def test_points_that_are_none_are_refused(entered, tmp_path):
    results.write(rows(), MOST, tmp_path)
    text = (tmp_path / "results.csv").read_text(encoding="utf-8-sig")
    changed = text.replace("3.5,,9", f"3.5,{entered},9")
    assert changed != text
    (tmp_path / "results.csv").write_text(changed, encoding="utf-8-sig")
    with pytest.raises(ValueError, match=r"Jörg\.ipynb, q5: points must be 0 to 4"):
        results.read(tmp_path / "results.csv", MOST)


def test_a_table_of_something_else_is_refused(tmp_path):
    (tmp_path / "other.csv").write_text("name,points\nzoe,3\n")
    with pytest.raises(ValueError, match="must have the columns"):
        results.read(tmp_path / "other.csv", MOST)
    results.write(rows(), MOST, tmp_path)
    content = (tmp_path / "results.csv").read_text(encoding="utf-8-sig").encode("cp1252")
    (tmp_path / "old.csv").write_bytes(content)
    with pytest.raises(ValueError, match="utf-8"):
        results.read(tmp_path / "old.csv", MOST)


def test_gradescope_reads_what_the_student_gets(tmp_path):
    first = rows()[0]
    results.hand_back(first, MOST, tmp_path)
    given = json.loads((tmp_path / "feedback" / "b" / "Jörg.json").read_text(encoding="utf-8"))
    assert given["score"] == 3.5
    assert [test["max_score"] for test in given["tests"]] == [4.0, 4.0]
    text = (tmp_path / "feedback" / "b" / "Jörg.md").read_text(encoding="utf-8")
    assert given["output"] == text
    assert "q1: 3.5 of 4\nq5: - of 4\n\nq1 - 1: No." in text


LEAKS = {
    "ours": "def after_a_step(s, full): return 7",
    "ours, with what came": "def after_a_step(s, full): return 'SECRET', 0.4",
    "another error": "def after_a_step(s, full): raise ValueError('SECRET')",
    "one that looks like ours": "def after_a_step(s, full): raise AssertionError('SECRET')",
    "of a check": "from w2s_tutorial.checks.common import CheckError\n"
    "def after_a_step(s, full): raise CheckError('SECRET')",
}


@pytest.mark.parametrize("kind", LEAKS)
def test_feedback_is_what_our_checks_say(kind):
    assignment = made("misfit")
    names = run([*code_cells(assignment.key, "ab1234"), LEAKS[kind]])
    told = grading.feedback([{"output": grade(assignment, "q1", names).output}])
    assert told.count("\n") == 2, told
    if kind == "ours":
        assert "Return two numbers, gain and misfit, got 7." in told
    else:
        assert ("SECRET" in told) == (kind == "ours, with what came")
        assert ("your code raised" in told) == (kind != "ours, with what came")
