"""What five kinds of frozen backbones see of Dominoes and of waterdigits, ready for heads.

Each example shows its label beside either value of the spurious attribute (a coat below a 0, the
same coat below a 1), so that any minority share can be had exactly, by choosing. No image is in
two parts, and none was used to train a backbone. How the files were made stands beside them, in
data/dominoes and data/waterdigits.

    seen = dominoes_features()
    sets = draw(
        seen, "cnn", "convnext", sizes={"labeled": 400, "pool": 3000, "test": 2000},
        minority={"labeled": 0.05, "pool": 0.2, "test": 0.5}, heads=20, generator=generator,
    )
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from w2s_tutorial.datasets import waterdigits
from w2s_tutorial.datasets.imbalance import check_asked, check_names
from w2s_tutorial.sample import Sample
from w2s_tutorial.seeds import Seed, generator_of
from w2s_tutorial.storage import replacing

DATA = Path(__file__).parents[2] / "data"
PARTS = ("labeled", "pool", "validation", "test")
"""Names of the parts, in the order of their numbers."""
BACKBONES = ("cnn", "resnet", "resnet_reads", "simclr", "mae", "convnext")
"""The backbones of Dominoes; waterdigits has all but "resnet_reads"."""


@dataclass(frozen=True)
class FrozenFeatures:
    """n examples, each with both values of the attribute, as several backbones see them.

    Attributes:
        features: backbone -> (n, 2, d) float32; [:, a] is the example with attribute a. Centred
            on the pool, in the directions of largest variance there, largest first, and divided
            by one number, so that the variances over the pool sum to d.
        label: (n,) int64, 0 or 1.
        part: (n,) int64, which of PARTS the example belongs to.
    """

    features: Mapping[str, Tensor]
    label: Tensor
    part: Tensor

    def __len__(self) -> int:
        return len(self.label)

    def of(self, part: str) -> FrozenFeatures:
        """The examples of one part.

        Raises:
            ValueError: if there is no such part.
        """
        if part not in PARTS:
            raise ValueError(f"part must be one of {', '.join(PARTS)}, got {part!r}")
        rows = self.part == PARTS.index(part)
        views = {name: view[rows] for name, view in self.features.items()}
        return FrozenFeatures(views, self.label[rows], self.part[rows])


def dominoes_features(names: Sequence[str] = BACKBONES) -> FrozenFeatures:
    """Dominoes: coat (0) or dress (1) of Fashion-MNIST below a digit of MNIST, 0 or 1.

    10,400 garments: 2,000 labelled, 5,000 in the pool, 400 for validation, 3,000 in the test set.

    Args:
        names: backbones to read. "cnn" and "resnet_reads" were trained to read the digit beside
            the garment, "resnet" and "convnext" never had to; "simclr" and "mae" had no labels.

    Raises:
        ValueError: if a name is none of them.
    """
    return load(DATA / "dominoes" / "features.npz", names)


def waterdigits_features(
    names: Sequence[str] = ("cnn", "resnet", "simclr", "mae", "convnext"),
) -> FrozenFeatures:
    """Waterdigits through the same five kinds of networks: even (0) or odd (1) digits.

    1,396 digits over either photograph: 250 labelled, 690 in the pool, 56 for validation, 400 in
    the test set.

    Raises:
        ValueError: if a name is none of them.
    """
    return load(DATA / "waterdigits" / "five.npz", names)


def draw(
    seen: FrozenFeatures,
    weak: str,
    strong: str,
    *,
    sizes: Mapping[str, int],
    minority: Mapping[str, float],
    heads: int,
    seed: Seed,
) -> dict[str, Sample]:
    """Examples of each part, drawn anew for every head, with an exact minority share.

    Within a head no example appears twice. Labels are balanced, see `waterdigits.choose`; in the
    minority, groups 1 and 2, the attribute differs from the label.

    Args:
        weak, strong: names of the backbones.
        sizes: part -> examples in it, even numbers.
        minority: part -> share of minority examples, in [0, 1].
        heads: number of heads.
        seed: integer or generator, consumed.

    Returns:
        One Sample for each part in sizes, each with the h axis in all its parts.

    Raises:
        ValueError: if a backbone or part is unknown, sizes and minority name different parts, or
            a size or share is not to be had.
    """
    generator = generator_of(seed)
    check_asked((weak, strong), seen.features, sizes, minority)
    samples = {}
    for part, n in sizes.items():
        there = seen.of(part)
        (samples[part],) = waterdigits.draw(
            there,
            there.features[weak],
            there.features[strong],
            sizes=[n],
            minority=[minority[part]],
            heads=heads,
            seed=generator,
        )
    return samples


def leading(view: Tensor, pool: Tensor, directions: int) -> Tensor:
    """Features (n, 2, k) in their k = min(d, directions) directions of largest variance.

    Mean and directions are those of the pool with both values of the attribute. One common factor
    makes the variances over the pool sum to k; ratios between them stay.

    Args:
        view: (n, 2, d).
        pool: (n,) bool, the examples that decide.
        directions: how many to keep, at least 1.

    Raises:
        ValueError: if shapes disagree, directions is below 1, or the pool does not vary.
    """
    if view.dim() != 3 or pool.shape != view.shape[:1] or directions < 1:
        came = f"got {tuple(view.shape)}, {tuple(pool.shape)} and {directions}"
        raise ValueError(f"view must be (n, 2, d), pool (n,) and directions at least 1, {came}")
    seen = view.double()
    inside = seen[pool].flatten(0, 1)
    variance, basis = torch.linalg.eigh(inside.mT.cov())
    kept = basis[:, -directions:].flip(-1)
    total = variance[-directions:].sum()
    if not total > 0:
        raise ValueError(f"view must vary over the pool, got a variance of {float(total)}")
    signs = kept.gather(0, kept.abs().argmax(0, keepdim=True)).sign()  # else left to chance
    return ((seen - inside.mean(0)) @ (kept * signs)) * (kept.shape[1] / total).sqrt()


def save(path: Path | str, seen: FrozenFeatures, **rows: Tensor) -> None:
    """Write features in float16 as npz; rows: where each example comes from, (n, ...) integers."""
    arrays: dict[str, Any] = {f"features.{k}": v.half().numpy() for k, v in seen.features.items()}
    numbers = {"label": seen.label.byte(), "part": seen.part.byte(), **rows}
    arrays |= {key: value.numpy() for key, value in numbers.items()}
    with replacing(Path(path)) as partial, partial.open("wb") as target:
        np.savez_compressed(target, **arrays)


def load(path: Path | str, names: Sequence[str]) -> FrozenFeatures:
    """Features as `save` wrote them; nothing is unpickled. ValueError for a name not in it."""
    with np.load(path, allow_pickle=False) as stored:
        prefix = "features."
        there = [key.removeprefix(prefix) for key in stored.files if key.startswith(prefix)]
        check_names(names, there)
        views = {name: torch.from_numpy(stored[prefix + name]).float() for name in names}
        label, part = (torch.from_numpy(stored[key]).long() for key in ("label", "part"))
    return FrozenFeatures(views, label, part)
