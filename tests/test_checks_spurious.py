"""Every check passes the right answer, and fails each known-wrong one with its own hint."""

from dataclasses import replace

import pytest
import torch
from spurious_cases import aligned

from w2s_tutorial.checks import spurious as checks
from w2s_tutorial.checks._common import CheckError


def right(labeled, pool, test, weak, carried, p_shared):
    journey = (pool - labeled) * weak + (test - pool) * carried
    return p_shared + float(journey.square().sum())


def test_check_student_risk_passes_the_theorem_in_either_type():
    assert "Right" in checks.check_student_risk(right)
    assert "Right" in checks.check_student_risk(lambda *given: torch.tensor(right(*given)))


def square(vector):
    return float(vector.square().sum())


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda la, po, te, w, c, p: p + square((te - la) * w), "Who saw the pool"),
        (lambda la, po, te, w, c, p: p + square((po - la) * w), "the test differs from the pool"),
        (lambda la, po, te, w, c, p: right(la, po, 2 * po - te, w, c, p), "opposite signs"),
        (
            lambda la, po, te, w, c, p: p + square((po - la) * w) + square((te - po) * c),
            "Add the two vectors",
        ),
        (lambda la, po, te, w, c, p: right(la, po, te, w, c, 0.0), "without any shift"),
        (lambda *given: 17.0, "is right, yours is 17"),
    ],
)
def test_check_student_risk_hints_at_what_is_wrong(wrong, hint):
    with pytest.raises(CheckError, match=hint):
        checks.check_student_risk(wrong)


def test_check_student_risk_cannot_be_fooled_by_changing_its_inputs():
    def vandal(labeled, pool, test, weak, carried, p_shared):
        value = right(labeled, pool, test, weak, carried, p_shared)
        weak.zero_(), carried.zero_()
        return value

    assert "Right" in checks.check_student_risk(vandal)


def far(**changes):
    """Places far apart, the labels balanced."""
    fields = {"separation_weak": 30.0, "minority_labeled": 0.5, "minority_pool": 0.05}
    return aligned(0.05, 0.02, **{**fields, **changes})


def keen(**changes):
    """A student that sees the shift better than its teacher; a pool like the labels."""
    views = {"p_weak": 3, "overlap": 1.5, "separation_strong": 30.0, "reading": "mixture"}
    fields = {**views, "minority_labeled": 0.05, "minority_pool": 0.05}
    return aligned(0.03, 0.03, **{**fields, **changes})


def test_check_best_pool():
    asked = far(minority_labeled=0.3)  # under reading A: a pool like the labels
    assert "Right" in checks.check_best_pool(0.3, asked)
    with pytest.raises(CheckError, match="Move towards it"):
        checks.check_best_pool(0.05, asked)
    with pytest.raises(CheckError, match=r"from 0 to 0.5, got 0.7"):
        checks.check_best_pool(0.7, asked)


def test_check_hidden_harm():
    assert "for the minority" in checks.check_hidden_harm(keen())
    with pytest.raises(CheckError, match="same share"):
        checks.check_hidden_harm(keen(minority_pool=0.1))
    with pytest.raises(CheckError, match="has to win on average"):
        checks.check_hidden_harm(replace(keen(), n_pool=40))
    with pytest.raises(CheckError, match="the minority has to lose"):
        checks.check_hidden_harm(keen(separation_strong=0.5))


def test_check_readings_disagree():
    assert "under B" in checks.check_readings_disagree(far())
    with pytest.raises(CheckError, match="under A it has to lose"):
        checks.check_readings_disagree(far(minority_pool=0.5))
    with pytest.raises(CheckError, match="one share each"):
        checks.check_readings_disagree(far(minority_test=torch.tensor([0.0, 1.0])))
    with pytest.raises(CheckError, match="under B it has to win"):
        checks.check_readings_disagree(keen(minority_test=1.0, reading="mean"))


def test_what_takes_too_long_is_refused():
    with pytest.raises(CheckError, match=r"p \* d_core is 200, at most 100"):
        checks.check_readings_disagree(far(d_core=40))
    with pytest.raises(CheckError, match="go up to 20000, at most 10000"):
        checks.check_hidden_harm(replace(keen(), n_pool=20_000))


def audited(law, *, rows="fit == 'logistic' and where == 'all' and order != 'same'"):
    law = law.query(rows)
    above = law["steepness"] > law["steepness_half"]
    every = above.groupby(law["strong"]).all()
    return int(every.sum()), len(every)


def pairs(law):
    law = law.query("fit == 'logistic' and where == 'all' and order != 'same'")
    return int((law["steepness"] > law["steepness_half"]).sum()), len(law)


def means(law):
    law = law.query("fit == 'logistic' and where == 'all' and order != 'same'")
    by_network = law.groupby("strong")[["steepness", "steepness_half"]].mean()
    return int((by_network["steepness"] > by_network["steepness_half"]).sum()), len(by_network)


def once(law):
    law = law.query("fit == 'logistic' and where == 'all' and order != 'same'")
    above = (law["steepness"] > law["steepness_half"]).groupby(law["strong"]).any()
    return int(above.sum()), len(above)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (pairs, "6 of 8. Those are pairs"),
        (once, "ask for every teacher"),
        (means, "A mean above 0"),
        (lambda law: audited(law, rows="fit == 'logistic' and where == 'all'"), "only teaches"),
        (lambda law: audited(law, rows="where == 'all' and order != 'same'"), "Which rows count"),
        (lambda law: audited(law, rows="fit == 'logistic' and order != 'same'"), "Which rows"),
        (lambda law: (0, 0), "Group the rows"),
        (lambda law: 2, "Return two numbers"),
    ],
)
def test_check_audit(wrong, hint):
    assert "Right" in checks.check_audit(audited)
    with pytest.raises(CheckError, match=hint):
        checks.check_audit(wrong)
