"""Minimising the losses of many linear heads: majorise, then Newton downhill.

A loss that is concave in log p lies below its tangent there, a cross-entropy weighted by its
present slope, and touches it. Each step minimises a quadratic model of that majoriser by conjugate
gradients, goes along the direction found, and only goes downhill.

Shapes: b blocks of features, m heads on each, n examples, d features; k outputs, 1 for two classes
(the log-odds of class 1), else the number of classes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import softplus

from w2s_tutorial.losses import LabelLoss, cross_entropy


@dataclass(frozen=True)
class Problem:
    """Share-weighted loss + l2 / 2 * |weight|^2, for m heads on each of b blocks of features."""

    x: Tensor  # (b, n, d + 1), the last column is 1
    mass: Tensor  # (b, m, k, n): share times target
    share: Tensor  # (b, m, 1, n)
    l2: Tensor  # (b, m, 1, d + 1), 0 for the bias
    loss: LabelLoss

    def to(self, dtype: torch.dtype) -> Problem:
        x, mass, share, l2 = (v.to(dtype) for v in (self.x, self.mass, self.share, self.l2))
        return Problem(x, mass, share, l2, self.loss)

    def take(self, kept: Tensor) -> Problem:
        """Some of the m heads of every block or, where each has one, some of the blocks."""
        b, m = self.share.shape[:2]
        at = (kept,) if m == 1 else (slice(None), kept)
        mass, share, l2 = self.mass[at], self.share[at], self.l2[at]
        number = torch.arange(b * m, device=kept.device).view(b, m)[at].flatten()
        return Problem(self.x[kept] if m == 1 else self.x, mass, share, l2, self.loss.of(number))

    def heads(self, at: slice) -> Problem:
        """Some of the m heads of every block, of cross-entropy."""
        mass, share, l2 = self.mass[:, at], self.share[:, at], self.l2[:, at]
        return Problem(self.x, mass, share, l2, self.loss)

    def outputs(self, theta: Tensor) -> Tensor:
        """(b, m, k, d + 1) -> (b, m, k, n): one product of all heads side by side."""
        return (theta.flatten(1, 2) @ self.x.mT).unflatten(1, theta.shape[1:3])

    def pull(self, slope: Tensor) -> Tensor:
        """(b, m, k, n) -> (b, m, k, d + 1), the other way."""
        return (slope.flatten(1, 2) @ self.x).unflatten(1, slope.shape[1:3])

    def value(self, theta: Tensor, z: Tensor) -> Tensor:
        """(b, m, 1, 1)"""
        log_p, mass = self._log_p(z)
        fit = (mass * self.loss.value(log_p.flatten(0, 1)).view_as(mass)).sum((2, 3), keepdim=True)
        return fit + dot(self.l2 * theta, theta) / 2

    def gradient(self, theta: Tensor) -> Tensor:
        """(b, m, k, d + 1)"""
        return self.pull(self.slopes(self.outputs(theta))[0]) + self.l2 * theta

    def slopes(self, z: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Slope of the loss in z and p, (b, m, k, n); weights of the majoriser (b, m, 1, n)."""
        if self.loss is cross_entropy:
            p, mass, total = z.sigmoid() if z.shape[2] == 1 else z.softmax(2), self.mass, self.share
        else:
            log_p, mass = self._log_p(z)
            mass = mass * self.loss.weight(log_p.flatten(0, 1)).view_as(mass)
            total = mass.sum(2, keepdim=True)
            mass, p = mass[:, :, -z.shape[2] :], log_p[:, :, -z.shape[2] :].exp()
        return total * p - mass, p, total

    def _log_p(self, z: Tensor) -> tuple[Tensor, Tensor]:
        """Log-probabilities and mass of all c classes (b, m, c, n)."""
        if z.shape[2] > 1:
            return z.log_softmax(2), self.mass
        # softplus keeps its relative digits where p is near 1; logsigmoid does not in float32.
        log_p = -softplus(torch.cat([z, -z], 2))
        return log_p, torch.cat([self.share - self.mass, self.mass], 2)


def descend(problem: Problem, theta: Tensor, tol: float, max_steps: int) -> tuple[Tensor, Tensor]:
    """Go downhill from theta until no entry of a head's gradient exceeds tol.

    Returns:
        Parameters (b, m, k, d + 1), and the largest gradient entry of each head (b, m).
    """
    theta = theta.clone(memory_format=torch.contiguous_format)
    largest = theta.new_full(theta.shape[:2], math.inf)
    kept = torch.arange(theta.shape[1 if theta.shape[1] > 1 else 0], device=theta.device)
    part, z, now, rough = problem, problem.outputs(theta), theta.clone(), problem.to(torch.float32)
    for step in range(max_steps + 1):
        slope, p, total = part.slopes(z)
        gradient = part.pull(slope) + part.l2 * now
        at = (kept,) if theta.shape[1] == 1 else (slice(None), kept)
        largest[at], theta[at] = gradient.abs().amax((2, 3)), now
        unsolved = largest[at] > tol
        going = unsolved[:, 0] if theta.shape[1] == 1 else unsolved.any(0)
        if step == max_steps or not going.any():
            break
        if not going.all():
            kept, part, rough = kept[going], part.take(going), rough.take(going)
            on = (going,) if theta.shape[1] == 1 else (slice(None), going)
            now, z, slope, p, total = now[on], z[on], slope[on], p[on], total[on]
            gradient, unsolved = gradient[on], unsolved[on]
        # A Newton direction needs few digits: single precision halves its cost, and the
        # gradient, in full precision, corrects what it loses.
        asked = (gradient * unsolved[..., None, None]).float()
        direction = _newton_direction(rough, p.float(), total.float(), asked).to(now.dtype)
        change = part.outputs(direction)
        # Where the loss is flat the majoriser is far above it, and its steps are too short.
        length = _length(part, now, z, gradient, direction, change, longest=32 if step > 8 else 1)
        now, z = now + length * direction, z + length * change
    return theta, largest


def _newton_direction(part: Problem, p: Tensor, total: Tensor, gradient: Tensor) -> Tensor:
    """Conjugate gradients on the majoriser, to a tenth, preconditioned per block."""
    damped = part.l2 + 1e-8  # for a head that gave up a class: its bias meets no resistance
    inverse = Inverse(part, total * p * (1 - p))

    def curvature(v: Tensor) -> Tensor:
        u = p * part.outputs(v)
        u = total * (u - p * (u if p.shape[2] == 1 else u.sum(2, keepdim=True)))
        return part.pull(u) + damped * v

    direction, residual = torch.zeros_like(gradient), -gradient
    step = inverse(residual)
    size, tiny = dot(residual, step), torch.finfo(residual.dtype).tiny
    enough = 0.01 * size
    for _ in range(100):
        open_ = size > enough
        if not open_.any():
            break
        image = curvature(step)
        length = torch.where(open_, size / dot(step, image), 0.0)  # solved heads stand still
        direction, residual = direction + length * step, residual - length * image
        z = inverse(residual)
        new = torch.where(open_, dot(residual, z), size)
        step, size = z + new / size.clamp_min(tiny) * step, new
    return direction


class Inverse:
    """One curvature for all heads of a block, averaged, inverted with the penalty of each.

    Heads on the same features differ in labels, examples and penalty, but hardly in the shape of
    their loss. Through eigenvectors where penalties differ; the bias has the penalty of the
    weights, as a preconditioner may.
    """

    def __init__(self, part: Problem, spread: Tensor) -> None:
        """spread (b, m, k, n): second derivative of the loss in z, without what classes share."""
        mean = spread.mean((1, 2))[..., None]  # (b, n, 1), over heads and outputs
        gram = (part.x * mean).mT @ part.x
        check_scale(gram)
        self.scale = spread.mean(2, keepdim=True).sum(3, keepdim=True) / mean.sum(1)[
            ..., None, None
        ].clamp_min(1e-30)
        values, self.vectors = torch.linalg.eigh(gram)
        floor = 1e-7 * values[:, -1:].clamp_min(1e-30)  # what single precision resolves
        values = values.clamp_min(0) + floor
        self.stiff = values[:, None, None] * self.scale + part.l2[..., :1] + 1e-8

    def __call__(self, v: Tensor, at: slice = slice(None)) -> Tensor:
        along = (v.flatten(1, 2) @ self.vectors).unflatten(1, v.shape[1:3]) / self.stiff[:, at]
        return (along.flatten(1, 2) @ self.vectors.mT).unflatten(1, v.shape[1:3])


def _length(
    part: Problem,
    theta: Tensor,
    z: Tensor,
    gradient: Tensor,
    direction: Tensor,
    change: Tensor,
    longest: int,
) -> Tensor:
    """Step lengths (b, m, 1, 1): halved until the loss falls, doubled while it falls further."""
    before, slope = part.value(theta, z), dot(gradient, direction)
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


def check_scale(gram: Tensor) -> None:
    """Refuse features whose squares (b, d + 1) or products (b, d + 1, d + 1) overflow."""
    if not bool(gram.isfinite().all()):
        squares = gram if gram.dim() == 2 else gram.diagonal(dim1=-2, dim2=-1)
        columns = (~squares.isfinite().all(0)).nonzero().flatten().tolist()
        wanted = "a scale whose squares single precision holds, below 1e15"
        raise ValueError(f"x must have {wanted}, got more in the columns {columns}")


def dot(a: Tensor, b: Tensor) -> Tensor:
    """Products summed over each head's own axes: (b, m, 1, 1)."""
    return (a * b).sum((2, 3), keepdim=True)
