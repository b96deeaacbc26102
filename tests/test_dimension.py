"""Dimension estimators on features whose dimensions are known."""

import pytest
import torch
from intrinsic_cases import normal

from w2s_tutorial import overlap


def test_energy_dimension_counts_directions():
    scale = torch.tensor([3.0, 2.0, 1.0, 0.1], dtype=torch.float64)
    x = torch.linalg.qr(normal(100, 4) - normal(100, 4).mean(0)).Q * scale
    energy = scale.square().cumsum(0) / scale.square().sum()
    for k in range(1, 5):
        assert overlap.energy_dimension(x, share=float(energy[k - 1]) - 1e-9) == k
    assert overlap.energy_dimension(x, share=1.0) == 4
    assert overlap.energy_dimension(x + 100, share=0.99) == 3
    assert overlap.energy_dimension(x + 100, share=0.99, center=False) == 1


def test_principal_coordinates_span_the_leading_directions():
    x = normal(200, 6) * torch.tensor([8.0, 4, 2, 1, 0.5, 0.25]) + 3
    top = overlap.principal_coordinates(x, 2)
    torch.testing.assert_close(top.T @ top / 200, torch.eye(2, dtype=torch.float64))
    centered = x - x.mean(0)
    left = centered - top @ (top.T @ centered) / 200
    tail = torch.linalg.svdvals(centered)[2:].square().sum()
    torch.testing.assert_close(left.square().sum(), tail)


@pytest.mark.parametrize("offset", [1e2, 1e5, 1e8])
def test_an_offset_of_the_features_is_no_direction(offset):
    basis = overlap._basis(normal(20, 30) + offset, center=True)
    assert basis.shape == (20, 19)
    assert basis.mean(0).abs().max() < 1e-14


NAN = torch.full((5, 2), torch.nan)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: overlap.energy_dimension(normal(5, 2), share=0.0),
            r"share must lie in \(0, 1\]",
        ),
        (lambda: overlap.energy_dimension(NAN), "features must be finite, got NaN"),
        (lambda: overlap.energy_dimension(normal(0, 2)), r"m >= 1, d >= 1, got shape \(0, 2\)"),
        (lambda: overlap.energy_dimension(torch.full((9, 2), 0.1)), "got 9 equal ones"),
        (lambda: overlap.principal_coordinates(normal(9, 2), 3), r"d must lie in 1\.\.2"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
