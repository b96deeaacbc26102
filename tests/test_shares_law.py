"""The law of the squared mismatch: what is put in comes out, and the two readings differ in it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from w2s_tutorial.problems import SpuriousProblem
from w2s_tutorial.shares import fit_law
from w2s_tutorial.theory import spurious_leading

ETAS = torch.tensor([0.05, 0.1, 0.2, 0.3, 0.4, 0.5], dtype=torch.float64)
L, U = ETAS[:, None], ETAS
NOISE = torch.randn(200, 6, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def test_what_is_put_in_comes_out_and_the_other_forms_do_not_describe_it():
    levels = torch.tensor([3.0, 1.0, 4.0, 1.0, 5.0, 9.0], dtype=torch.float64)[:, None]
    surfaces = {
        "square": (-2 * (U - L).square(), [2.0]),
        "product": (-3 * (0.5 - L) * U, [3.0]),
        "line": (0.7 * U + 0 * L, [0.7]),
        "free": (0.7 * U - 1.5 * U.square() + 0.4 * L * U, [0.7, 1.5, 0.4]),
    }
    for form, (surface, slopes) in surfaces.items():
        found = fit_law((levels + surface)[None], ETAS, ETAS)
        assert found[form].slopes[0].tolist() == pytest.approx(slopes)
        assert found[form].explained == pytest.approx(1)
        assert found["free"].explained == pytest.approx(1), "it holds all of them"
        for other in {*surfaces} - {form, "free"}:
            assert found[other].explained < 0.97, (form, other)


def test_the_share_explained_is_one_minus_what_is_left():
    found = fit_law(NOISE[:3], ETAS, ETAS)["line"]
    mean = NOISE[:3].mean(0).numpy()
    left = total = 0.0
    slope = float(found.slopes.mean())
    for row in mean:  # a level for each labelled share
        centred, along = row - row.mean(), ETAS.numpy() - float(ETAS.mean())
        left += float(((centred - slope * along) ** 2).sum())
        total += float((centred**2).sum())
    assert found.explained == pytest.approx(1 - left / total)


def test_noise_has_no_law_and_slopes_have_the_error_of_least_squares():
    found = fit_law(NOISE, ETAS, ETAS)["square"]
    x = (U - L).square()
    x = x - x.mean(1, keepdim=True)
    expected = float(x.square().sum()) ** -0.5
    assert float(found.slopes.std()) == pytest.approx(expected, rel=0.15)
    assert abs(float(found.slopes.mean())) < 4 * expected / 200**0.5
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
    _, curvature, interaction = found["free"].slopes.unbind(1)
    ratio = float(interaction[1] / interaction[0])
    if reading == "mean":
        assert curvature.tolist() == pytest.approx([expected] * 2)
        assert ratio == pytest.approx(1), "both groups lose alike"
        assert found["free"].explained == pytest.approx(1)
    else:
        assert ratio > 2, "the minority's gain moves more"
        assert found["free"].explained < 0.95


@pytest.mark.parametrize(
    ("gain", "labeled", "pool", "message"),
    [
        (torch.zeros(2, 3, 3), ETAS[:3], ETAS[:4], r"gain must be \(h, 3, 4\), got \(2, 3, 3\)"),
        (torch.zeros(1, 1, 3), ETAS[:1], ETAS[:3], "needs 2 different labelled shares"),
        (torch.zeros(1, 3, 2), ETAS[:3], ETAS[:2], "3 pool shares, got 3 and 2"),
        (torch.full((1, 3, 3), torch.nan), ETAS[:3], ETAS[:3], "gain must be finite"),
    ],
)
def test_too_little_to_fit_is_refused(gain: Tensor, labeled: Tensor, pool: Tensor, message: str):
    with pytest.raises(ValueError, match=message):
        fit_law(gain, labeled, pool)
