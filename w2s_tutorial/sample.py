"""Examples seen through two frozen backbones, with the group each one belongs to.

In the shapes below h counts heads (independent runs), n examples, d features, c outputs.
A tensor without the h axis is shared by every head.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from w2s_tutorial.seeds import Seed, generator_of


@dataclass(frozen=True)
class Sample:
    """n examples: two views, targets, groups.

    Attributes:
        weak: (n, d_weak) or (h, n, d_weak), features of the weak backbone.
        strong: (n, d_strong) or (h, n, d_strong), features of the strong backbone.
        target: (h, n, c), one-hot labels, or real values with c = 1. h = 1 when all heads
            share one label set.
        group: (n,) or (h, n) integers, 0..g-1.

    Raises:
        ValueError: if lengths or numbers of heads disagree, nothing is left, a value is not
            finite, or a group is negative.
    """

    weak: Tensor
    strong: Tensor
    target: Tensor
    group: Tensor

    def __post_init__(self) -> None:
        if self.target.dim() != 3:
            raise ValueError(f"target must be (h, n, c), got shape {tuple(self.target.shape)}")
        h, n, _ = self.target.shape
        if n == 0:
            raise ValueError("a sample needs at least 1 example, got 0")
        for name, value, own in (("weak", self.weak, 2), ("strong", self.strong, 2)):
            if value.dim() not in (own, own + 1) or value.shape[-2] != n:
                raise ValueError(f"{name} must list {n} examples, got shape {tuple(value.shape)}")
        if self.group.dim() not in (1, 2) or self.group.shape[-1] != n:
            raise ValueError(f"group must list {n} examples, got shape {tuple(self.group.shape)}")
        heads = {len(v) for v in (self.weak, self.strong) if v.dim() == 3}
        heads |= {len(self.group)} if self.group.dim() == 2 else set()
        heads |= {h} if h > 1 else set()
        if len(heads) > 1:
            raise ValueError(f"all parts must have the same number of heads, got {sorted(heads)}")
        for name in ("weak", "strong", "target"):
            if not getattr(self, name).isfinite().all():
                raise ValueError(f"{name} must be finite, got NaN or infinity")
        if self.group.is_floating_point() or int(self.group.min()) < 0:
            raise ValueError("group must hold integers of at least 0")

    def __len__(self) -> int:
        return self.target.shape[1]

    def __getitem__(self, examples: slice | Tensor) -> Sample:
        """The examples named by a slice, an index tensor (m,) or a mask (n,), for every head."""
        return Sample(
            self.weak[..., examples, :],
            self.strong[..., examples, :],
            self.target[..., examples, :],
            self.group[..., examples],
        )

    def to(self, device: torch.device | str) -> Sample:
        """The same sample on another device."""
        parts = (self.weak, self.strong, self.target, self.group)
        return Sample(*(part.to(device) for part in parts))


def _with_heads(part: Tensor, own: int, heads: int) -> Tensor:
    return part.expand(heads, *part.shape[-own:]) if heads else part


def join(*samples: Sample) -> Sample:
    """All examples of several samples, one after the other.

    A part that is shared in one sample and per head in another becomes per head in the result.

    Raises:
        ValueError: if no sample is given, or their widths or numbers of heads disagree.
    """
    if not samples:
        raise ValueError("join needs at least 1 sample, got 0")
    parts = []
    for name, own in (("weak", 2), ("strong", 2), ("target", 2), ("group", 1)):
        values = [getattr(sample, name) for sample in samples]
        if own == 2 and len({value.shape[-1] for value in values}) > 1:
            widths = [value.shape[-1] for value in values]
            raise ValueError(f"samples to join must agree in the width of {name}, got {widths}")
        counts = {len(value) for value in values if value.dim() > own} - {1}
        if len(counts) > 1:
            raise ValueError(f"samples to join must agree in heads, got {sorted(counts)}")
        per_head = any(value.dim() > own for value in values)
        heads = max(counts, default=1) if per_head else 0
        parts.append(torch.cat([_with_heads(v, own, heads) for v in values], dim=-own))
    return Sample(*parts)


def with_minority(
    sample: Sample, fraction: float, n: int, *, minority: Sequence[int], seed: Seed
) -> Sample:
    """n of the examples, drawn without replacement, of which a set share is of minority groups.

    The number of minority examples is round(fraction * n) exactly. Within the minority, and
    within the rest, examples are drawn at random, the same ones for every head.

    Args:
        sample: with one group list (n,) for all heads.
        fraction: share of minority examples (eta), in [0, 1].
        n: number of examples to draw.
        minority: the groups that count as minority.
        seed: integer or generator, consumed for the draw.

    Raises:
        ValueError: if fraction leaves [0, 1], n is below 1, groups differ between heads, or the
            sample has too few examples of one kind (the message says how many there are).
    """
    generator = generator_of(seed)
    if not 0.0 <= fraction <= 1.0:
        raise ValueError(f"fraction must lie in [0, 1], got {fraction}")
    if n < 1:
        raise ValueError(f"n must be at least 1, got {n}")
    if sample.group.dim() != 1:
        raise ValueError("with_minority needs one group list (n,) for all heads, got one per head")
    is_minority = torch.isin(sample.group, sample.group.new_tensor(list(minority)))
    few = round(fraction * n)
    chosen = []
    for kind, mask, count in (("minority", is_minority, few), ("other", ~is_minority, n - few)):
        there = mask.nonzero().flatten()
        if count > len(there):
            raise ValueError(f"{count} {kind} examples are asked for, the sample has {len(there)}")
        order = torch.randperm(len(there), generator=generator).to(there.device)
        chosen.append(there[order[:count]])
    drawn = torch.cat(chosen)
    return sample[drawn[torch.randperm(n, generator=generator).to(drawn.device)]]
