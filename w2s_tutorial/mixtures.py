"""Several teachers, one student: which mixture of what they say should it learn?

    said = torch.stack([teacher(view).softmax(-1) for teacher, view in zip(teachers, views)])
    taught = learn(pool.strong, said, closest(cap=0.6), steps=600, lr=0.03, l2=0.01, batch=60)
    taught.heads, taught.weight  # the students, and how much each teacher counted at each step

A rule sees the student and its teachers and says how much each of them counts. It sees no label.
Cross-entropy is linear in its target, so that to mix losses is to mix what the teachers say. In
the shapes below m counts teachers, h heads, n examples, c classes, d features.

`closest` is AE-KD: Du, You, Li, Wu, Wang, Qian, Zhang: "Agree to disagree", NeurIPS 2020, and
`followed` is RAVEN: Jeon, Sobotka, Choi, Brbić: "Weak-to-strong generalization under distribution
shifts", NeurIPS 2025, arXiv 2510.21332.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Literal

import torch
from torch import Tensor

from w2s_tutorial.heads import Heads

Rule = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Log-probabilities of the student (h, n, c), what teachers say (m, h, n, c), and the weights so
far (h, n, m) or (h, 1, m) -> new weights of either shape, which sum to 1 over teachers."""

_RIDGE = 1e-9


@dataclass(frozen=True)
class Taught:
    """Students, and what their teachers counted.

    Attributes:
        heads: h students.
        weight: (steps, h, m), the mean over the batch's examples of each teacher's weight.
    """

    heads: Heads
    weight: Tensor


def smallest_mixture(gram: Tensor, *, cap: float = 1.0) -> Tensor:
    """Weights a that minimise a @ gram @ a over sum a = 1, 0 <= a <= cap: (..., m).

    Exact, by enumeration: at the minimum each weight is 0, at the cap, or free, and given which,
    the free ones solve linear equations. Where several mixtures are as small, the most even one.

    Args:
        gram: (..., m, m) inner products of m vectors, m at most 6; computed in float64.
        cap: at least 1 / m, where all weights are equal, and at most 1.

    Raises:
        ValueError: if gram is not square or finite, m exceeds 6, or the cap leaves its range.
    """
    m = gram.shape[-1]
    if gram.dim() < 2 or gram.shape[-2] != m or not 1 <= m <= 6:
        raise ValueError(f"gram must be (..., m, m) with m from 1 to 6, got {tuple(gram.shape)}")
    if not gram.isfinite().all():
        raise ValueError("gram must be finite, got NaN or infinity")
    if not 1 / m - 1e-12 <= cap <= 1:
        raise ValueError(f"cap must lie in [1/{m}, 1], got {cap}")
    fixed, value = _patterns(m, cap, gram.device)
    size = gram.diagonal(dim1=-2, dim2=-1).mean(-1)[..., None, None]
    one = torch.eye(m, dtype=torch.float64, device=gram.device)
    # The ridge makes the minimum unique: of equally small mixtures it takes the most even one.
    scaled = gram.double() / torch.where(size > 0, size, 1).double() + _RIDGE * one
    rows = torch.where(fixed[..., None], one, scaled[..., None, :, :])
    # The last unknown is the multiplier of sum a = 1; where no weight is free there is none.
    free = (~fixed).double()
    lone = fixed.all(-1).double()
    column = free[..., None].expand(*rows.shape[:-1], 1)
    last = torch.cat([(1 - lone)[:, None].expand_as(free), lone[:, None]], -1)
    system = torch.cat(
        [torch.cat([rows, column], -1), last[:, None].expand(*rows.shape[:-2], 1, m + 1)], -2
    )
    right = torch.cat([value, 1 - lone[:, None]], -1)
    found = torch.linalg.solve(system, right.expand(system.shape[:-1])[..., None])[..., :m, 0]
    feasible = ((found > -1e-9) & (found < cap + 1e-9)).all(-1)
    height = (found * (scaled[..., None, :, :] @ found[..., None])[..., 0]).sum(-1)
    best = torch.where(feasible, height, torch.inf).argmin(-1)
    weight = found.take_along_dim(best[..., None, None], -2)[..., 0, :].clamp(0, cap)
    return weight / weight.sum(-1, keepdim=True)


def _patterns(m: int, cap: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """Which weights may be fixed (s, m), and at what: 0 or the cap."""
    kept = []
    for pattern in product((0.0, cap, None), repeat=m):
        at = sum(v for v in pattern if v is not None)
        free = pattern.count(None)
        if (free and at <= 1 and at + free * cap >= 1 - 1e-12) or (not free and abs(at - 1) < 1e-9):
            kept.append(pattern)
    fixed = [[v is not None for v in pattern] for pattern in kept]
    value = [[v or 0.0 for v in pattern] for pattern in kept]
    return (
        torch.tensor(fixed, device=device),
        torch.tensor(value, dtype=torch.float64, device=device),
    )


def closest(*, cap: float, per: Literal["mean", "batch", "example"] = "mean") -> Rule:
    """AE-KD: the mixture of the teachers' gradients, each weight up to the cap, of least norm.

    The gradient of teacher i's cross-entropy in the student's logits is the student's answer less
    the teacher's. So the mixture is the one closest to what the student says already.

    Args:
        cap: C of the paper: 1 / m averages, 1 leaves the minimum norm alone.
        per: "mean" takes the norm of the batch's mean gradient, as the released code does;
            "batch" that of all its examples' gradients; "example" one mixture for each example.

    Raises:
        ValueError: if per is none of these; when used, if the cap leaves [1 / m, 1].
    """
    if per not in ("mean", "batch", "example"):
        raise ValueError(f'per must be "mean", "batch" or "example", got {per!r}')

    def rule(log_p: Tensor, said: Tensor, weight: Tensor) -> Tensor:
        gradient = (log_p.exp() - said).movedim(0, -2)  # (h, n, m, c)
        if per == "mean":
            gradient = gradient.mean(1, keepdim=True)
        elif per == "batch":
            gradient = gradient.transpose(1, 2).flatten(2)[:, None]
        return smallest_mixture(gradient @ gradient.mT, cap=cap).to(log_p)

    return rule


def followed(*, lr: float) -> Rule:
    """RAVEN: weights go downhill on the student's loss, then back to the simplex.

    The slope in a teacher's weight is the student's cross-entropy to that teacher, less that to
    the mixture: whom the student finds easy to follow gains.

    Args:
        lr: step size of the weights, above 0.

    Raises:
        ValueError: if lr is not above 0.
    """
    if not lr > 0:
        raise ValueError(f"lr must exceed 0, got {lr}")

    def rule(log_p: Tensor, said: Tensor, weight: Tensor) -> Tensor:
        each = -(said * log_p).sum(-1).mean(-1).T[:, None]  # (h, 1, m)
        slope = each - (weight * each).sum(-1, keepdim=True)
        moved = (weight - lr * slope).clamp_min(1e-6)
        return moved / moved.sum(-1, keepdim=True)

    return rule


def learn(
    x: Tensor,
    said: Tensor,
    rule: Rule | None,
    *,
    steps: int,
    lr: float,
    l2: float,
    batch: int,
    easy: float = 0.0,
) -> Taught:
    """Fit h students by Adam to a mixture of teachers that a rule renews at every step.

    Batches are slices of the pool, one after the other. The step size falls to 0 by a cosine.

    Args:
        x: (h, n, d) features of the students' pool, in an order left to chance.
        said: (m, h, n, c) probabilities.
        rule: see `closest` and `followed`. None leaves all weights equal.
        steps: of Adam, at least 1.
        lr: its step size at the start.
        l2: adds l2 / 2 * |weight|^2 to each student's loss, at least 0; of two classes, as in
            `heads.fit_logistic`, the weight is the difference of their columns.
        batch: examples of a step, at least 1.
        easy: share of the steps, from the start, that only learn from examples on which all
            teachers name the same class, and leave the weights alone.

    Raises:
        ValueError: if shapes disagree, a number leaves its range, or teachers do not say
            probabilities.
    """
    if x.dim() != 3 or said.dim() != 4 or said.shape[1:3] != x.shape[:2]:
        shapes = tuple(x.shape), tuple(said.shape)
        raise ValueError(f"x must be (h, n, d) and said (m, h, n, c), got {shapes}")
    sums = said.sum(-1)
    if not ((said >= 0).all() and torch.allclose(sums, torch.ones_like(sums), atol=1e-4)):
        raise ValueError("said must hold probabilities, at least 0 and summing to 1")
    for name, value, least in (("steps", steps, 1), ("batch", batch, 1), ("l2", l2, 0)):
        if not value >= least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    if not (lr > 0 and 0 <= easy <= 1):
        raise ValueError(f"lr must exceed 0 and easy lie in [0, 1], got {lr} and {easy}")
    m, h, n, c = said.shape
    parameters = x.new_zeros(h, x.shape[-1], c), x.new_zeros(h, 1, c)
    optimizer = torch.optim.Adam(parameters, lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    pull = 2 * l2 if c == 2 else l2  # the columns of two classes are opposite from the start
    weight = x.new_full((h, 1, m), 1 / m)
    course = x.new_empty(steps, h, m)
    agree = (said.argmax(-1) == said[0].argmax(-1)).all(0)  # (h, n)
    for step in range(steps):
        at = slice(start := step * batch % n, start + batch)
        seen, told = x[:, at], said[:, :, at]
        log_p = (seen @ parameters[0] + parameters[1]).log_softmax(-1)
        early = step < easy * steps
        if rule is not None and not early:
            weight = rule(log_p, told, weight)
        target = (weight[..., None] * told.movedim(0, -2)).sum(-2)
        slope = (log_p.exp() - target) / seen.shape[1]
        if early:
            slope = slope * agree[:, at, None]
        parameters[0].grad = seen.mT @ slope + pull * parameters[0]
        parameters[1].grad = slope.sum(1, keepdim=True)
        optimizer.step()
        schedule.step()
        course[step] = weight.mean(1)
    return Taught(Heads(*parameters), course)
