"""Every check passes the right answer, and fails each known-wrong one with its own hint."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from intrinsic_cases import small_problem

from w2s_tutorial.checks import intrinsic as checks_intrinsic
from w2s_tutorial.checks._common import CheckError
from w2s_tutorial.problems import IntrinsicProblem
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


PUBLISHED = {
    d: IntrinsicProblem.published(n_labeled=2000, n_pool=4000, d_shared=d, noise=0.01)
    for d in (10, 50, 90)
}


def ratios(*, turned=False, whole=False):
    answer = {}
    for d, given in PUBLISHED.items():
        parts = {"bias": intrinsic.bias, "variance": intrinsic.variance}
        risks = {name: intrinsic.risks(given) if whole else f(given) for name, f in parts.items()}
        answer[d] = {
            name: float(r.weak / r.student if turned else r.student / r.weak)
            for name, r in risks.items()
        }
    return answer


def on_the_pool():
    answer = ratios()
    for d, p in PUBLISHED.items():
        answer[d]["variance"] = (d + (p.d_weak - d) * p.d_strong / p.n_pool) / p.d_weak
    return answer


def best_student():
    answer = ratios()
    for d, p in PUBLISHED.items():
        own = intrinsic.bias(p)
        answer[d]["bias"] = float(own.ceiling / own.weak)
    return answer


def test_check_parts():
    right = ratios()
    assert "Right" in checks_intrinsic.check_parts(right, PUBLISHED)
    rounded = {d: {part: round(x, 3) for part, x in pair.items()} for d, pair in right.items()}
    assert "Right" in checks_intrinsic.check_parts(rounded, PUBLISHED)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (ratios(turned=True), "10, bias: .*upside down"),
        (ratios() | {50: ratios(turned=True)[50] | {"bias": ratios()[50]["bias"]}}, "50, variance"),
        (ratios(whole=True), "whole risks"),
        (on_the_pool(), "10, variance: .*on the pool"),
        (best_student(), "best student"),
        ({10: {"bias": 1.2}}, "no variance for 10"),
        ({}, "no bias and variance for 10"),
    ],
)
def test_check_parts_names_the_slip(wrong, hint):
    with pytest.raises(CheckError, match=hint):
        checks_intrinsic.check_parts(wrong, PUBLISHED)
