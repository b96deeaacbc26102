"""Frozen features of a real data set with groups: each example is there once, as it was found.

Where `frozen.FrozenFeatures` shows every example with both values of the spurious attribute, a
photograph of Waterbirds has the background that it has. A minority share is then had by choosing
examples, and only as long as there are enough of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from w2s_tutorial.datasets.frozen import PARTS
from w2s_tutorial.datasets.imbalance import check_asked
from w2s_tutorial.sample import Sample
from w2s_tutorial.seeds import Seed, generator_of


@dataclass(frozen=True)
class GroupedFeatures:
    """n examples as several frozen backbones see them.

    Attributes:
        features: backbone -> (n, d).
        label: (n,) int64, 0 or 1.
        attribute: (n,) int64, 0 or 1; where it differs from the label is the minority.
        part: (n,) int64, which of `frozen.PARTS` the example belongs to.

    Raises:
        ValueError: if lengths disagree, no backbone is given, or a label or attribute is neither
            0 nor 1.
    """

    features: Mapping[str, Tensor]
    label: Tensor
    attribute: Tensor
    part: Tensor

    def __post_init__(self) -> None:
        n = len(self.label)
        if not self.features:
            raise ValueError("features must name at least 1 backbone, got 0")
        lengths = [len(v) for v in (*self.features.values(), self.attribute, self.part)]
        if n == 0 or any(length != n for length in lengths):
            raise ValueError(f"all parts must list label's {n} > 0 examples, got {lengths}")
        for name in ("label", "attribute"):
            if not torch.isin(getattr(self, name), torch.tensor([0, 1])).all():
                raise ValueError(f"{name} must be 0 or 1, got {getattr(self, name).unique()}")

    @property
    def group(self) -> Tensor:
        """(n,) int64: 2 * label + attribute."""
        return 2 * self.label + self.attribute

    def __len__(self) -> int:
        return len(self.label)


def deal(group: Tensor, *, labeled: float, seed: Seed) -> Tensor:
    """Split examples into labelled set and pool, each group by itself: parts (n,) int64.

    Args:
        group: (n,).
        labeled: share of each group that goes to the labelled set, in (0, 1); rounded.
        seed: integer or generator, consumed.

    Raises:
        ValueError: if labeled leaves (0, 1).
    """
    generator = generator_of(seed)
    if not 0 < labeled < 1:
        raise ValueError(f"labeled must lie in (0, 1), got {labeled}")
    part = torch.full_like(group, PARTS.index("pool"))
    for kind in group.unique():
        rows = (group == kind).nonzero().flatten()
        order = torch.randperm(len(rows), generator=generator)
        part[rows[order[: round(labeled * len(rows))]]] = PARTS.index("labeled")
    return part


def draw(
    seen: GroupedFeatures,
    weak: str,
    strong: str,
    *,
    sizes: Mapping[str, int],
    minority: Mapping[str, float],
    heads: int,
    seed: Seed,
) -> dict[str, Sample]:
    """Examples of each part, drawn anew for every head, with an exact minority share.

    As `frozen.draw`, but labels are as frequent as they are within minority and majority.

    Args:
        weak, strong: names of the backbones.
        sizes: part -> examples in it.
        minority: part -> share of minority examples, in [0, 1]; round(share * n) of them.
        heads: number of heads.
        seed: integer or generator, consumed; equally seeded, another share exchanges as few
            examples as it can.

    Returns:
        One Sample for each part in sizes, each with the h axis in all its parts.

    Raises:
        ValueError: if a backbone or part is unknown, sizes and minority name different parts, or
            a part has too few examples of a kind (the message says how many there are).
    """
    generator = generator_of(seed)
    check_asked((weak, strong), seen.features, sizes, minority)
    samples = {}
    for part, n in sizes.items():
        if part not in PARTS:
            raise ValueError(f"part must be one of {', '.join(PARTS)}, got {part!r}")
        if n < 1 or heads < 1 or not 0 <= minority[part] <= 1:
            came = f"got {n}, {heads} and {minority[part]}"
            raise ValueError(f"sizes and heads must be positive, minority in [0, 1], {came}")
        inside = seen.part == PARTS.index(part)
        odd_one = seen.label != seen.attribute
        few = round(minority[part] * n)
        kinds = {"minority": (odd_one, few), "majority": (~odd_one, n - few)}
        chosen = [
            _some((inside & kind).nonzero().flatten(), count, heads, f"{name} {part}", generator)
            for name, (kind, count) in kinds.items()
        ]
        rows = torch.cat(chosen, 1)
        samples[part] = Sample(
            seen.features[weak][rows],
            seen.features[strong][rows],
            one_hot(seen.label[rows], 2).to(seen.features[strong].dtype),
            seen.group[rows],
        )
    return samples


def _some(there: Tensor, n: int, heads: int, name: str, generator: torch.Generator) -> Tensor:
    """(heads, n) of the rows that are there, none twice within a head."""
    if n > len(there):
        raise ValueError(f"{n} {name} examples are asked for, there are {len(there)}")
    draws = torch.rand(heads, len(there), generator=generator, dtype=torch.float64)
    return there[draws.argsort(-1)[:, :n]]
