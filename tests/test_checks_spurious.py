"""Every check passes the right answer, and fails each known-wrong one with its own hint."""

from dataclasses import replace

import pytest
import torch
from spurious_cases import aligned

from w2s_tutorial.checks import spurious as checks
from w2s_tutorial.checks._common import CheckError
from w2s_tutorial.metrics import t_half_width


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


def removed(weak, student, share, *, over=None):
    of_set = torch.tensor([1 - share, share] if over is None else over, dtype=weak.dtype)
    return 1 - float((student.mean(0) @ of_set) / (weak.mean(0) @ of_set))


def worse(difference):
    half = t_half_width(difference.std(0) / len(difference) ** 0.5, len(difference))
    return int((difference.mean(0) > half).sum())


def headline(weak, student, share):
    return removed(weak, student, share), worse(student - weak)


def of_means(weak, student, share):
    return removed(weak, student, share), int((student.mean(0) > weak.mean(0)).sum())


def of_normal(weak, student, share):
    difference = student - weak
    half = 1.96 * difference.std(0) / len(difference) ** 0.5
    return removed(weak, student, share), int((difference.mean(0) > half).sum())


def unpaired(weak, student, share):
    ends = [t_half_width(r.std(0) / len(r) ** 0.5, len(r)) for r in (weak, student)]
    apart = student.mean(0) - ends[1] > weak.mean(0) + ends[0]
    return removed(weak, student, share), int(apart.sum())


def of_ratios(weak, student, share):
    by_trial = removed_by_trial(weak, student, share)
    return float(by_trial.mean()), worse(student - weak)


def removed_by_trial(weak, student, share):
    of_set = torch.tensor([1 - share, share], dtype=weak.dtype)
    return 1 - (student @ of_set) / (weak @ of_set)


def of_groups(weak, student, share):
    by_group = 1 - student.mean(0) / weak.mean(0)
    return float((1 - share) * by_group[0] + share * by_group[1]), worse(student - weak)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda w, s, e: (removed(w, s, e, over=[0.5, 0.5]), worse(s - w)), "counts both groups"),
        (lambda w, s, e: (removed(w, s, 1 - e), worse(s - w)), "second column is rare"),
        (of_groups, "averages the groups' ratios"),
        (of_ratios, "averages a ratio per trial"),
        (of_means, "is not an interval above"),
        (unpaired, "difference in each trial"),
        (of_normal, "1.96 standard errors are too few"),
        (lambda w, s, e: (removed(w, s, e), 2), "Which groups"),
        (lambda w, s, e: removed(w, s, e), "Return two numbers"),
    ],
)
def test_check_headline(wrong, hint):
    assert "groups that pay" in checks.check_headline(headline)
    with pytest.raises(CheckError, match=hint):
        checks.check_headline(wrong)
