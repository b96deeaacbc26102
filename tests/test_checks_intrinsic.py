"""Every check passes the right answer, and fails each known-wrong one with its own hint."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from helpers_data import ROOT
from intrinsic_cases import small_problem

from w2s_tutorial.checks import intrinsic as checks_intrinsic
from w2s_tutorial.checks._common import CheckError
from w2s_tutorial.problems import IntrinsicProblem
from w2s_tutorial.tables import load_result
from w2s_tutorial.theory import intrinsic


def from_theory(n_labeled, n_pool, d_weak, d_strong, d_shared, noise):
    problem = IntrinsicProblem.aligned(
        n_labeled=n_labeled,
        n_pool=n_pool,
        d_weak=d_weak,
        d_strong=d_strong,
        d_shared=d_shared,
        noise=noise,
    )
    return intrinsic.risks(problem).student


def formula(n, pool, dw, ds, dsw, noise, *, spare=1, fresh=True, spent=True):
    returned = ds / (pool - ds - 1) if fresh else ds / pool
    return noise / (n - dw - 1 if spent else n) * (dsw + spare * (dw - dsw) * returned)


def test_check_student_variance_passes_what_theory_says():
    assert "Right" in checks_intrinsic.check_student_variance(from_theory)
    assert "Right" in checks_intrinsic.check_student_variance(formula)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (partial(formula, fresh=False), "variance on the pool"),
        (partial(formula, spent=False), "teacher met fresh examples too"),
        (partial(formula, spare=0), "endless pool"),
        (lambda n, pool, dw, ds, dsw, noise: noise * dw / (n - dw - 1), "teacher's own"),
        (lambda *sizes: 1.0, "is right, yours is 1"),
    ],
)
def test_check_student_variance_names_the_slip(wrong, hint):
    with pytest.raises(CheckError, match=hint):
        checks_intrinsic.check_student_variance(wrong)


def test_check_student_variance_fails_the_stub():
    def stub(*sizes):
        raise NotImplementedError

    with pytest.raises(NotImplementedError):
        checks_intrinsic.check_student_variance(stub)


LESSON = IntrinsicProblem.aligned(
    n_labeled=50, n_pool=100, d_weak=20, d_strong=30, d_shared=4, noise=2.0
)


def test_check_threshold():
    assert "Right" in checks_intrinsic.check_threshold(61, LESSON)
    for wrong, hint in ((52, "too small"), (75, "too large"), (31, "at least 38"), (61.5, "whole")):
        with pytest.raises(CheckError, match=hint):
            checks_intrinsic.check_threshold(wrong, LESSON)


SIZES = {"d_weak": 40, "d_strong": 8, "d_shared": 4, "noise": 1.0}


def test_check_bound_fails():
    found = IntrinsicProblem.aligned(n_labeled=400, n_pool=18, **SIZES)
    assert "Found one" in checks_intrinsic.check_bound_fails(found)
    safe = IntrinsicProblem.aligned(n_labeled=400, n_pool=400, **SIZES)
    with pytest.raises(CheckError, match="must lie below, beyond doubt"):
        checks_intrinsic.check_bound_fails(safe)
    silent = IntrinsicProblem.aligned(n_labeled=60, n_pool=18, **SIZES, unreachable=1.0)
    with pytest.raises(CheckError, match="Find one above 0"):
        checks_intrinsic.check_bound_fails(silent)


def test_check_recovered_but_beaten():
    found = IntrinsicProblem.aligned(
        n_labeled=200, n_pool=200, d_weak=50, d_strong=10, d_shared=8, noise=1.0
    )
    assert "Found one" in checks_intrinsic.check_recovered_but_beaten(found)
    with pytest.raises(CheckError, match="PGR is"):
        checks_intrinsic.check_recovered_but_beaten(small_problem(d_shared=8))
    with pytest.raises(CheckError, match="OPR is"):
        checks_intrinsic.check_recovered_but_beaten(small_problem(40, 400, d_shared=0))


def hidden_gap():
    """LESSON with a target along the teacher's last direction, which the student lacks."""
    target = torch.zeros_like(LESSON.target)
    target[49] = 0.3**0.5
    return replace(LESSON, target=target)


def test_check_threshold_follows_a_bias():
    lesson = hidden_gap()
    level = [n for n in range(40, 200) if risk_ratio(lesson, n) > 1][-1]
    assert level == 83
    assert "Right" in checks_intrinsic.check_threshold(level, lesson)
    with pytest.raises(CheckError, match="too small"):
        checks_intrinsic.check_threshold(2 * lesson.d_strong + 1, lesson)


def risk_ratio(problem, n_pool):
    risks = intrinsic.risks(replace(problem, n_pool=n_pool))
    return risks.student / risks.weak


NOISE_RUNS = load_result(ROOT / "data" / "intrinsic" / "noise.csv")


def audit(query, *, rank=True, sign=-1):
    """Correlations of PGR and sign times the overlap."""
    chosen = NOISE_RUNS.query(f"{query} and noise == 1 and form != 'thin'")
    answer = {}
    for at, rows in chosen.groupby(["form", "target", "dataset"]):
        pair = rows[["mean", "d_shared"]]
        pair = pair.rank() if rank else pair
        answer[at] = sign * float(np.corrcoef(pair["mean"], pair["d_shared"])[0, 1])
    return answer


REAL, NATURAL = "examples == 'real'", "teacher != 'mixed'"


def test_check_order():
    right = audit(f"{REAL} and {NATURAL}")
    assert len(right) == 8
    assert max(right.values()) == pytest.approx(0.3)
    assert "0.30" in checks_intrinsic.check_order(right, NOISE_RUNS)
    rounded = {at: round(value, 2) for at, value in right.items()}
    assert "Right" in checks_intrinsic.check_order(rounded, NOISE_RUNS)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (audit(f"{REAL} and {NATURAL}", sign=1), "minus the overlap"),
        (audit(REAL), "built to share"),
        (audit(f"{REAL} and {NATURAL}", rank=False), "Rank both"),
        (audit(NATURAL), "normal examples"),
        ({}, "no number for"),
    ],
)
def test_check_order_names_the_slip(wrong, hint):
    with pytest.raises(CheckError, match=hint):
        checks_intrinsic.check_order(wrong, NOISE_RUNS)
