"""Where the published bounds hold, and where they fail."""

from dataclasses import replace

import pytest
import torch
from assertions import assert_agrees
from intrinsic_cases import generator, small_problem, z_score

from w2s_tutorial.problems import IntrinsicProblem
from w2s_tutorial.simulation.intrinsic import simulate
from w2s_tutorial.theory import intrinsic, intrinsic_bounds


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
        pgr_bound = intrinsic_bounds.pgr_bound(given)
        return pgr - pgr_bound, opr - intrinsic_bounds.opr_bound(given)

    sizes = {"d_weak": 40, "d_strong": 8, "d_shared": 4, "noise": 1.0, "unreachable": 1e-4}
    meant = IntrinsicProblem.aligned(n_labeled=200, n_pool=4000, **sizes)
    assert min(gaps(meant)) > 0
    small_pool = IntrinsicProblem.aligned(n_labeled=400, n_pool=20, **sizes)
    assert max(gaps(small_pool)) < 0
    measured = simulate(small_pool, trials=20_000, seed=generator())
    shortfall = (  # linear in the risks, so that its mean is exact: negative if PGR < bound
        measured.weak
        - measured.student
        - intrinsic_bounds.pgr_bound(small_pool) * (measured.weak - measured.ceiling)
    )
    assert z_score(shortfall, 0.0) < -4


def test_best_n_labeled_is_where_the_bound_peaks():
    given = IntrinsicProblem.published(n_labeled=2000, n_pool=4000, d_shared=50, noise=0.01)
    best = intrinsic_bounds.best_n_labeled(given)
    values = [
        intrinsic_bounds.pgr_bound(replace(given, n_labeled=int(best) + step))
        for step in (-40, 0, 40)
    ]
    assert values[1] > max(values[0], values[2])
    assert intrinsic_bounds.best_n_labeled(small_problem()) == float("inf")  # nothing unreachable
