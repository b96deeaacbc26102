"""A fast way near the minimum of cross-entropy, for many heads side by side.

Heads on the same features differ in labels, examples and penalty, but hardly in the shape of their
loss. So all start where the average of them has its minimum, with its curvature as the first guess
of theirs, and correct it by what their own steps teach (L-BFGS). A step costs one pair of matrix
products, and nearly all steps are made in single precision. Shapes as in `_newton`.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from w2s_tutorial.heads._newton import Inverse, Problem, check_scale, dot
from w2s_tutorial.progress import progress

Memory = deque[tuple[Tensor, Tensor, Tensor]]
Inversion = Callable[..., Tensor]
"""v (b, m, k, d + 1), and which of the heads on each block these are, a slice of all heads."""
ALL = slice(None)
MEMORY, MOST = 8, 50
"""Steps that are remembered, and steps in either precision before the head is left to `_newton`."""
PER_FEATURE = 32
"""Examples per feature that tell the shape of the loss well enough."""
GROUP = 128
"""Heads on the same features that one thread leads to their minimum."""
PART = 2**16
"""Entries that are squared at a time: fresh memory costs more than its arithmetic."""
LEAST = 1e-30
"""Of a step times what it bent: less than this cannot be inverted in single precision."""
ROUGH = 4 * torch.finfo(torch.float32).eps
"""Largest entry of the gradient, for features of size 1, where single precision ends to help."""


def approach(
    problem: Problem,
    hint: Tensor | None,
    tol: float,
    max_steps: int,
    map_: Callable[..., Iterable[Any]] = map,
) -> tuple[Tensor, Tensor]:
    """Parameters (b, m, k, d + 1) near the minimum, and largest gradient entries (b, m).

    The latter are at most tol for all but hard heads. hint (1, 1, k, d + 1), the solution of
    another problem, is where heads start that prefer it to zero. map_ spreads groups of the m
    heads over threads.
    """
    b, m, k, _ = problem.mass.shape
    rough = problem.to(torch.float32)
    mean, memory = _averaged(rough), Memory(maxlen=MEMORY)
    theta = rough.x.new_zeros(b, 1, k, rough.x.shape[-1])
    z = theta.new_zeros(b, 1, k, rough.x.shape[1])
    if hint is not None:
        hint = hint.to(theta).expand_as(theta)
        said = mean.outputs(hint)
        better = mean.value(hint, said) < math.log(max(2, k))
        theta, z = torch.where(better, hint, theta), torch.where(better, said, z)
    inverse, size = _inverse(mean, z, mean.l2, memory if m == 1 else None)
    if m > 1:
        theta, z, _ = _descend(mean, theta, z, inverse, memory, 1e-3 * size, 20)
        inverse, size = _inverse(mean, z, rough.l2, None)
        memory.clear()
    enough = tol if problem.x.dtype == torch.float32 else max(tol, ROUGH * size)

    @torch.no_grad()  # said here, since each thread has its own setting
    def lead(first: int) -> tuple[Tensor, Tensor]:
        at = slice(first, first + GROUP)
        parts = (problem, rough) if m <= GROUP else (problem.heads(at), rough.heads(at))
        own = memory if m == 1 else Memory(maxlen=MEMORY)
        return _lead(*parts, theta, z, partial(inverse, at=at), own, (enough, tol), max_steps)

    groups = range(0, m, GROUP)
    found = [*progress(map_(lead, groups), of="heads", total=len(groups), quiet=b > 1)]
    return torch.cat([theta for theta, _ in found], 1), torch.cat([g for _, g in found], 1)


def _lead(
    problem: Problem,
    rough: Problem,
    theta: Tensor,
    z: Tensor,
    inverse: Inversion,
    memory: Memory,
    tols: tuple[float, float],
    max_steps: int,
) -> tuple[Tensor, Tensor]:
    """From one start (b, 1, k, d + 1) per block to all heads' minima, roughly and then finely."""
    b, m, k, _ = rough.mass.shape
    theta, z = theta.expand(b, m, k, -1), z.expand(b, m, k, -1)
    for left in range(min(MOST, max_steps), 0, -10):
        theta, z, largest = _descend(rough, theta, z, inverse, memory, tols[0], min(10, left))
        if bool((largest <= tols[0]).all()):
            break
        if m == 1:  # alone on its features a head soon leaves the place of its first curvature
            inverse, _ = _inverse(rough, z, rough.l2, memory)
    if problem.x.dtype != torch.float32:
        theta = theta.to(problem.x.dtype)
        z, most = problem.outputs(theta), min(MOST, max_steps)
        theta, _, largest = _descend(problem, theta, z, inverse, memory, tols[1], most)
    return theta, largest


def _averaged(part: Problem) -> Problem:
    """One head in place of a block's m."""
    return replace(
        part, **{v: getattr(part, v).mean(1, keepdim=True) for v in ("mass", "share", "l2")}
    )


def _inverse(part: Problem, z: Tensor, l2: Tensor, alone: Memory | None) -> tuple[Inversion, float]:
    """The curvature of each block at z, inverted, for heads of penalties l2; the features' size.

    alone: the steps that heads without company remember, else None.
    """
    _, p, _ = part.slopes(z)
    spread = part.share * p * (1 - p)  # (b, 1, k, n)
    n, d = part.x.shape[1:]
    weight = spread.mean((1, 2))[..., None]  # (b, n, 1)
    alike = bool((l2 == l2[:, :1]).all())
    if n < d:
        diagonal = squares(part.x, weight)
        return _wide(part.x * weight.sqrt(), diagonal, l2, alike, alone), _size(diagonal)
    # A rare feature may miss all of the examples that tell the shape: the diagonal sees every one.
    some = slice(None, None, max(1, n // (PER_FEATURE * d)))
    x, few = part.x[:, some], weight[:, some]
    gram = (x * (few * weight.sum(1, keepdim=True) / few.sum(1, keepdim=True))).mT @ x
    diagonal = gram.diagonal(dim1=1, dim2=2)
    if x.shape[1] < n:
        diagonal.copy_(torch.maximum(diagonal, squares(part.x, weight)))
    size, floor = _size(diagonal), 1e-6 * diagonal.amax(-1, keepdim=True) + l2[:, 0, 0, :1]
    factor, wrong = torch.linalg.cholesky_ex(gram + torch.diag_embed(floor.expand(-1, d)))
    if bool(wrong.any()) or not alike:
        return Inverse(replace(part, l2=l2), spread), size
    inverse = torch.cholesky_inverse(factor)
    return lambda v, at=ALL: (v.flatten(1, 2) @ inverse).unflatten(1, v.shape[1:3]), size


def _wide(
    rows: Tensor, diagonal: Tensor, l2: Tensor, alike: bool, alone: Memory | None
) -> Inversion:
    """The inverse where features outnumber examples, by Woodbury.

    As many directions as examples have a curvature besides the penalty's.
    """
    trace, n = diagonal.sum(-1)[:, None, None, None], rows.shape[1]
    if alone is not None:
        # These directions would cost one head more than the steps that they save it.
        return lambda v, at=ALL: v * _latest(alone, 1 / (trace / n + l2[..., :1]))
    gram, floor = rows @ rows.mT, 1e-5 * trace + l2[..., :1]  # single precision resolves no less
    resisted = gram + torch.diag_embed(floor[:, 0, 0].expand(gram.shape[:2]))
    factor, wrong = torch.linalg.cholesky_ex(resisted)
    if alike and not bool(wrong.any()):
        core = torch.cholesky_inverse(factor)

        def inside(v: Tensor, at: slice) -> Tensor:
            return ((v.flatten(1, 2) @ rows.mT) @ core @ rows).unflatten(1, v.shape[1:3])

    else:
        values, vectors = torch.linalg.eigh(gram)
        across, stiff = vectors.mT @ rows, values.clamp_min(0)[:, None, None] + floor

        def inside(v: Tensor, at: slice) -> Tensor:
            along = (v.flatten(1, 2) @ across.mT).unflatten(1, v.shape[1:3]) / stiff[:, at]
            return (along.flatten(1, 2) @ across).unflatten(1, v.shape[1:3])

    return lambda v, at=ALL: (v - inside(v, at)) / floor[:, at]


def squares(x: Tensor, weight: Tensor) -> Tensor:
    """Weighted squares of each feature, summed over examples: (b, d). Squares a part at a time."""
    parts = zip(x.split(rows := max(1, PART // x.shape[-1]), 1), weight.split(rows, 1), strict=True)
    return sum((w.mT @ x.square() for x, w in parts), x.new_zeros(()))[:, 0]


def _size(diagonal: Tensor) -> float:
    check_scale(diagonal)
    return float((diagonal.amax(-1) / diagonal[:, -1].clamp_min(1e-30)).amax().sqrt())


def _latest(memory: Memory, first: Tensor) -> Tensor:
    """The inverse of the curvature that the latest step met, before any step `first`."""
    if not memory:
        return first
    step, bend, weight = memory[-1]
    return torch.where(weight > 0, dot(step, bend) / dot(bend, bend), first)


def _descend(
    problem: Problem,
    theta: Tensor,
    z: Tensor,
    inverse: Inversion,
    memory: Memory,
    tol: float,
    max_steps: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """L-BFGS from theta, which gives z; heads that are solved move on with the others."""
    slope, _, _ = problem.slopes(z)
    gradient = problem.pull(slope) + problem.l2 * theta
    for _ in range(max_steps):
        if float(gradient.abs().amax()) <= tol:
            break
        direction = -_two_loops(gradient.float(), inverse, memory).to(theta.dtype)
        change = problem.outputs(direction)
        length, slope = _length(problem, theta, z, gradient, direction, change)
        step = length * direction
        theta, z = theta + step, torch.addcmul(z, length, change)
        new = problem.pull(slope) + problem.l2 * theta
        step, bend = step.float(), (new - gradient).float()
        along = dot(step, bend)
        # Heads that are solved make steps so small that their squares vanish in single precision.
        least = 1e-6 * dot(step, step).sqrt() * dot(bend, bend).sqrt()
        trusted = along > least.clamp_min(LEAST)
        memory.append((step, bend, torch.where(trusted, 1 / along, 0.0)))
        gradient = new
    return theta, z, gradient.abs().amax((2, 3))


def _two_loops(v: Tensor, inverse: Inversion, memory: Memory) -> Tensor:
    """The inverse curvature that memory has corrected, times v."""
    taken = []
    for step, bend, weight in reversed(memory):
        taken.append(weight * dot(step, v))
        v = torch.addcmul(v, taken[-1], bend, value=-1)
    v = inverse(v)
    for step, bend, weight in memory:
        v = torch.addcmul(v, taken.pop() - weight * dot(bend, v), step)
    return v


def _length(
    problem: Problem, theta: Tensor, z: Tensor, gradient: Tensor, direction: Tensor, change: Tensor
) -> tuple[Tensor, Tensor]:
    """Step lengths (b, m, 1, 1), and the slope there in z.

    From 1 shorter, until the loss no longer rises along the direction by more than half of what it
    fell at the start. A convex loss has then fallen, or nearly so, and no loss need be computed.
    """
    fell = dot(gradient, direction)
    length = torch.ones_like(fell)
    for _ in range(12):
        slope, _, _ = problem.slopes(torch.addcmul(z, length, change))
        rises = dot(slope, change) + dot(problem.l2 * (theta + length * direction), direction)
        too_far = rises > 0.5 * fell.abs()
        if not bool(too_far.any()):
            break
        length = torch.where(too_far, length * (fell / (fell - rises)).clamp(0.1, 0.7), length)
    return length, slope
