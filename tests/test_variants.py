"""Numbers of one's own: the same for one id, others for the next, and no use to a friend."""

from __future__ import annotations

import ast
import re
from itertools import pairwise

import pytest
from assignment_cases import NAMES, code_cells, grade, made, run
from make import execute

from w2s_tutorial.variants import CHOICES, draw

IDS = [f"id{i}" for i in range(40)]


@pytest.mark.parametrize("assignment", CHOICES)
def test_same_id_same_numbers_and_another_id_others(assignment):
    first = [draw(student, assignment, term="2030") for student in IDS]
    assert first == [draw(student, assignment, term="2030") for student in IDS]
    assert draw(" ID7 ", assignment, term="2030") == first[7]
    composed, decomposed, number = "M\u00fcller", "MU\u0308ller", 7012345
    assert draw(composed, assignment, term="2030") == draw(decomposed, assignment, term="2030")
    assert draw(number, assignment, term="2030") == draw(str(number), assignment, term="2030")
    assert len({str(numbers) for numbers in first}) >= 38
    again = [draw(student, assignment, term="2031") for student in IDS]
    assert sum(one == other for one, other in zip(first, again, strict=True)) < 3
    for numbers in first:
        assert all(numbers[key] in values for key, values in CHOICES[assignment].items())


def test_every_value_is_drawn_by_someone():
    for assignment, choices in CHOICES.items():
        drawn = [draw(f"x{i}", assignment, term="a") for i in range(300)]
        for key, values in choices.items():
            assert {str(numbers[key]) for numbers in drawn} == {str(value) for value in values}


@pytest.mark.parametrize(
    ("student", "assignment", "hint"),
    [
        ("your id", "misfit", "your own id"),
        (" ", "misfit", "your own id"),
        (..., "misfit", "in quotation marks, got Ellipsis"),
        ("a", "x", "one of"),
    ],
)
def test_what_is_no_id_is_refused(student, assignment, hint):
    with pytest.raises(ValueError, match=hint):
        draw(student, assignment, term="a")


def test_an_assignment_of_ones_own_brings_its_choices():
    own = {"d": range(3, 9), "word": ("a", "b")}
    drawn = draw("ab1", "mine", term="x", choices=own)
    assert drawn == draw("ab1", "mine", term="x", choices=own)
    assert drawn["d"] in own["d"]
    assert drawn["word"] in own["word"]


def test_every_assignment_has_choices():
    assert set(CHOICES) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_answers_of_another_id_fail(name):
    assignment = made(name)
    keys = {student: run(code_cells(assignment.key, student)) for student in IDS[:5]}
    for giver, taker in pairwise(IDS[:5]):
        own = grade(assignment, "q2", keys[taker])
        assert own.points == own.possible
        copied = {**keys[taker], "my_prediction": keys[giver]["my_prediction"]}
        graded = grade(assignment, "q2", copied)
        assert graded.points < graded.possible / 2


def test_the_key_is_made_anew_for_an_id():
    notebook = execute(made("confidence").key, "ef9012")
    outputs = str([cell.get("outputs") for cell in notebook.cells])
    shown = re.search(r"\{'minority': [^}]*\}", outputs)[0].replace("\\n", "")
    assert ast.literal_eval(shown) == draw("ef9012", "confidence", term="open")
    assert outputs.count("All test cases passed!") == 4
    assert "failed" not in outputs
