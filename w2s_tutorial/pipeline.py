"""Weak-to-strong, end to end: four fits, one outcome."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal

import torch
from torch import Tensor

from w2s_tutorial.heads.linear import Heads
from w2s_tutorial.sample import Sample, join
from w2s_tutorial.seeds import Seed, generator_of

Fit = Callable[[Tensor, Tensor], Heads]


@dataclass(frozen=True)
class Outcome:
    """The four fitted roles. `weak` reads the weak features, the others the strong ones."""

    weak: Heads
    student: Heads
    baseline: Heads
    ceiling: Heads

    def outputs(self, sample: Sample) -> dict[str, Tensor]:
        """Role -> outputs (h, n, c) on a sample, each on its own view."""
        views = {"weak": sample.weak}
        return {
            role.name: getattr(self, role.name)(views.get(role.name, sample.strong))
            for role in fields(self)
        }


def hard(output: Tensor) -> Tensor:
    """Pseudolabels that keep only the largest output: one-hot (h, n, c)."""
    return torch.nn.functional.one_hot(output.argmax(-1), output.shape[-1]).to(output.dtype)


def soft(output: Tensor) -> Tensor:
    """Pseudolabels that keep the teacher's doubt: softmax probabilities (h, n, c)."""
    return output.softmax(-1)


def random_mistakes(target: Tensor, rate: Tensor, *, seed: Seed) -> Tensor:
    """True labels with mistakes thrown in by dice: the control for a teacher's mistakes.

    A teacher that errs equally often, but in a way its student can see, teaches worse than dice.

    Args:
        target: (h, n, c) one-hot true labels.
        rate: (h,) share of examples to mislabel, in [0, 1]; round(rate * n) of them are.
        seed: integer or generator, consumed for which examples, and for the wrong class of each.

    Returns:
        (h, n, c) one-hot labels.

    Raises:
        ValueError: if a rate leaves [0, 1], or target and rate differ in heads.
    """
    generator = generator_of(seed)
    h, n, c = target.shape
    if rate.shape != (h,):
        raise ValueError(f"rate must hold target's {h} heads, got shape {tuple(rate.shape)}")
    if not ((rate >= 0) & (rate <= 1)).all():
        raise ValueError(f"rate must lie in [0, 1], got {rate.min():g} to {rate.max():g}")
    order = torch.rand(h, n, generator=generator).argsort(-1).to(target.device)
    wrong = order < (rate * n).round()[:, None]
    shift = torch.randint(1, c, (h, n), generator=generator).to(target.device)
    label = target.argmax(-1)
    label = torch.where(wrong, (label + shift) % c, label)
    return torch.nn.functional.one_hot(label, c).to(target.dtype)


def weak_to_strong(
    labeled: Sample,
    pool: Sample,
    *,
    fit: Fit,
    pseudo_label: Callable[[Tensor], Tensor],
    ceiling_on: Literal["pool", "pool and labeled"] = "pool",
) -> Outcome:
    """Fit all four roles.

    weak: weak features of the labelled set, true labels. student: strong features of the pool,
    labels from `weak`. baseline: strong features of the labelled set, true labels. ceiling:
    strong features, true labels, of the data that `ceiling_on` names.

    Args:
        labeled: examples whose targets the weak model and the baseline learn from.
        pool: examples whose targets only the ceiling sees.
        fit: features (n, d) or (h, n, d) and targets (h, n, c) -> Heads.
        pseudo_label: weak outputs on the pool (h, n, c) -> the student's targets; `hard`,
            `soft`, or the identity for regression.
        ceiling_on: published code differs here, so it is said each time. "pool" gives student and
            ceiling the same examples; "pool and labeled" gives the ceiling all there are.

    Raises:
        ValueError: if ceiling_on is none of the two, or the samples disagree in width or heads.
    """
    if ceiling_on not in ("pool", "pool and labeled"):
        raise ValueError(f'ceiling_on must be "pool" or "pool and labeled", got {ceiling_on!r}')
    if labeled.target.shape[-1] != pool.target.shape[-1]:
        widths = f"{labeled.target.shape[-1]} and {pool.target.shape[-1]}"
        raise ValueError(f"labeled and pool must have the same outputs, got {widths}")
    seen = pool if ceiling_on == "pool" else join(pool, labeled)
    weak = fit(labeled.weak, labeled.target)
    return Outcome(
        weak=weak,
        student=fit(pool.strong, pseudo_label(weak(pool.weak))),
        baseline=fit(labeled.strong, labeled.target),
        ceiling=fit(seen.strong, seen.target),
    )
