"""Where the published bounds hold, and where they fail."""

from dataclasses import replace

import pytest
import torch
from assertions import assert_agrees
from intrinsic_cases import generator, small_problem, z_score

from w2s_tutorial.problems import IntrinsicProblem
from w2s_tutorial.simulation.intrinsic import simulate
from w2s_tutorial.theory import intrinsic


def test_published_bias_bound_holds_on_the_pool_and_fails_on_fresh_examples():
    seen_by_weak = torch.zeros(21, dtype=torch.float64)
    seen_by_weak[-2] = 1.0  # a direction of the weak view alone
    given = replace(small_problem(10**6, 18, d_shared=2), target=seen_by_weak)
    bound = sum(intrinsic.bias(given)[i] for i in (0, 3))
    assert bound == pytest.approx(1.0)
    assert intrinsic.student_risk_on_pool(given) < bound
    measured = simulate(given, trials=10_000, seed=generator())
    assert z_score(measured.student, bound) > 4
    assert_agrees(measured.student, intrinsic.risks(given).student)


def test_published_bounds_hold_where_meant_and_fail_for_a_small_pool():
    def gaps(given):
        r = intrinsic.risks(given)
        pgr = (r.weak - r.student) / (r.weak - r.ceiling)
        opr = r.baseline / r.student
        pgr_bound = intrinsic.pgr_bound(given)
        return pgr - pgr_bound, opr - intrinsic.opr_bound(given)

    sizes = {"d_weak": 40, "d_strong": 8, "d_shared": 4, "noise": 1.0, "unreachable": 1e-4}
    meant = IntrinsicProblem.aligned(n_labeled=200, n_pool=4000, **sizes)
    assert min(gaps(meant)) > 0
    small_pool = IntrinsicProblem.aligned(n_labeled=400, n_pool=20, **sizes)
    assert max(gaps(small_pool)) < 0
    measured = simulate(small_pool, trials=20_000, seed=generator())
    shortfall = (  # linear in the risks, so that its mean is exact: negative if PGR < bound
        measured.weak
        - measured.student
        - intrinsic.pgr_bound(small_pool) * (measured.weak - measured.ceiling)
    )
    assert z_score(shortfall, 0.0) < -4


def by_hand(given, n):
    """(T1) + (T2), and the bounds, with any real number of labels n, from the paper's letters."""
    sigma2, d_w, d_s, d_sw = given.noise, given.d_weak, given.d_strong, given.d_shared
    variance = sigma2 / (n - d_w - 1) * (d_sw + (d_w - d_sw) * d_s / given.n_pool)
    own = intrinsic.bias(given)
    student = variance + float(own.weak + own.ceiling)
    return 1 - student / (sigma2 * d_w / n), sigma2 * d_s / n / student


@pytest.mark.parametrize("n_labeled", [30, 47, 200])
def test_published_bounds_by_hand(n_labeled):
    given = replace(small_problem(n_labeled, unreachable=0.3), noise=0.7)
    pgr, opr = by_hand(given, n_labeled)
    assert float(intrinsic.pgr_bound(given)) == pytest.approx(pgr, rel=1e-12)
    assert float(intrinsic.opr_bound(given)) == pytest.approx(opr, rel=1e-12)


def test_best_n_labeled_is_where_the_bound_peaks():
    for unreachable in (0.01, 0.3):
        given = small_problem(40, unreachable=unreachable)
        best, step = float(intrinsic.best_n_labeled(given)), 1e-3
        middle, left, right = (by_hand(given, best + d)[0] for d in (0, -step, step))
        curvature = (2 * middle - left - right) / step**2
        assert curvature > 0
        assert abs(right - left) / (2 * step) < 0.01 * curvature  # the peak is within .01 labels
    assert intrinsic.best_n_labeled(small_problem()) == float("inf")  # nothing unreachable
