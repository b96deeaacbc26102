"""Which images Dominoes is made of: a digit of MNIST above a garment of Fashion-MNIST.

Downstream, coat or dress is the label and the digit, 0 or 1, the spurious attribute. What
pre-training may see is set apart. Used by make.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from w2s_tutorial.datasets.frozen import PARTS
from w2s_tutorial.datasets.public import fashion_mnist, mnist

SEED = 0
CLASSES = (4, 3)  # coat, dress
DIGITS_FOR_PRETRAINING = 600  # of each class, the first in MNIST's order


class Source(NamedTuple):
    """Images uint8 (n, 1, 28, 28) and labels of both sets' official training images."""

    garments: Tensor
    garment: Tensor
    digits: Tensor
    digit: Tensor


def source() -> Source:
    parts = [*fashion_mnist("train"), *mnist("train")]
    garments, garment, digits, digit = parts
    return Source(_bytes(garments), garment, _bytes(digits), digit)


def reserved(data: Source) -> tuple[Tensor, Tensor]:
    """Rows for pre-training: garments of the eight other classes, some digits of each class."""
    garments = (~torch.isin(data.garment, torch.tensor(CLASSES))).nonzero().flatten()
    digits = [
        (data.digit == value).nonzero().flatten()[:DIGITS_FOR_PRETRAINING] for value in range(10)
    ]
    return garments, torch.cat(digits)


def _bytes(images: Tensor) -> Tensor:
    return (images * 255).round().byte()


class Deal(NamedTuple):
    """Who is downstream: n garments, each with a digit of either kind.

    garment (n,) and digit (n, 2) are rows of the sources; label and part are (n,).
    """

    garment: Tensor
    digit: Tensor
    label: Tensor
    part: Tensor


def deal(data: Source, sizes: Mapping[str, int]) -> Deal:
    """Garments and digits for each part; none is in two parts or in pre-training.

    A 0 and a 1 stand above one coat and one dress each, so which image of a digit it is says
    nothing about the label.
    """
    generator = torch.Generator().manual_seed(SEED)
    pairs = sum(sizes.values()) // 2
    _, taken = reserved(data)
    free = torch.ones(len(data.digit), dtype=torch.bool).index_fill(0, taken, value=False)
    garments = [_some(data.garment == kind, pairs, generator) for kind in CLASSES]
    digits = [_some((data.digit == value) & free, pairs, generator) for value in (0, 1)]
    counts = torch.tensor([sizes[part] // 2 for part in PARTS])
    return Deal(
        torch.stack(garments, 1).flatten(),
        torch.stack(digits, 1).repeat_interleave(2, 0),
        torch.arange(2).repeat(pairs),
        torch.arange(len(PARTS)).repeat_interleave(2 * counts),
    )


def _some(mask: Tensor, n: int, generator: torch.Generator) -> Tensor:
    rows = mask.nonzero().flatten()
    return rows[torch.randperm(len(rows), generator=generator)[:n]]


def compose(data: Source, chosen: Deal) -> Tensor:
    """(n, 2, 1, 56, 28) uint8: [:, a] with digit a above the garment."""
    garments = data.garments[chosen.garment][:, None].expand(-1, 2, -1, -1, -1)
    return torch.cat([data.digits[chosen.digit], garments], dim=-2)
