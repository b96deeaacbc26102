"""Many logistic (softmax) heads with an L2 penalty, each solved to the same small gradient.

The solver is in `newton`. Shapes as in `heads`.
"""

from __future__ import annotations

import math
import warnings

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from w2s_tutorial.heads.linear import Heads, check_inputs
from w2s_tutorial.heads.newton import Problem, minimize


def fit_logistic(
    x: Tensor,
    target: Tensor,
    *,
    l2: float | Tensor,
    example_weight: Tensor | None = None,
    tol: float | None = None,
    max_steps: int = 50,
) -> Heads:
    """Fit h heads that minimise mean cross-entropy + l2 / 2 * |weight|^2; the bias is free.

    In scikit-learn's LogisticRegression, C = 1 / (n * l2) where n counts the examples a head
    keeps. As there, two classes share one weight vector w = weight[..., 1] - weight[..., 0],
    and |w|^2 is what is penalised.

    Args:
        x: (n, d) or (h, n, d) features. Keep their scales comparable: the penalty sees them.
        target: (h, n, c) label distributions, one-hot or soft.
        l2: penalty per head, a number or (h,), above 0.
        example_weight: (h, n) bool or non-negative. Each head averages over what it keeps.
        tol: largest entry of the gradient at which a head counts as solved. The weights are then
            within sqrt(d) * tol / l2 of the optimum. Default: 1e-8 in float64, 1e-6 in float32.
        max_steps: Newton steps after which to give up.

    Returns:
        Heads in the wider dtype of x and target, at least float32. A
        `sklearn.exceptions.ConvergenceWarning` says how many, if any, did not reach tol. A head
        that sees no example of some class, whose bias would be infinite, is NaN; `failed` says so.

    Raises:
        ValueError: if shapes disagree, values are not finite, targets are no distributions, a
            class is missing for every head, or l2 is not positive.
    """
    x, target, share = check_inputs(x, target, example_weight)
    _check_labels(target)
    h, _, c = target.shape
    penalty = torch.as_tensor(l2, dtype=target.dtype, device=target.device).expand(h)
    if not (penalty.isfinite().all() and (penalty > 0).all()):
        raise ValueError(f"l2 must be finite and exceed 0, got {l2}")
    if failed := missing_classes(target, share):
        kept = [head for head in range(h) if head not in failed]
        some = fit_logistic(
            x[kept] if x.dim() == 3 else x,
            target[kept],
            l2=penalty[kept],
            example_weight=share[kept],
            tol=tol,
            max_steps=max_steps,
        )
        weight, bias = (v.new_full((h, *v.shape[1:]), math.nan) for v in (some.weight, some.bias))
        weight[kept], bias[kept] = some.weight, some.bias
        return Heads(weight, bias, failed)
    if tol is None:
        tol = 1e-6 if target.dtype == torch.float32 else 1e-8
    center = x.mean(-2, keepdim=True)  # centred features decouple the weights from the bias
    problem = Problem(
        torch.cat([x - center, torch.ones_like(x[..., :1])], dim=-1),
        target[..., 1:] if c == 2 else target,
        share[..., None],
        torch.cat([penalty.view(h, 1, 1).expand(h, x.shape[-1], 1), penalty.new_zeros(h, 1, 1)], 1),
    )
    theta, gradient = minimize(problem, tol, max_steps)
    if (unsolved := int((gradient > tol).sum())) > 0:
        message = f"{unsolved} of {h} heads stopped with a gradient of up to {gradient.max():.1e}"
        hint = f"above tol = {tol:.1e}, after {max_steps} steps: raise l2, max_steps or precision"
        warnings.warn(f"{message}, {hint}", ConvergenceWarning, stacklevel=2)
    if c == 2:
        theta = torch.cat([-theta / 2, theta / 2], dim=-1)
    weight, bias = theta[:, :-1], theta[:, -1:]
    return Heads(weight, bias - center @ weight)


def _check_labels(target: Tensor) -> None:
    if target.shape[-1] < 2:
        raise ValueError(f"target needs at least 2 classes, got {target.shape[-1]}")
    total = target.sum(-1)
    if (target < 0).any() or not torch.allclose(total, torch.ones_like(total), atol=1e-4):
        raise ValueError("target must hold label distributions: at least 0, summing to 1")


def missing_classes(target: Tensor, share: Tensor) -> dict[int, str]:
    """Head -> what it does not see, for the heads that see no example of some class.

    Raises:
        ValueError: if that is so for all of them.
    """
    empty = (share[:, None] @ target)[:, 0] <= 0  # (h, c)
    failed = {}
    for head in empty.any(-1).nonzero().flatten().tolist():
        classes = ", ".join(str(label) for label in empty[head].nonzero().flatten().tolist())
        failed[head] = f"its target shows it no example of class {classes}"
    if len(failed) == len(target):
        raise ValueError(f"target must show every class to a head, head 0 fails: {failed[0]}")
    return failed
