"""Least-squares heads whose weights stay in a ball: a convex class that is no subspace."""

from __future__ import annotations

import torch
from torch import Tensor

from w2s_tutorial.heads.linear import Heads, centered, check_inputs


def fit_in_ball(x: Tensor, target: Tensor, *, radius: float | Tensor) -> Heads:
    """Fit h heads that minimise mean squared error with |weight| <= radius, in float64.

    The bias is free. If the least-squares weight of least norm is inside, it is the answer; else
    the answer is the ridge solution whose norm is the radius, its penalty found by bisection to all
    digits: the norm falls as the penalty grows.

    Args:
        x: (n, d) or (h, n, d) features.
        target: (h, n, c) real targets.
        radius: above 0, of all d * c weights of a head together; a number or (h,).

    Raises:
        ValueError: if a radius is not positive, shapes disagree or values are not finite.
    """
    x, target, _ = check_inputs(x, target, least=torch.float64)
    radii = torch.as_tensor(radius, dtype=torch.float64, device=x.device).expand(len(target))[
        :, None, None
    ]
    if not ((radii > 0) & radii.isfinite()).all():
        raise ValueError(f"radius must exceed 0 and be finite, got {radius}")
    left, x_mean = centered(x)
    target_mean = target.mean(-2, keepdim=True)
    u, singular, vt = torch.linalg.svd(left, full_matrices=False)
    cut = max(x.shape[-2:]) * torch.finfo(x.dtype).eps * singular[..., :1]
    s = torch.where(singular > cut, singular, 0.0)[..., None]
    along = u.mT @ (target - target_mean)  # (h, min(n, d), c)
    # Of the ridge weights s along / (s^2 + penalty), the norm is below |s along| / penalty.
    low = torch.full_like(radii, -60.0)
    pull = (s * along).square().sum((1, 2), keepdim=True).sqrt()
    high = (pull / radii).clamp_min(1e-300).log() + 1

    def weights(penalty: Tensor) -> Tensor:
        return torch.where(s > 0, s * along / (s.square() + penalty), 0.0)

    def norm(penalty: Tensor) -> Tensor:
        return weights(penalty).square().sum((1, 2), keepdim=True).sqrt()

    low = torch.minimum(low, high - 60)
    for _ in range(200):
        middle = (low + high) / 2
        outside = norm(middle.exp()) > radii
        low, high = torch.where(outside, middle, low), torch.where(outside, high, middle)
    inside = norm(torch.zeros_like(radii)) <= radii
    weight = vt.mT @ weights(torch.where(inside, 0.0, high.exp()))
    return Heads(weight, target_mean - x_mean @ weight)
