"""Dimension estimators on features whose dimensions are known."""

import pytest
import torch
from assertions import assert_agrees
from intrinsic_cases import normal, z_score

from w2s_tutorial import dimension


def test_energy_dimension_counts_directions():
    scale = torch.tensor([3.0, 2.0, 1.0, 0.1], dtype=torch.float64)
    x = torch.linalg.qr(normal(100, 4) - normal(100, 4).mean(0)).Q * scale
    energy = scale.square().cumsum(0) / scale.square().sum()
    for k in range(1, 5):
        assert dimension.energy_dimension(x, share=float(energy[k - 1]) - 1e-9) == k
    assert dimension.energy_dimension(x, share=1.0) == 4
    assert dimension.energy_dimension(x + 100, share=0.99) == 3
    assert dimension.energy_dimension(x + 100, share=0.99, center=False) == 1


def test_participation_ratio_is_right_on_average_where_the_plain_ratio_is_not():
    spectrum = 1 / torch.arange(1, 81, dtype=torch.float64)
    true = float(spectrum.sum().square() / spectrum.square().sum())
    samples = [normal(400, 80, seed=s) * spectrum.sqrt() for s in range(100)]
    assert_agrees(torch.stack([dimension.participation_ratio(x) for x in samples]), true)

    def plain(x):
        values = torch.linalg.svdvals(x - x.mean(0)).square()
        return values.sum().square() / values.square().sum()

    assert z_score(torch.stack([plain(x) for x in samples]), true) < -4


def test_participation_ratio_at_its_ends():
    one = normal(500, 1) @ normal(1, 7)
    assert dimension.participation_ratio(one, center=False) == pytest.approx(1.0, abs=0.05)
    assert dimension.participation_ratio(normal(4000, 6)) == pytest.approx(6.0, abs=0.05)


def test_degrees_of_freedom_is_the_trace_of_the_ridge_hat_matrix():
    x = normal(60, 8) * torch.arange(1, 9)
    centered = x - x.mean(0)
    inverse = torch.linalg.inv(centered.T @ centered + 60 * 0.3 * torch.eye(8))
    hat = centered @ inverse @ centered.T
    torch.testing.assert_close(dimension.degrees_of_freedom(x, penalty=0.3), torch.trace(hat))
    assert dimension.degrees_of_freedom(x, penalty=1e-9) == pytest.approx(8.0)


def test_principal_coordinates_span_the_leading_directions():
    x = normal(200, 6) * torch.tensor([8.0, 4, 2, 1, 0.5, 0.25]) + 3
    top = dimension.principal_coordinates(x, 2)
    torch.testing.assert_close(top.T @ top / 200, torch.eye(2, dtype=torch.float64))
    centered = x - x.mean(0)
    left = centered - top @ (top.T @ centered) / 200
    tail = torch.linalg.svdvals(centered)[2:].square().sum()
    torch.testing.assert_close(left.square().sum(), tail)


@pytest.mark.parametrize("offset", [1e2, 1e5, 1e8])
def test_an_offset_of_the_features_is_no_direction(offset):
    basis = dimension.basis_of(normal(20, 30) + offset, center=True)
    assert basis.shape == (20, 19)
    assert basis.mean(0).abs().max() < 1e-14


NAN = torch.full((5, 2), torch.nan)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: dimension.energy_dimension(normal(5, 2), share=0.0),
            r"share must lie in \(0, 1\]",
        ),
        (lambda: dimension.energy_dimension(NAN), "features must be finite, got NaN"),
        (lambda: dimension.energy_dimension(normal(0, 2)), r"m >= 1, d >= 1, got shape \(0, 2\)"),
        (lambda: dimension.energy_dimension(torch.full((9, 2), 0.1)), "got 9 equal ones"),
        (lambda: dimension.participation_ratio(normal(1, 2)), "m >= 2"),
        (lambda: dimension.degrees_of_freedom(normal(5, 2), penalty=0), "penalty must be finite"),
        (lambda: dimension.principal_coordinates(normal(9, 2), 3), r"d must lie in 1\.\.2"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
