"""The law of the squared mismatch: what is put in comes out, and the two readings differ in it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from w2s_tutorial.mismatch import fit_law
from w2s_tutorial.problems import SpuriousProblem
from w2s_tutorial.theory import spurious_leading

ETAS = torch.tensor([0.05, 0.1, 0.2, 0.3, 0.4, 0.5], dtype=torch.float64)
L, U = ETAS[:, None], ETAS
NOISE = torch.randn(200, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_what_is_put_in_comes_out():
    levels = torch.tensor([3.0, 1.0, 4.0, 1.0, 5.0, 9.0], dtype=torch.float64)[:, None]
    pure = levels - 2 * (U - L).square()
    found = fit_law(pure[None], ETAS, ETAS)
    assert torch.allclose(found.steepness, torch.tensor([2.0], dtype=torch.float64))
    assert found.explained == pytest.approx(1)
    general = levels + 0.7 * U - 1.5 * U.square() + 0.4 * L * U
    found = fit_law(general[None], ETAS, ETAS)
    assert float(found.curvature) == pytest.approx(1.5)
    assert float(found.interaction) == pytest.approx(0.4)
    assert found.explained_freely == pytest.approx(1)
    assert found.explained < 0.9, "the pure law does not describe it"
    leaning = levels - 3 * (0.5 - L) * U
    found = fit_law(leaning[None], ETAS, ETAS)
    assert float(found.product) == pytest.approx(3)
    assert found.explained_product == pytest.approx(1)
    assert float(found.curvature) == pytest.approx(0, abs=1e-9)
    assert 0 < found.explained < 0.7


def test_noise_has_no_law_and_slopes_have_the_error_of_least_squares():
    found = fit_law(NOISE, ETAS, ETAS)
    x = (U - L).square()
    x = x - x.mean(1, keepdim=True)
    expected = float(x.square().sum()) ** -0.5
    assert float(found.steepness.std()) == pytest.approx(expected, rel=0.15)
    assert abs(float(found.steepness.mean())) < 4 * expected / 200**0.5
    assert found.explained < 0.2


@pytest.mark.parametrize("reading", ["mean", "mixture"])
def test_the_theorems_surface_follows_it_and_the_mixtures_does_not(reading: str):
    problem = SpuriousProblem.aligned(
        d_core=64, n_labeled=6400, n_pool=10**12, p_weak=5, p_strong=3, overlap=0.5,
        separation_weak=30.0, separation_strong=10.0, minority_labeled=L[:, None],
        minority_pool=L, minority_test=torch.tensor([0.0, 1.0], dtype=torch.float64),
        reading=reading,
    )  # fmt: skip
    risks = spurious_leading.leading_order_risks(problem)
    gain = (risks.weak - risks.student).permute(2, 0, 1) * 6400 / 64  # majority, minority
    found = fit_law(gain, ETAS, ETAS)
    journey = problem.shift_weak - problem.weak.mT @ problem.strong @ problem.shift_strong
    expected = float(journey.square().sum())
    ratio = float(found.interaction[1] / found.interaction[0])
    if reading == "mean":
        assert found.curvature.tolist() == pytest.approx([expected] * 2)
        assert ratio == pytest.approx(1), "both groups lose alike"
        assert found.explained_freely == pytest.approx(1)
    else:
        assert ratio > 2, "the minority's gain moves more"
        assert found.explained_freely < 0.95


@pytest.mark.parametrize(
    ("gain", "labeled", "pool", "message"),
    [
        (torch.zeros(2, 3, 3), ETAS[:3], ETAS[:4], r"gain must be \(h, 3, 4\), got \(2, 3, 3\)"),
        (torch.zeros(1, 1, 3), ETAS[:1], ETAS[:3], "needs 2 different labelled shares"),
        (torch.zeros(1, 3, 2), ETAS[:3], ETAS[:2], "3 pool shares, got 3 and 2"),
    ],
)
def test_too_little_to_fit_is_refused(gain: Tensor, labeled: Tensor, pool: Tensor, message: str):
    with pytest.raises(ValueError, match=message):
        fit_law(gain, labeled, pool)
