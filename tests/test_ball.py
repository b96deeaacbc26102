"""Heads in a ball: optimal by their own conditions, and the strict inequality that they allow."""

import pytest
import torch

from w2s_tutorial.heads import fit_in_ball, fit_ridgeless
from w2s_tutorial.metrics import misfit, squared_error


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def slow(x, y, radius, steps=1500):
    """Projected gradient descent on centred data."""
    x, y = x - x.mean(0), y - y.mean(0)
    rate = 0.9 / torch.linalg.eigvalsh(x.T @ x).max()
    w = torch.zeros(x.shape[1], y.shape[1], dtype=x.dtype)
    for _ in range(steps):
        w = w - rate * x.T @ (x @ w - y)
        w = w * min(1.0, radius / float(w.norm()))
    return w


@pytest.mark.parametrize(("n", "d"), [(30, 4), (6, 9)])
def test_heads_are_those_of_projected_descent(n, d):
    x, y = draw(n, d), draw(3, n, 2, seed=1)
    for radius in (0.05, 0.4, 50.0):
        heads = fit_in_ball(x, y, radius=radius)
        norms = heads.weight.flatten(1).norm(dim=1)
        assert (norms <= radius * (1 + 1e-9)).all()
        for one, target in zip(heads.weight, y, strict=True):
            torch.testing.assert_close(one, slow(x, target, radius), rtol=1e-3, atol=1e-5)


def test_inside_the_ball_they_are_ridgeless_and_outside_on_the_rim():
    x, y = draw(40, 5), draw(4, 40, 1, seed=1)
    free = fit_ridgeless(x, y)
    torch.testing.assert_close(fit_in_ball(x, y, radius=100.0).weight, free.weight)
    radius = free.weight.flatten(1).norm(dim=1) * torch.tensor([0.5, 2.0, 0.9, 1.1]).double()
    bound = fit_in_ball(x, y, radius=radius).weight.flatten(1).norm(dim=1)
    expected = torch.minimum(radius, free.weight.flatten(1).norm(dim=1))
    torch.testing.assert_close(bound, expected)


def test_gain_exceeds_misfit_strictly_on_the_rim_only():
    x = draw(200, 40, 5)
    direction = draw(200, 5, 1, seed=1)
    target = x @ (0.8 * direction / direction.norm(dim=1, keepdim=True))
    weak = target + draw(200, 40, 1, seed=2)
    student = fit_in_ball(x, weak, radius=1.0)
    said = student(x)
    surplus = squared_error(weak, target) - squared_error(said, target) - misfit(said, weak)
    rim = student.weight.flatten(1).norm(dim=1) > 1 - 1e-9
    assert surplus.min() > -1e-9
    assert surplus[~rim].abs().max() < 1e-9
    assert (surplus[rim] > 1e-9).all()
    assert 5 < rim.sum() < 195


def test_bad_radius_is_refused():
    for radius in (0.0, -1.0, float("inf")):
        with pytest.raises(ValueError, match="radius must exceed 0"):
            fit_in_ball(draw(5, 2), draw(1, 5, 1), radius=radius)
