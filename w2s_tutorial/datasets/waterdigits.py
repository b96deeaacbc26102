"""Waterdigits: real digits over real photographs, small enough to need no download.

A digit image (one of the 1,797 that come with scikit-learn, 8 x 8 pixels) is enlarged and laid
over a patch of one of scikit-learn's two sample photographs. The label, odd or even, comes from
the digit; the photograph is the spurious attribute: as in Waterbirds, group = 2 * label +
photograph, and in the minority (groups 1 and 2) the two disagree. Every digit exists over both
photographs, so that any minority share can be had exactly, by choosing.

    composites = waterdigits.compose(generator=generator)
    weak, strong = waterdigits.backbone("distracted"), waterdigits.backbone("strong")
    labeled, pool, test = waterdigits.draw(
        composites, weak(composites.images), strong(composites.images),
        sizes=(100, 400, 400), minority=(0.25, 0.25, 0.5), heads=64, generator=generator,
    )

No backbone has seen any of these digits, or any of these parts of the photographs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from w2s_tutorial.datasets.digit_backbones import BACKBONES, Backbone, backbone
from w2s_tutorial.datasets.digit_scenes import digit_images, lay_over, place
from w2s_tutorial.sample import Sample
from w2s_tutorial.seeds import Seed, generator_of

__all__ = ["BACKBONES", "Backbone", "Choice", "Composites", "backbone", "choose", "compose", "draw"]

PRETRAINING = slice(0, 386)  # a change of hand, no writer is on both sides: data/waterdigits
DOWNSTREAM = slice(386, 1797)


@dataclass(frozen=True)
class Composites:
    """n digits, each over both photographs.

    Attributes:
        images: (n, 2, 3, 16, 16) in [0, 1]; [:, 0] over china.jpg, [:, 1] over flower.jpg.
        digit: (n,) int64, 0..9.
    """

    images: Tensor
    digit: Tensor

    @property
    def label(self) -> Tensor:
        """(n,) int64: 0 even, 1 odd."""
        return self.digit % 2

    def __len__(self) -> int:
        return len(self.digit)


class Labeled(Protocol):
    """n examples, each there with both values of the spurious attribute."""

    @property
    def label(self) -> Tensor:
        """(n,) int64, 0 or 1."""

    def __len__(self) -> int: ...


@dataclass(frozen=True)
class Choice:
    """Which composites each head gets: `composites.images[choice.row, choice.photograph]`.

    Attributes:
        row: (h, n) int64, which digit of the composites.
        photograph: (h, n) int64, 0 china.jpg, 1 flower.jpg.
    """

    row: Tensor
    photograph: Tensor


def compose(*, seed: Seed) -> Composites:
    """All 1,411 digits that no backbone was trained on, each over a patch of both photographs.

    Args:
        seed: integer or generator, consumed for where each digit stands, and for the patches.
    """
    generator = generator_of(seed)
    digits, digit = digit_images()
    ink = place(digits[DOWNSTREAM], seed=generator)
    both = [
        lay_over(ink, torch.full((len(ink),), photograph), downstream=True, seed=generator)
        for photograph in (0, 1)
    ]
    return Composites(torch.stack(both, 1), digit[DOWNSTREAM])


def choose(
    label: Tensor,
    *,
    sizes: Sequence[int],
    minority: Sequence[float],
    heads: int,
    seed: Seed,
) -> tuple[Choice, ...]:
    """Split the digits anew for every head; parts of one head share no digit.

    Half of each part is even and half odd. Of its n examples round(minority * n) are composed
    so that photograph and label disagree, as many of either label (one more odd ones if need be).

    Args:
        label: (n,) of the composites.
        sizes: examples of each part: even numbers.
        minority: share of minority examples of each part, in [0, 1]. 0.5 makes the four groups
            equal where the size is a multiple of 4.
        heads: number of heads.
        seed: integer or generator, consumed for the split and for the order of the examples.

    Raises:
        ValueError: if a size is odd or below 2, there are too few digits, a share leaves [0, 1],
            sizes is empty or minority has another length, or heads is below 1.
    """
    generator = generator_of(seed)
    rows = [(label == value).nonzero().flatten() for value in (0, 1)]
    if not sizes:
        raise ValueError("sizes must list at least 1 part, got 0")
    if len(sizes) != len(minority):
        raise ValueError(f"minority must list {len(sizes)} shares, got {len(minority)}")
    if any(n < 2 or n % 2 for n in sizes):
        raise ValueError(f"sizes must be even and at least 2, got {tuple(sizes)}")
    if not all(0 <= share <= 1 for share in minority):
        raise ValueError(f"minority must lie in [0, 1], got {tuple(minority)}")
    if (most := 2 * min(map(len, rows))) < sum(sizes):
        raise ValueError(f"sizes must sum to at most {most}, got {sum(sizes)}")
    if heads < 1:
        raise ValueError(f"heads must be at least 1, got {heads}")
    shuffled = [row[_orders(heads, len(row), generator)] for row in rows]
    parts, used = [], 0
    for n, share in zip(sizes, minority, strict=True):
        few = round(share * n)
        disagree = [torch.arange(n // 2) < count for count in (few // 2, few - few // 2)]
        photograph = torch.cat([disagree[0], ~disagree[1]]).long().expand(heads, n)
        row = torch.cat([order[:, used : used + n // 2] for order in shuffled], 1)
        order = _orders(heads, n, generator)  # so that a slice of a part is a random subset
        parts.append(Choice(row.gather(1, order), photograph.gather(1, order)))
        used += n // 2
    return tuple(parts)


def draw(
    composites: Labeled,
    weak: Tensor,
    strong: Tensor,
    *,
    sizes: Sequence[int],
    minority: Sequence[float],
    heads: int,
    seed: Seed,
) -> tuple[Sample, ...]:
    """Labelled set, pool, test set, or any other parts: a new split of the digits for every head.

    Args:
        composites: n digits, or any n examples that have both values of the attribute.
        weak: (n, 2, d_weak) features of composites.images.
        strong: (n, 2, d_strong).
        sizes, minority, heads, seed: see `choose`.

    Returns:
        One Sample per size, each with the h axis in all its parts.
    """
    generator = generator_of(seed)
    if weak.shape[:2] != (len(composites), 2) or strong.shape[:2] != (len(composites), 2):
        came = f"got {tuple(weak.shape)} and {tuple(strong.shape)}"
        raise ValueError(f"weak and strong must be ({len(composites)}, 2, d), {came}")
    label = composites.label
    chosen = choose(label, sizes=sizes, minority=minority, heads=heads, seed=generator)
    return tuple(
        Sample(
            weak[choice.row, choice.photograph],
            strong[choice.row, choice.photograph],
            one_hot(label[choice.row], 2).to(strong.dtype),
            2 * label[choice.row] + choice.photograph,
        )
        for choice in chosen
    )


def _orders(heads: int, n: int, generator: torch.Generator) -> Tensor:
    return torch.rand(heads, n, generator=generator, dtype=torch.float64).argsort(-1)
