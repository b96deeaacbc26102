"""The ridge form: asymptotic, so tested for an error that shrinks as 1/d."""

import pytest
import torch
from intrinsic_cases import generator, with_target, z_score

from w2s_tutorial.problems import IntrinsicProblem
from w2s_tutorial.simulation.examples import simulate_examples
from w2s_tutorial.theory import intrinsic


def spectral_problem(d, n_labeled, n_pool):
    """Decaying spectra, views that overlap in part, target everywhere; d sets the scale."""
    scale = torch.arange(1, d + 1, dtype=torch.float64).div(d / 8).rsqrt()
    start = d // 4
    weak = torch.diag(scale)[:, start:]
    strong = torch.diag(scale)[:, : d // 2]
    strong = strong + 0.3 * torch.diag(scale).roll(1, 0)[:, : d // 2]
    target = scale / d**0.5
    return IntrinsicProblem(n_labeled, n_pool, weak, strong, target, 0.5)


PENALTIES = {"weak_penalty": 0.2, "strong_penalty": 0.1}


@pytest.mark.parametrize(("n_labeled", "n_pool"), [(2.0, 3.0), (0.5, 0.5)])  # times d
@pytest.mark.parametrize(("d", "trials"), [(8, 40_000), (16, 10_000), (64, 500)])
def test_ridge_form_errs_by_less_than_a_fifth_of_1_over_d(n_labeled, n_pool, d, trials):
    given = spectral_problem(d, int(n_labeled * d), int(n_pool * d))
    measured = simulate_examples(given, trials=trials, seed=generator(), **PENALTIES)
    for role, predicted in zip(measured, intrinsic.ridge_risks(given, **PENALTIES), strict=True):
        error = role.std() / trials**0.5
        assert abs(role.mean() - predicted) < 0.2 / d * predicted + 4 * error


def test_ridge_form_is_asymptotic_not_exact():
    given = spectral_problem(4, 8, 12)
    measured = simulate_examples(given, trials=40_000, seed=generator(), **PENALTIES)
    predicted = intrinsic.ridge_risks(given, **PENALTIES)
    assert z_score(measured.student, predicted.student) > 4


def test_ridge_penalty_is_not_its_own_population_penalty():
    """Control: without the map from penalty to k the form is far off."""
    given = spectral_problem(128, 64, 51)
    measured = simulate_examples(given, trials=200, seed=generator(), **PENALTIES)
    spectrum = given.weak_axes[1]
    naive = spectrum / (spectrum + 0.2)
    target = given.weak_axes[0].T @ given.target
    miss = given.target.square().sum() - target.square().sum()
    miss = miss + ((1 - naive) * target).square().sum()
    df = naive.square().sum()
    assert z_score(measured.weak, miss + (given.noise + miss) * df / (64 - df)) < -4


def test_ridge_form_without_penalty_meets_the_exact_one():
    for scale in (1, 100):
        given = with_target(
            IntrinsicProblem.aligned(
                n_labeled=60 * scale,
                n_pool=40 * scale,
                d_weak=2 * scale,
                d_strong=1 * scale,
                d_shared=[0.8] * scale,
                noise=1.0,
            ),
            1.0,
        )
        exact = torch.stack(intrinsic.risks(given))
        limit = torch.stack(intrinsic.ridge_risks(given, weak_penalty=0.0, strong_penalty=0.0))
        error = (limit / exact - 1).abs().max()
        assert 0 < error < 0.03 / scale


@pytest.mark.parametrize("penalty", [1e-9, 0.01, 3.0])
@pytest.mark.parametrize("n", [5, 20, 21, 400])
def test_the_fixed_point_is_solved_to_rounding(n, penalty):
    spectrum = torch.logspace(2, -4, 20, dtype=torch.float64)
    keep = intrinsic._shrinkage(spectrum, penalty, n)
    k = (spectrum * (1 - keep) / keep)[-1]  # the smallest axis says k best
    residual = k * (1 - keep.sum() / n) - penalty
    assert abs(residual) < 1e-12 * (k + 1)
