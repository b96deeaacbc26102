"""Least-squares heads in closed form: of least norm, ridge, and in a ball. Shapes as in `heads`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from w2s_tutorial.heads._inputs import centered, check_inputs
from w2s_tutorial.heads.linear import Heads


def fit_ridgeless(x: Tensor, target: Tensor, *, rtol: float | None = None) -> Heads:
    """Fit h heads by minimum-norm least squares with a bias, in float64.

    With n <= d the heads interpolate their targets. Directions whose singular value is below
    rtol times the largest are treated as absent, which is what makes the answer unique.

    Args:
        x: (n, d) or (h, n, d) features.
        target: (h, n, c) real targets.
        rtol: default max(n, d) times the rounding unit of float64.

    Raises:
        ValueError: if shapes disagree or values are not finite.
    """
    eps = torch.finfo(torch.float64).eps
    cut = max(x.shape[-2:]) * eps if rtol is None else rtol

    def inverse(singular: Tensor, n: int) -> Tensor:
        return torch.where(singular > cut * singular[..., :1], 1 / singular, 0.0)

    return _fit(x, target, [inverse])[0]


def fit_ridge(x: Tensor, target: Tensor, *, l2: float) -> Heads:
    """Fit h heads that minimise mean squared error + l2 / 2 * |weight|^2, in float64.

    The error of an example is summed over the c outputs, as by `losses.squared`; the bias is not
    penalised. In scikit-learn's Ridge, alpha = n * l2 / 2.

    Args:
        x: (n, d) or (h, n, d) features.
        target: (h, n, c) real targets.
        l2: penalty, above 0.

    Raises:
        ValueError: if l2 is not positive, shapes disagree or values are not finite.
    """
    return _fit(x, target, [_shrinking(l2)])[0]


def fit_ridge_validated(
    x: Tensor,
    target: Tensor,
    x_validation: Tensor,
    target_validation: Tensor,
    *,
    l2: Sequence[float],
) -> tuple[Heads, Tensor]:
    """Fit h heads by `fit_ridge`, each with the penalty that serves it best on other examples.

    Args:
        x: (n, d) or (h, n, d) features to fit on.
        target: (h, n, c) real targets.
        x_validation: (v, d) or (h, v, d) features to choose by.
        target_validation: (h, v, c).
        l2: penalties to choose from, each above 0, meant as in `fit_ridge`.

    Returns:
        The heads, and the penalty of each (h,): that of the smallest mean squared error on the
        validation examples.

    Raises:
        ValueError: if there is no penalty or one is not positive, shapes disagree or values are
            not finite.
    """
    if len(l2) == 0:
        raise ValueError("l2 must list at least 1 penalty, got none")
    check_inputs(x_validation, target_validation)
    tried = _fit(x, target, [_shrinking(penalty) for penalty in l2])
    outputs = torch.stack([heads(x_validation) for heads in tried])
    error = (outputs - target_validation).square().mean((2, 3))
    best, each = error.argmin(0), torch.arange(error.shape[1])
    weight = torch.stack([heads.weight for heads in tried])[best, each]
    bias = torch.stack([heads.bias for heads in tried])[best, each]
    return Heads(weight, bias), torch.tensor(l2, dtype=torch.float64, device=best.device)[best]


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


_Inverse = Callable[[Tensor, int], Tensor]  # singular values (..., r), n -> their inverses


def _shrinking(l2: float) -> _Inverse:
    if not 0 < l2 < math.inf:
        raise ValueError(f"l2 must be finite and exceed 0, got {l2} (for 0 use fit_ridgeless)")
    return lambda s, n: s / (s.square() + n * (l2 / 2))


def _fit(x: Tensor, target: Tensor, inverses: Sequence[_Inverse]) -> list[Heads]:
    """Least squares with a bias, the singular values of the centred x inverted in each way.

    Through singular vectors, not the Gram matrix: squaring x would lose features whose scale is
    1e-6 of the largest. torch.linalg.lstsq is not an option: on CUDA it assumes full rank, and
    centring n <= d examples leaves rank n - 1.
    """
    x, target, _ = check_inputs(x, target, least=torch.float64)
    n = x.shape[-2]
    left, x_mean = centered(x)
    target_mean = target.mean(-2, keepdim=True)
    u, singular, vt = torch.linalg.svd(left, full_matrices=False)
    projected = u.mT @ (target - target_mean)
    weights = [vt.mT @ (inverse(singular, n)[..., None] * projected) for inverse in inverses]
    return [Heads(weight, target_mean - x_mean @ weight) for weight in weights]
