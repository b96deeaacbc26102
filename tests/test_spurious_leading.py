"""The quoted theorem: where it is the leading order of the limit, and what follows from it."""

import math
from dataclasses import replace

import pytest
import torch
from spurious_cases import ENDLESS, READINGS, aligned, close, in_general_position, per_label

from w2s_tutorial.theory import spurious
from w2s_tutorial.theory.spurious_leading import (
    _theta,
    best_minority_pool,
    failure_separation,
    leading_order_risks,
    published_risks,
)


@pytest.mark.parametrize("seed", range(20))
def test_quoted_theorem_is_the_leading_order_of_the_mean_reading(seed):
    problem = in_general_position(seed, n_pool=ENDLESS)
    close(published_risks(problem), leading_order_risks(problem), 1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_quoted_theorem_is_not_the_leading_order_of_the_mixture(seed):
    problem = in_general_position(seed, n_pool=ENDLESS, reading="mixture")
    with pytest.raises(AssertionError):
        close(published_risks(problem), leading_order_risks(problem), 1e-3)


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("seed", range(3))
def test_limit_tends_to_the_leading_order(reading, seed):
    """Its distance is of first order in data: ten times the data, a tenth of the distance."""
    gaps = []
    for n in (10**5, 10**6, 10**7):
        problem = in_general_position(seed, n_labeled=n, n_pool=ENDLESS, reading=reading)
        problem = replace(problem, n_pool=10**12)
        full, leading = (torch.stack(f(problem)) for f in (spurious.risks, leading_order_risks))
        gaps.append((full / leading - 1)[:3])
    assert (gaps[0].abs() < 0.01).all()
    torch.testing.assert_close(gaps[0] / gaps[1], torch.full_like(gaps[0], 10.0), rtol=0.02, atol=0)
    torch.testing.assert_close(gaps[1] / gaps[2], torch.full_like(gaps[0], 10.0), rtol=0.02, atol=0)


@pytest.mark.parametrize("seed", range(5))
def test_theta_is_the_first_order_in_the_pool(seed):
    """With endless labels, what a finite pool adds to the limit is theta, to second order."""
    off = []
    for n_pool in (10**4, 10**5):
        problem = in_general_position(seed, n_labeled=10**13, n_pool=n_pool)
        endless = leading_order_risks(problem).student
        added = (spurious.risks(problem).student - endless) / per_label(problem)
        off.append(float(added / _theta(problem) - 1))
    assert abs(off[1]) < 0.02
    assert off[0] / off[1] == pytest.approx(10, rel=0.1)


@pytest.mark.parametrize(
    ("used", "low"), [(0.025, 0.03), (0.05, 0.07), (0.1, 0.13), (0.25, 0.31), (0.5, 0.58)]
)
def test_quoted_theorem_is_low_when_labels_are_few(used, low):
    problem = aligned(used, d_core=1000)
    ratio = published_risks(problem).weak / spurious.risks(problem).weak
    assert float(1 - ratio) == pytest.approx(low, abs=0.01)


@pytest.mark.parametrize("seed", range(20))
def test_best_pool_against_a_grid(seed):
    problem = in_general_position(seed, n_pool=200)
    grid = torch.linspace(0, 0.5, 5001, dtype=torch.float64)
    risk = published_risks(replace(problem, minority_pool=grid)).student
    assert float(best_minority_pool(problem)) == pytest.approx(float(grid[risk.argmin()]), abs=1e-4)


def test_best_pool_is_the_labelled_share_if_the_student_sees_no_shift():
    shares = torch.linspace(0, 0.5, 11, dtype=torch.float64)
    problem = aligned(separation_strong=0.0, minority_labeled=shares)
    torch.testing.assert_close(best_minority_pool(problem), shares)
    seen = best_minority_pool(replace(problem, shift=aligned(separation_strong=9.0).shift))
    assert float((seen - shares).abs().max()) > 0.1


def test_best_pool_is_nan_where_all_are_equal():
    assert best_minority_pool(aligned(separation_weak=0.0, separation_strong=0.0)).isnan()


def gain(problem, scale=1.0):
    risks = published_risks(replace(problem, shift=scale**0.5 * problem.shift))
    return float((risks.weak - risks.student) / per_label(problem))


@pytest.mark.parametrize("seed", range(40))
def test_failure_separation_against_a_scan(seed):
    problem = in_general_position(seed)
    separation = float(problem.shift_weak.square().sum())
    boundary = float(failure_separation(problem)) / separation
    if math.isinf(boundary):
        assert all(gain(problem, 10**exponent) > 0 for exponent in range(-3, 6))
    else:
        assert gain(problem, 0.999 * boundary) > 0 > gain(problem, 1.001 * boundary)


def test_failure_separation_happens_and_does_not():
    found = [float(failure_separation(in_general_position(seed))) for seed in range(40)]
    assert 5 < sum(map(math.isinf, found)) < 35


def test_failure_separation_of_the_paper():
    shares = {"minority_labeled": 0.4, "minority_pool": 0.1}
    for p_weak in (3, 5, 9):
        problem = aligned(p_weak=p_weak, overlap=0.0, separation_strong=0.0, **shares)
        boundary = failure_separation(replace(problem, n_pool=ENDLESS))
        assert float(boundary) == pytest.approx(12.5 * (p_weak - 1))
    with pytest.raises(ValueError, match="shift must have a part that the weak model sees"):
        failure_separation(aligned(separation_weak=0.0, separation_strong=0.0))
