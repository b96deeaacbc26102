"""What frozen backbones see of examples with a label and a spurious attribute, and draws of it.

Of Dominoes and of waterdigits every example is there with either value of the attribute (a coat
below a 0, the same coat below a 1), so that any minority share can be had exactly, by choosing.
Photographs have the one background that they have; there a share is to be had as long as there
are enough examples of it. How the delivered features were made is told in data/dominoes and
data/waterdigits.

    seen = dominoes_features()
    sets = draw(
        seen, "cnn", "convnext", sizes={"labeled": 400, "pool": 3000, "test": 2000},
        minority={"labeled": 0.05, "pool": 0.2, "test": 0.5}, heads=20, seed=0,
    )
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from w2s_tutorial.datasets.downloads import in_clone
from w2s_tutorial.sample import Sample
from w2s_tutorial.seeds import Seed, generator_of
from w2s_tutorial.storage import save_arrays

DATA = Path(__file__).parents[2] / "data"
"""The stored results of a clone of the repository."""
PARTS = ("labeled", "pool", "validation", "test")
"""Names of the parts, in the order of their numbers."""
BACKBONES = ("cnn", "resnet", "resnet_reads", "simclr", "mae", "convnext")
"""The backbones of Dominoes; waterdigits has all but "resnet_reads"."""
DOMINOES = DATA / "dominoes" / "features.npz"
WATERDIGITS = Path(__file__).parent / "waterdigits_features.npz"


@dataclass(frozen=True)
class FrozenFeatures:
    """n examples as several frozen backbones see them.

    Attributes:
        features: backbone -> (n, 2, d) where every example is there with both values of the
            attribute, [:, a] with attribute a; (n, d) where each has its own.
        label: (n,) integers, 0 or 1.
        part: (n,) integers, which of PARTS the example belongs to. None: parts are drawn anew
            for every head, and have no example in common.
        attribute: (n,) integers, 0 or 1; None where examples are there with both.
        minority: the groups, of 2 * label + attribute, that count as the minority. Where examples
            are there with both values, one group of either label.

    Raises:
        ValueError: if shapes or lengths disagree, no backbone is given, a feature is NaN or
            infinite, or a number is none of those listed.
    """

    features: Mapping[str, Tensor]
    label: Tensor
    part: Tensor | None = None
    attribute: Tensor | None = None
    minority: Sequence[int] = (1, 2)

    def __post_init__(self) -> None:
        n = len(self.label)
        if not self.features or n == 0:
            came = f"got {len(self.features)} of {n}"
            raise ValueError(f"features must be of at least 1 backbone and 1 example, {came}")
        shape = (n, 2) if self.attribute is None else (n,)
        for name, view in self.features.items():
            if view.shape[:-1] != shape:
                need = "(" + "".join(f"{size}, " for size in shape) + "d)"
                raise ValueError(f"features[{name!r}] must be {need}, got {tuple(view.shape)}")
            if not view.isfinite().all():
                raise ValueError(f"features[{name!r}] must be finite, got NaN or infinity")
        for name, kinds in (("label", 2), ("part", len(PARTS)), ("attribute", 2)):
            numbers = getattr(self, name)
            if numbers is None:
                continue
            whole = not numbers.is_floating_point() and numbers.shape == (n,)
            if not whole or not ((numbers.long() >= 0) & (numbers.long() < kinds)).all():
                came = f"got shape {tuple(numbers.shape)}, values {numbers.unique().tolist()[:9]}"
                raise ValueError(f"{name} must be {n} integers in 0..{kinds - 1}, {came}")
        of_label = [sum(group // 2 == y for group in set(self.minority)) for y in (0, 1)]
        twice = self.attribute is None and of_label != [1, 1]
        if twice or not set(self.minority) < set(range(4)) or not self.minority:
            need = "one group of either label" if self.attribute is None else "1 to 3 groups"
            raise ValueError(f"minority must be {need}, of 0..3, got {tuple(self.minority)}")

    def __len__(self) -> int:
        return len(self.label)

    def of(self, part: str) -> FrozenFeatures:
        """The examples of one part.

        Raises:
            ValueError: if there is no such part.
        """
        rows = self._rows(part)
        return replace(
            self,
            features={name: view[rows] for name, view in self.features.items()},
            label=self.label[rows],
            part=None if self.part is None else self.part[rows],
            attribute=None if self.attribute is None else self.attribute[rows],
        )

    def _rows(self, part: str) -> Tensor:
        if part not in PARTS or self.part is None:
            known = "none, this has no parts" if self.part is None else f"one of {', '.join(PARTS)}"
            raise ValueError(f"part must be {known}, got {part!r}")
        return (self.part == PARTS.index(part)).nonzero().flatten()


def dominoes_features(names: Sequence[str] = BACKBONES) -> FrozenFeatures:
    """Dominoes: coat (0) or dress (1) of Fashion-MNIST below a digit of MNIST, 0 or 1.

    10,400 garments: 2,000 labelled, 5,000 in the pool, 400 for validation, 3,000 in the test set.
    They come with a clone of the repository; an installed package finds them in the data folder.

    Args:
        names: backbones to read. "cnn" and "resnet_reads" were trained to read the digit beside
            the garment, "resnet" and "convnext" never had to; "simclr" and "mae" had no labels.

    Raises:
        ValueError: if a name is none of them.
        FileNotFoundError: if the file is in neither place; the message names both.
    """
    return load(in_clone(DOMINOES, "Dominoes (15 MB)"), names)


def waterdigits_features(
    names: Sequence[str] = ("cnn", "resnet", "simclr", "mae", "convnext"),
) -> FrozenFeatures:
    """Waterdigits through the same five kinds of networks: even (0) or odd (1) digits.

    1,396 digits over either photograph: 250 labelled, 690 in the pool, 56 for validation, 400 in
    the test set.

    Raises:
        ValueError: if a name is none of them.
    """
    return load(WATERDIGITS, names)


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

    Within a head no example appears twice. Of n examples round(share * n) are of the minority,
    in random order. Where examples are there with both values of the attribute, half of each part
    has either label, and so has the minority, up to one example. Where they have one, labels are
    as frequent as they are within minority and majority, and equally seeded, another
    share exchanges as few examples as it can.

    Args:
        weak, strong: names of the backbones.
        sizes: part -> examples in it; even numbers where examples have both values.
        minority: part -> share of minority examples, in [0, 1].
        heads: number of heads.
        seed: integer or generator, consumed.

    Returns:
        One Sample for each part in sizes, in their order, each with the h axis in all its parts.

    Raises:
        ValueError: if a backbone or part is unknown, sizes and minority name different parts, or
            a size or share is not to be had (the message says how many examples there are).
    """
    generator = generator_of(seed)
    if not sizes or set(sizes) != set(minority):
        came = f"got {list(sizes)} and {list(minority)}"
        raise ValueError(f"sizes and minority must name the same parts, at least 1, {came}")
    _check_names((weak, strong), list(seen.features))
    for part, n in sizes.items():
        if n < 1 or heads < 1:
            raise ValueError(f"sizes and heads must be positive, got {n} and {heads}")
        if not 0 <= minority[part] <= 1:
            raise ValueError(f"minority must lie in [0, 1], got {minority[part]} for {part!r}")
    choose = _as_found if seen.attribute is not None else _with_either
    stocks = [[part] for part in sizes] if seen.part is not None else [list(sizes)]
    samples = {}
    for parts in stocks:
        there = torch.arange(len(seen)) if seen.part is None else seen._rows(parts[0])
        wanted = {part: (sizes[part], round(minority[part] * sizes[part])) for part in parts}
        for part, (row, attribute) in choose(seen, there, wanted, heads, generator).items():
            order = _orders(heads, sizes[part], generator)  # a slice is then a random subset
            row, attribute = row.gather(1, order), attribute.gather(1, order)
            at = (row, attribute) if seen.attribute is None else (row,)
            label = seen.label[row].long()
            samples[part] = Sample(
                seen.features[weak][at],
                seen.features[strong][at],
                one_hot(label, 2).to(seen.features[strong].dtype),
                2 * label + attribute,
            )
    return samples


Chosen = dict[str, tuple[Tensor, Tensor]]  # part -> rows (heads, n) and the attributes they show


def _with_either(
    seen: FrozenFeatures,
    there: Tensor,
    wanted: Mapping[str, tuple[int, int]],
    heads: int,
    generator: torch.Generator,
) -> Chosen:
    """Half of either label; then the attribute is chosen that puts so many into the minority."""
    label = seen.label[there]
    rows = [there[label == value] for value in (0, 1)]
    most, asked = 2 * min(map(len, rows)), [n for n, _ in wanted.values()]
    if any(n % 2 for n in asked):
        raise ValueError(f"sizes must be even, got {asked}")
    if sum(asked) > most:
        raise ValueError(f"sizes must sum to at most {most}, got {sum(asked)}")
    breaks = [next(group % 2 for group in seen.minority if group // 2 == y) for y in (0, 1)]
    shuffled = [row[_orders(heads, len(row), generator)] for row in rows]
    chosen, used = {}, 0
    for part, (n, few) in wanted.items():
        odd_one = [torch.arange(n // 2) < count for count in (few // 2, few - few // 2)]
        shown = [torch.where(m, b, 1 - b) for m, b in zip(odd_one, breaks, strict=True)]
        row = torch.cat([order[:, used : used + n // 2] for order in shuffled], 1)
        chosen[part] = row, torch.cat(shown).expand(heads, n)
        used += n // 2
    return chosen


def _as_found(
    seen: FrozenFeatures,
    there: Tensor,
    wanted: Mapping[str, tuple[int, int]],
    heads: int,
    generator: torch.Generator,
) -> Chosen:
    """So many of the minority and so many of the others, each with the attribute that it has."""
    own = cast(Tensor, seen.attribute)
    few_of = torch.isin(2 * seen.label[there] + own[there], torch.tensor(seen.minority))
    chosen: dict[str, list[Tensor]] = {part: [] for part in wanted}
    for name, rows, counts in (
        ("minority", there[few_of], [few for _, few in wanted.values()]),
        ("majority", there[~few_of], [n - few for n, few in wanted.values()]),
    ):
        if sum(counts) > len(rows):
            what = f"{sum(counts)} {name} {' and '.join(wanted)} examples"
            raise ValueError(f"{what} are asked for, there are {len(rows)}")
        shuffled = rows[_orders(heads, len(rows), generator)]
        kinds = shuffled[:, : sum(counts)].split(counts, 1)
        for part, kind in zip(wanted, kinds, strict=True):
            chosen[part].append(kind)
    row = {part: torch.cat(kinds, 1) for part, kinds in chosen.items()}
    return {part: (rows, own[rows].long()) for part, rows in row.items()}


def _orders(heads: int, n: int, generator: torch.Generator) -> Tensor:
    return torch.rand(heads, n, generator=generator, dtype=torch.float64).argsort(-1)


def _check_names(names: Sequence[str], there: Sequence[str]) -> None:
    for name in names:
        if name not in there:
            raise ValueError(f"backbone must be one of {', '.join(there)}, got {name!r}")


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


def save(
    path: Path | str, seen: FrozenFeatures, *, eight_bits: bool = False, **rows: Tensor
) -> None:
    """Write features as npz, in float16; rows: where each example comes from, (n, ...) integers.

    eight_bits: in whole numbers up to 127, each direction with a step of its own. Its largest
    value decides, so that four deviations come in steps of a thirtieth of one.
    """
    arrays: dict[str, Any] = {}
    for name, view in seen.features.items():
        if eight_bits:
            step = view.flatten(0, -2).abs().amax(0).clamp(min=1e-12) / 127
            arrays[f"step.{name}"] = step.float().numpy()
            arrays[f"features.{name}"] = (view / step).round().to(torch.int8).numpy()
        else:
            arrays[f"features.{name}"] = view.half().numpy()
    told = {"label": seen.label, "part": seen.part, "attribute": seen.attribute}
    numbers = {name: value.byte() for name, value in told.items() if value is not None}
    arrays |= {key: value.numpy() for key, value in (numbers | rows).items()}
    save_arrays(path, arrays, compressed=True)


def load(path: Path | str, names: Sequence[str]) -> FrozenFeatures:
    """Features as `save` wrote them, in float32; nothing is unpickled.

    Raises:
        ValueError: for a name that is not in the file, or a file that `save` did not write.
    """
    prefix = "features."
    try:
        with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            there = [key.removeprefix(prefix) for key in stored.files if key.startswith(prefix)]
            _check_names(names, there)
            views = {name: torch.from_numpy(stored[prefix + name]).float() for name in names}
            for name in views:
                if f"step.{name}" in stored.files:
                    views[name] *= torch.from_numpy(stored[f"step.{name}"])
            told = [key for key in ("label", "part", "attribute") if key in stored.files]
            numbers = {key: torch.from_numpy(stored[key]).long() for key in told}
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{path} is damaged: {error}") from error
    return FrozenFeatures(views, numbers["label"], numbers.get("part"), numbers.get("attribute"))
