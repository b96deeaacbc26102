"""Minimising generalised cross-entropy for many linear heads: majorise, then Newton downhill.

-p^q / q is concave in log p, so its tangent there, a cross-entropy weighted by the present p^q,
lies above it and touches it. Each step minimises a quadratic model of that majoriser by conjugate
gradients, goes along the direction found, and only goes downhill.

Shapes: b blocks of features, m heads on each, n examples, d features, c classes; k outputs, 1 for
two classes (the log-odds of class 1), else c.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Problem:
    """m heads on each of b blocks of features; z and theta have k outputs, 1 for two classes.

    What is summed over examples or classes has these in front: (c, b, n, m), fast on a CPU.
    """

    x: Tensor  # (b, n, d + 1), the last column is 1
    target: Tensor  # (c, b, n, m)
    share: Tensor  # (b, n, m)
    q: Tensor  # (b, 1, m)
    penalty: Tensor  # (b, d + 1, m, 1)

    def take(self, cells: Tensor) -> Problem:
        parts = (self.target[..., cells], self.share[..., cells], self.q[..., cells])
        return Problem(self.x, *parts, self.penalty[:, :, cells])

    def apply(self, matrix: Tensor, v: Tensor) -> Tensor:
        """matrix (b, i, j) @ v (b, j, m, k) -> (b, i, m, k)."""
        return (matrix @ v.flatten(2)).unflatten(2, v.shape[2:])

    def log_p(self, z: Tensor) -> Tensor:
        if z.shape[-1] > 1:
            return z.log_softmax(-1).movedim(-1, 0)
        log_odds = z[..., 0]
        # softplus keeps its relative digits where p is near 1; logsigmoid does not in float32.
        return -torch.nn.functional.softplus(torch.stack([log_odds, -log_odds]))

    def value(self, theta: Tensor, z: Tensor) -> Tensor:
        """(b, 1, m, 1)"""
        log_p = self.log_p(z)
        loss = torch.where(self.q > 0, torch.expm1(self.q * log_p) / self.q.clamp_min(1e-30), log_p)
        fit = -(self.share * (self.target * loss).sum(0)).sum(1)[:, None, :, None]
        return fit + _sum(self.penalty * theta.square()) / 2

    def slopes(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Gradient in z (b, n, m, k), p of the same shape, majoriser's weights (b, n, m, 1)."""
        log_p = self.log_p(z)
        weight = self.share * self.target * (self.q * log_p).exp()
        total, first = weight.sum(0), 1 if z.shape[-1] == 1 else 0
        p = log_p[first:].exp()
        slope = total * p - weight[first:]
        return slope.movedim(0, -1), p.movedim(0, -1), total[..., None]


def descend(problem: Problem, theta: Tensor, tol: float, max_steps: int) -> tuple[Tensor, Tensor]:
    """Go downhill from theta until no entry of a head's gradient exceeds tol.

    Returns:
        Parameters (b, d + 1, m, k), and the largest gradient entry of each head (b, m).
    """
    active = torch.arange(theta.shape[2], device=theta.device)
    part, now = problem, theta.clone()
    z = part.apply(part.x, now)
    largest = theta.new_full((len(theta), theta.shape[2]), math.inf)
    for step in range(max_steps + 1):
        slope, p, total = part.slopes(z)
        gradient = part.apply(part.x.mT, slope) + part.penalty * now
        largest[:, active] = gradient.abs().amax((1, 3))
        theta[:, :, active] = now
        going = (largest[:, active] > tol).any(0)
        if step == max_steps or not going.any():
            break
        if not going.all():
            active, part, now, z = active[going], part.take(going), now[:, :, going], z[:, :, going]
            slope, p, total, gradient = (v[:, :, going] for v in (slope, p, total, gradient))
        unsolved = (largest[:, active] > tol)[:, None, :, None]
        direction = _newton_direction(part, p, total, gradient * unsolved)
        change = part.apply(part.x, direction)
        # Where the loss is flat the majoriser is far above it, and its steps are too short.
        length = _length(part, now, z, gradient, direction, change, longest=32 if step > 8 else 1)
        now, z = now + length * direction, z + length * change
    return theta, largest


def _newton_direction(part: Problem, p: Tensor, total: Tensor, gradient: Tensor) -> Tensor:
    """Conjugate gradients on the majoriser, to a tenth, preconditioned per block."""
    binary = p.shape[-1] == 1
    damped = part.penalty + 1e-8  # for a head that gave up a class: its bias meets no resistance
    spread = total * p * (1 - p)
    mean = spread.mean((2, 3))[..., None]  # (b, n, 1), over heads and outputs
    values, vectors = torch.linalg.eigh((part.x * mean).mT @ part.x)
    scale = spread.mean(3, keepdim=True).sum(1, keepdim=True) / (
        mean.sum(1)[..., None, None].clamp_min(1e-30)
    )
    stiff = values.clamp_min(0)[..., None, None] * scale + damped[:, :1]  # the bias too

    def precondition(v: Tensor) -> Tensor:
        return part.apply(vectors, part.apply(vectors.mT, v) / stiff)

    def curvature(v: Tensor) -> Tensor:
        u = part.apply(part.x, v)
        u = spread * u if binary else total * p * (u - (p * u).sum(-1, keepdim=True))
        return part.apply(part.x.mT, u) + damped * v

    direction, residual = torch.zeros_like(gradient), -gradient
    step = precondition(residual)
    size, tiny = _sum(residual * step), torch.finfo(residual.dtype).tiny
    enough = 0.01 * size
    for _ in range(50):
        open_ = size > enough
        if not open_.any():
            break
        image = curvature(step)
        length = torch.where(open_, size / _sum(step * image), 0.0)  # solved heads stand still
        direction, residual = direction + length * step, residual - length * image
        z = precondition(residual)
        new = torch.where(open_, _sum(residual * z), size)
        step, size = z + new / size.clamp_min(tiny) * step, new
    return direction


def _length(
    part: Problem,
    theta: Tensor,
    z: Tensor,
    gradient: Tensor,
    direction: Tensor,
    change: Tensor,
    longest: int,
) -> Tensor:
    """Step lengths (b, 1, m, 1): halved until the loss falls, doubled while it falls further."""
    before, slope = part.value(theta, z), _sum(gradient * direction)
    rounding = 10 * torch.finfo(z.dtype).eps * before.abs()
    length = torch.ones_like(before)
    for _ in range(30):
        after = part.value(theta + length * direction, z + length * change)
        short = after > before + 1e-4 * length * slope + rounding
        if not short.any():
            break
        length = torch.where(short, length / 2, length)
    growing = length == 1
    while growing.any() and length.max() < longest:
        trial = torch.where(growing, 2 * length, length)
        value = part.value(theta + trial * direction, z + trial * change)
        growing &= value < after - rounding
        length, after = torch.where(growing, trial, length), torch.where(growing, value, after)
    return length


def _sum(v: Tensor) -> Tensor:
    return v.sum((1, 3), keepdim=True)
