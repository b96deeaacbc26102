"""Many heads under generalised cross-entropy: each its own q, penalty, labels and examples.

A grid of (q, selection, penalty) on one data set is one fit. The loss is not convex: the fit
only goes downhill, so where a head ends depends on where it starts and on nothing else; the
solver is in `majorise`. Shapes as in `heads`.
"""

from __future__ import annotations

import warnings

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from w2s_tutorial.heads.linear import Heads, check_inputs
from w2s_tutorial.heads.majorise import Problem, descend


def fit_generalized(
    x: Tensor,
    target: Tensor,
    *,
    q: float | Tensor,
    l2: float | Tensor,
    example_weight: Tensor | None = None,
    start: Heads | None = None,
    tol: float | None = None,
    max_steps: int = 100,
) -> Heads:
    """Fit h heads that minimise the mean of sum_c target_c (1 - p_c^q) / q + l2 / 2 * |weight|^2.

    q = 0 is cross-entropy, and the answer that of `fit_logistic`; the penalty counts two classes
    in the same way. For q > 0 it is a local minimum, reached downhill from `start`.

    Args:
        x: (n, d), seen by all heads, or (b, n, d): heads i h/b to (i + 1) h/b - 1 see x[i].
        target: (h, n, c) label distributions.
        q: in [0, 1], a number or (h,).
        l2: penalty, above 0, a number or (h,).
        example_weight: (h, n) bool or non-negative. Each head averages over what it keeps.
        start: heads to go on from. Default: zero, where all classes are as likely.
        tol: largest entry of the gradient at which a head counts as solved. Default: 1e-8 in
            float64, 1e-5 in float32. 0 takes max_steps steps and asks for no more.
        max_steps: steps after which to give up.

    Returns:
        Heads in the dtype of target; a `ConvergenceWarning` counts those that did not reach tol.

    Raises:
        ValueError: if shapes disagree, values are not finite, targets are no distributions, a
            head sees one class only, or q or l2 is out of range.
    """
    h, n, c = target.shape if target.dim() == 3 else (0, 0, 0)
    x3 = x if x.dim() == 3 else x[None]
    _, target, share = check_inputs(x3[0], target, example_weight)
    if h % len(x3) or not x3.isfinite().all():
        raise ValueError(f"x must be finite, of as many blocks as divide {h}, got {len(x3)}")
    b, m = len(x3), h // len(x3)
    q, l2 = (torch.as_tensor(value).to(target).expand(h) for value in (q, l2))
    if not ((q >= 0) & (q <= 1)).all():
        raise ValueError(f"q must lie in [0, 1], got {float(q.min())} to {float(q.max())}")
    if not ((l2 > 0) & l2.isfinite()).all():
        raise ValueError(f"l2 must be finite and exceed 0, got {float(l2.min())}")
    _check_classes(target, share)
    x3 = x3.to(target.dtype)
    center = x3.mean(1, keepdim=True)
    penalty = torch.cat(
        [l2.view(b, 1, m, 1).expand(b, x3.shape[-1], m, 1), q.new_zeros(b, 1, m, 1)], 1
    )
    problem = Problem(
        torch.cat([x3 - center, torch.ones_like(x3[..., :1])], -1),
        target.view(b, m, n, c).permute(3, 0, 2, 1).contiguous(),
        share.view(b, m, n).transpose(1, 2).contiguous(),
        q.view(b, 1, m),
        penalty,
    )
    if tol is None:
        tol = 1e-5 if target.dtype == torch.float32 else 1e-8
    theta, gradient = descend(problem, _theta(start, center, problem), tol, max_steps)
    if tol > 0 and (failed := int((gradient > tol).sum())) > 0:
        message = f"{failed} of {h} heads stopped with a gradient of up to {gradient.max():.1e}"
        hint = f"above tol = {tol:.1e}, after {max_steps} steps: raise l2, tol or max_steps"
        warnings.warn(f"{message}, {hint}", ConvergenceWarning, stacklevel=2)
    if c == 2:
        theta = torch.cat([-theta / 2, theta / 2], -1)
    theta = theta.transpose(1, 2)  # (b, m, d + 1, c)
    weight, bias = theta[..., :-1, :], theta[..., -1:, :] - center[:, None] @ theta[..., :-1, :]
    return Heads(weight.reshape(h, -1, c), bias.reshape(h, 1, c))


def outputs(heads: Heads, x: Tensor) -> Tensor:
    """Outputs (h, n, c) of heads that share x (n, d) or see blocks (b, n, d) of it, as above."""
    if x.dim() == 2:
        return heads(x)
    blocks = heads.weight.view(len(x), -1, *heads.weight.shape[1:])  # (b, m, d, c)
    return (x[:, None] @ blocks).flatten(0, 1) + heads.bias


def _check_classes(target: Tensor, share: Tensor) -> None:
    total = target.sum(-1)
    if (target < 0).any() or not torch.allclose(total, torch.ones_like(total), atol=1e-4):
        raise ValueError("target must hold label distributions: at least 0, summing to 1")
    missing = ((share[:, None] @ target)[:, 0] <= 0).any(-1)
    if missing.any():
        named = missing.nonzero().flatten()[:5].tolist()
        raise ValueError(f"target must show every class to every head, not so for heads {named}")


def _theta(start: Heads | None, center: Tensor, problem: Problem) -> Tensor:
    c, b, _, m = problem.target.shape
    d = problem.x.shape[-1]
    if start is None:
        return problem.x.new_zeros(b, d, m, 1 if c == 2 else c)
    if start.weight.shape != (b * m, d - 1, c):
        came = tuple(start.weight.shape)
        raise ValueError(f"start must hold weights {(b * m, d - 1, c)}, got {came}")
    weight = start.weight.to(problem.x.dtype).view(b, m, d - 1, c)
    bias = start.bias.to(problem.x.dtype).view(b, m, 1, c) + center[:, None] @ weight
    theta = torch.cat([weight, bias], 2).transpose(1, 2)
    return theta[..., 1:] - theta[..., :1] if c == 2 else theta.clone()
