"""Misfit beyond the squared loss: Bregman divergences.

Mulgund, Pabbaraju (ICML 2025, arXiv 2501.19105). For a strictly convex potential phi,
D(p, q) = phi(p) - phi(q) - <phi'(q), p - q>. The squared norm gives the squared distance, the
negative entropy gives KL(p | q) on probabilities.

If the student minimises E D(student, weak) over a convex set of probabilities, the student in the
*first* argument, and the target lies in that set, then
E D(target, weak) >= E D(target, student) + E D(student, weak): gain >= misfit. For KL this loss is
called reverse; ordinary cross-entropy on soft labels minimises the forward one, KL(weak | student),
and has no such promise.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Potential = Callable[[Tensor], Tensor]  # (..., c) -> (...)


def negative_entropy(p: Tensor) -> Tensor:
    """The potential of KL divergence on probabilities, in nats: (..., c) -> (...)."""
    return torch.xlogy(p, p).sum(-1)


def divergence(potential: Potential, first: Tensor, second: Tensor) -> Tensor:
    """Mean over examples of D(first, second): exact, a definition.

    Args:
        potential: strictly convex and differentiable where `second` lies.
        first, second: (..., n, c).

    Returns:
        (...), at least 0 up to rounding.
    """
    with torch.enable_grad():
        at = second.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(potential(at).sum(), at)
    apart = potential(first) - potential(second) - (slope * (first - second)).sum(-1)
    return apart.mean(-1)


def kl(first: Tensor, second: Tensor) -> Tensor:
    """Mean over examples of KL(first | second), in nats: `divergence` of `negative_entropy`.

    Args:
        first, second: (..., n, c) probabilities; second above 0.

    Returns:
        (...).

    Raises:
        ValueError: if a row is no distribution, or second holds a 0.
    """
    for name, value in (("first", first), ("second", second)):
        off = (value.sum(-1) - 1).abs().max()
        if not (value >= 0).all() or not off < 1e-6:
            raise ValueError(f"{name} must hold distributions over the last axis, got {off} off")
    if not (second > 0).all():
        raise ValueError("second must be above 0, got a probability of 0")
    return (torch.xlogy(first, first) - first * second.log()).sum(-1).mean(-1)


def slack(target: Tensor, student: Tensor, weak: Tensor) -> Tensor:
    """Gain minus misfit in KL: what the inequality says is at least 0, (...).

    E KL(target | weak) - E KL(target | student) - E KL(student | weak). At least 0 for a reverse-KL
    student in a convex class that holds the target: a bound, the paper's.

    Args:
        target, student, weak: (..., n, c) probabilities.
    """
    return kl(target, weak) - kl(target, student) - kl(student, weak)
