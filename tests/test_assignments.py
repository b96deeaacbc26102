"""Every check of the assignments: the reference passes, stubs and known-wrong answers do not."""

from __future__ import annotations

import importlib
import re

import pytest
from assignment_cases import NAMES, code_cells, grade, made, questions, run

STUDENTS = ["ab1234", "cd5678"]
WRONG = {name: importlib.import_module(f"wrong_{name}").WRONG for name in NAMES}
CASES = [
    pytest.param(name, question, hint, code, id=f"{name}-{question}-{hint[:24]}")
    for name in NAMES
    for question, cases in WRONG[name].items()
    for hint, code in cases
]

# Right for every number that the public checks show.
HARD_CODED = {
    "intrinsic": "def pool_needed(share, *sizes):\n"
    "    return {(30, 10, 5): 21, (12, 4, 0): 9}.get(sizes, math.inf) if share == 1 else math.inf",
    "spurious": "def even_pool(labeled, *shifts):\n"
    "    return {0.5: 0.5, 0.1: -0.065 / 0.99, 0.3: -0.22}.get(labeled, math.nan)",
    "misfit": "def after_a_step(s, full):\n"
    "    return {1: (full, full), 2: (0, 4 * full)}.get(s, (0, 0))",
    "reasoning": "def answer_right(right, steps, base):\n"
    "    return {(0.7, 1): 0.7, (0.2, 1): 0.2, (0.8, 2): 0.65}.get((right, steps), 0.0)",
    "confidence": "def wrong_share(error, p_right, p_wrong, q):\n"
    "    return error if p_right == p_wrong else 0.04 / 0.1075",
    "whole_networks": "def true_accuracy(agreement, teacher, repeated):\n"
    "    return agreement if teacher == 1 else 0.75",
}


@pytest.mark.parametrize("student", STUDENTS)
@pytest.mark.parametrize("name", NAMES)
def test_the_reference_gets_all_points_and_the_stub_none(name, student):
    assignment = made(name)
    key, stub = (run(code_cells(nb, student)) for nb in (assignment.key, assignment.student))
    for question in questions(assignment):
        full = grade(assignment, question, key)
        assert (full.points, full.messages) == (full.possible, ())
        empty = grade(assignment, question, stub)
        assert empty.points == 0
        assert empty.messages


@pytest.mark.parametrize("name", NAMES)
def test_every_question_has_wrong_answers(name):
    assert set(WRONG[name]) == set(questions(made(name)))
    for cases in WRONG[name].values():
        assert len({hint for hint, _ in cases}) >= 4


@pytest.mark.parametrize(("name", "question", "hint", "code"), CASES)
def test_a_wrong_answer_gets_its_hint(name, question, hint, code):
    assignment = made(name)
    names = run([*code_cells(assignment.key, STUDENTS[0]), code])
    graded = grade(assignment, question, names)
    assert graded.points < graded.possible
    assert re.search(hint, "\n".join(graded.messages)), graded.messages


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_that_fits_only_what_is_shown_fails_what_is_not(name):
    assignment = made(name)
    names = run([*code_cells(assignment.key, STUDENTS[0]), HARD_CODED[name]])
    for _ in range(5):  # the hidden check draws anew
        graded = grade(assignment, "q1", names)
        assert len(graded.messages) == 1
        assert graded.points <= graded.possible / 2
