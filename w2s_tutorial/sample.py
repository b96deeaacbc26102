"""Examples seen through two frozen backbones, with the group each one belongs to.

In the shapes below h counts heads (independent runs), n examples, d features, c outputs.
A tensor without the h axis is shared by every head.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from w2s_tutorial import _arrays
from w2s_tutorial._arrays import check_tensor
from w2s_tutorial.seeds import Seed, generator_of

PARTS = ("labeled", "pool", "test")


@dataclass(frozen=True)
class Sample:
    """n examples: two views, targets, groups. `from_arrays` makes one of anybody's data.

    Features and targets are kept in the widest of their dtypes, at least in single precision, so
    that half-precision features and integer one-hot labels meet.

    Attributes:
        weak: (n, d_weak) or (h, n, d_weak), features of the weak backbone.
        strong: (n, d_strong) or (h, n, d_strong), features of the strong backbone.
        target: (h, n, c), one-hot labels, or real values with c = 1. h = 1 when all heads
            share one label set.
        group: (n,) or (h, n) integers, 0..g-1. Default: one group.
        classes: names of the c classes, in the order of target's columns. Default: 0..c-1;
            empty for real values.
        groups: names of the groups 0..g-1, or empty.

    Raises:
        TypeError: if a part is no dense tensor of real numbers.
        ValueError: if lengths, devices or numbers of heads disagree, nothing is left, a value is
            not finite, a group is negative, or names do not fit.
    """

    weak: Tensor
    strong: Tensor
    target: Tensor
    group: Tensor = None  # type: ignore[assignment]
    classes: tuple[Hashable, ...] = ()
    groups: tuple[Hashable, ...] = ()

    def __post_init__(self) -> None:
        parts = {"weak": self.weak, "strong": self.strong, "target": self.target}
        for name, value in parts.items():
            check_tensor(name, value)
        if self.target.dim() != 3:
            raise ValueError(f"target must be (h, n, c), got shape {tuple(self.target.shape)}")
        h, n, c = self.target.shape
        if n == 0:
            raise ValueError("a sample needs at least 1 example, got 0")
        for name in ("weak", "strong"):
            shape = tuple(parts[name].shape)
            if len(shape) not in (2, 3) or shape[-2] != n:
                came = f"shape {shape}, not (n, d) or (h, n, d)"
                raise ValueError(f"{name} must list {n} examples, got {came}")
            if shape[-1] == 0:
                raise ValueError(f"{name} needs at least 1 feature, got shape {shape}")
        if self.group is None:
            object.__setattr__(self, "group", self.target.new_zeros(n, dtype=torch.long))
        check_tensor("group", self.group)
        if self.group.dim() not in (1, 2) or self.group.shape[-1] != n:
            raise ValueError(f"group must list {n} examples, got shape {tuple(self.group.shape)}")
        heads = {len(v) for v in (self.weak, self.strong) if v.dim() == 3}
        heads |= {len(self.group)} if self.group.dim() == 2 else set()
        heads |= {h} if h > 1 else set()
        if h == 0 or len(heads) > 1:
            raise ValueError(f"all parts must have the same number of heads, got {sorted(heads)}")
        places = sorted({str(value.device) for value in (*parts.values(), self.group)})
        if len(places) > 1:
            raise ValueError(f"weak, strong, target and group must share a device, got {places}")
        wide = torch.float32
        for value in parts.values():
            wide = torch.promote_types(wide, value.dtype)
        for name, value in parts.items():
            if not value.isfinite().all():
                raise ValueError(f"{name} must be finite, got NaN or infinity")
            object.__setattr__(self, name, value.to(wide))
        if self.group.is_floating_point() or int(self.group.min()) < 0:
            raise ValueError("group must hold integers of at least 0")
        object.__setattr__(self, "group", self.group.long())
        names = self.classes or (tuple(range(c)) if c > 1 else ())
        if len(names) != (c if c > 1 else 0):
            raise ValueError(f"classes must name target's {c} columns, got {list(names)}")
        if self.groups and int(self.group.max()) >= len(self.groups):
            raise ValueError(f"groups must name group {int(self.group.max())}, got {self.groups}")
        object.__setattr__(self, "classes", tuple(names))

    def __len__(self) -> int:
        return self.target.shape[1]

    def __getitem__(self, examples: slice | Tensor) -> Sample:
        """The examples named by a slice, an index tensor (m,) or a mask (n,), for every head."""
        return replace(
            self,
            weak=self.weak[..., examples, :],
            strong=self.strong[..., examples, :],
            target=self.target[..., examples, :],
            group=self.group[..., examples],
        )

    def to(self, device: torch.device | str) -> Sample:
        """The same sample on another device."""
        parts = ("weak", "strong", "target", "group")
        return replace(self, **{name: getattr(self, name).to(device) for name in parts})

    @classmethod
    def from_arrays(
        cls,
        *,
        weak: Any,
        strong: Any,
        y: Any,
        group: Any = None,
        classes: Sequence[Hashable] | None = None,
    ) -> Sample:
        """A sample of anybody's data: numpy, pandas, torch or nested lists.

        Args:
            weak: (n, d_weak) numbers, what the weak model sees; or (h, n, d_weak).
            strong: (n, d_strong), what student, baseline and ceiling see; or (h, n, d_strong).
            y: (n,) or (h, n). Strings, integers or truth values are labels; floats are real
                targets, one for each example (c = 1), unless `classes` is given.
            group: (n,) or (h, n) strings, integers or truth values: whom to report apart.
            classes: the classes in the order they shall have. Default: those of y, sorted.

        Raises:
            TypeError: if features are sparse, or something else than numbers.
            ValueError: if y shows fewer than 2 classes, or one that `classes` does not list; if
                a value is missing; and as the class.
        """
        _arrays.check_rows(weak=weak, strong=strong, y=y, group=group)
        views: dict[str, Any] = {
            "weak": _arrays.numbers("weak", weak),
            "strong": _arrays.numbers("strong", strong),
        }
        place = views["strong"].device
        given = _arrays.labels("y", y, examples=views["strong"].shape[-2:-1])
        names: tuple[Hashable, ...] = ()
        if classes is None and np.issubdtype(given.dtype, np.floating):
            target = torch.from_numpy(given)[..., None]
        else:
            code, names = _arrays.coded("y", given, classes)
            if len(names) < 2:
                raise ValueError(f"y must show at least 2 classes, got {list(names)}")
            target = one_hot(code, len(names))
        target = (target[None] if given.ndim == 1 else target).to(place)
        if group is None:
            return cls(**views, target=target, classes=names)
        member = _arrays.labels("group", group)
        if np.issubdtype(member.dtype, np.floating):
            raise ValueError(f"group must hold strings, integers or booleans, got {member.dtype}")
        code, groups = _arrays.coded("group", member, None)
        return cls(**views, target=target, group=code.to(place), classes=names, groups=groups)

    def split(
        self,
        n_labeled: int,
        n_pool: int,
        n_test: int,
        *,
        seed: Seed,
        draws: int = 1,
        minority: Hashable | Sequence[Hashable] | None = None,
        share: float | Mapping[str, float] | None = None,
    ) -> Split:
        """Labelled set, pool and test set, drawn anew for each of many heads.

        Parts of one draw share no example. Each part has the classes in the sample's proportions
        (real targets: at random), or, with a minority, in those of minority and of the rest.

        Args:
            n_labeled, n_pool, n_test: examples of each part, at least 1.
            seed: integer or generator, consumed.
            draws: how many splits; the h axis of the parts.
            minority: name of a group (its code, if groups have no names), or several, in a list.
            share: the minority's share, in [0, 1], of every part, or of the parts that a mapping
                names ("labeled", "pool", "test"): round(share * n) examples of a part. Elsewhere
                the minority keeps the share that it has in the sample.

        Raises:
            ValueError: if a number or share is impossible, a name is unknown, heads have
                features, labels or groups of their own, or examples of one kind run out.
        """
        generator = generator_of(seed)
        sizes = dict(zip(PARTS, (n_labeled, n_pool, n_test), strict=True))
        for name, size in {**{f"n_{part}": n for part, n in sizes.items()}, "draws": draws}.items():
            if not isinstance(size, Integral) or isinstance(size, bool) or size < 1:
                raise ValueError(f"{name} must be an integer of at least 1, got {size!r}")
        if max(self.weak.dim(), self.strong.dim(), self.group.dim() + 1, len(self.target) + 1) > 2:
            raise ValueError("split needs features, labels and groups that all heads share")
        few = _members(self, minority)
        counts = _counts(sizes, few, _shares(share, minority))
        found: dict[str, list[Tensor]] = {part: [] for part in PARTS}
        label = self.target[0].argmax(-1)
        for kind, name in enumerate(("majority" if few.any() else "sample", "minority")):
            inside = few == bool(kind)
            strata = [(inside & (label == code)).nonzero().flatten() for code in label.unique()]
            left = torch.tensor([len(rows) for rows in strata])
            shuffled = [_shuffled(rows.expand(draws, -1), generator) for rows in strata]
            for part in PARTS:
                n, there = counts[part][kind], int(left.sum())
                if n > there:
                    raise ValueError(f"{part} needs {n} examples of the {name}, {there} are left")
                for stratum, take in enumerate(_in_proportion(left, n)):
                    end = int(left[stratum])
                    found[part].append(shuffled[stratum][:, end - take : end])
                    left[stratum] -= take
        # Shuffled, so that a slice of a part is a random subset of it.
        rows = {part: _shuffled(torch.cat(found[part], 1), generator) for part in PARTS}
        labeled, pool, test = (self._drawn(rows[part]) for part in PARTS)
        return Split(labeled, pool, test, rows)

    def _drawn(self, rows: Tensor) -> Sample:
        parts: dict[str, Any] = {
            name: getattr(self, name)[rows] for name in ("weak", "strong", "group")
        }
        return replace(self, target=self.target[0, rows], **parts)


@dataclass(frozen=True)
class Split:
    """What `Sample.split` drew; `labeled, pool, test = split` takes it apart.

    Attributes:
        labeled, pool, test: samples with an h axis, one head per draw.
        rows: part -> (h, n) which rows of the sample it holds.
    """

    labeled: Sample
    pool: Sample
    test: Sample
    rows: Mapping[str, Tensor]

    def __iter__(self) -> Iterator[Sample]:
        return iter((self.labeled, self.pool, self.test))

    @property
    def overlap(self) -> dict[str, float]:
        """Part -> share of it that another draw's part holds too, on average; NaN for one draw.

        The more draws overlap, the narrower their intervals are than those of fresh data.
        """
        found = {}
        for part, rows in self.rows.items():
            h, n = rows.shape
            times = rows.flatten().bincount().double()
            pairs = n * h * (h - 1)
            found[part] = float((times * (times - 1)).sum() / pairs) if pairs else float("nan")
        return found


def _members(sample: Sample, minority: Any) -> Tensor:
    """(n,) whether an example belongs to the minority."""
    if minority is None:
        return torch.zeros_like(sample.group, dtype=torch.bool)
    minority = minority.tolist() if hasattr(minority, "tolist") else minority
    wanted = list(minority) if isinstance(minority, list | tuple | set) else [minority]
    codes: dict[Any, int] = {name: code for code, name in enumerate(sample.groups)}
    codes = codes or {code: code for code in sample.group.unique().tolist()}
    for name in wanted:
        if name not in codes:
            raise ValueError(f"minority must name groups, out of {list(codes)}, got {name!r}")
    return torch.isin(sample.group, sample.group.new_tensor([codes[name] for name in wanted]))


def _shares(share: float | Mapping[str, float] | None, minority: Any) -> dict[str, float]:
    if share is None:
        return {}
    if minority is None:
        raise ValueError(f"share needs minority: whose share it is, got {share}")
    shares = dict(share) if isinstance(share, Mapping) else dict.fromkeys(PARTS, share)
    sound = all(isinstance(value, Real) and 0 <= value <= 1 for value in shares.values())
    if not sound or not set(shares) <= set(PARTS):
        raise ValueError(f"share must lie in [0, 1], one number or by part {PARTS}, got {share}")
    return shares


def _counts(sizes: Mapping[str, int], few: Tensor, shares: Mapping[str, float]) -> dict[str, Any]:
    """Part -> how many examples of the rest and of the minority."""
    minor, usual = int(few.sum()), float(few.double().mean())
    found = {part: round(shares.get(part, usual) * n) for part, n in sizes.items()}
    # Shares that nobody set may round up once too often: what is there decides.
    free = [part for part in sizes if part not in shares] if minor else []
    if free and 0 < sum(found.values()) - minor < len(free):
        found[free[-1]] -= sum(found.values()) - minor
    spare = len(few) - minor - (sum(sizes.values()) - sum(found.values()))
    if free and 0 < -spare < len(free):
        found[free[-1]] += -spare
    return {part: (n - found[part], found[part]) for part, n in sizes.items()}


def _in_proportion(left: Tensor, n: int) -> list[int]:
    """n dealt to strata in proportion to what they have left, the largest remainders up."""
    exact = left.double() * n / max(int(left.sum()), 1)
    whole = exact.floor()
    up = (exact - whole).argsort(descending=True, stable=True)[: n - int(whole.sum())]
    whole[up] += 1
    return [int(value) for value in whole]


def _shuffled(rows: Tensor, generator: torch.Generator) -> Tensor:
    """(draws, n) rows, each draw in an order of its own."""
    order = torch.rand(rows.shape, generator=generator).argsort(-1)
    return rows.take_along_dim(order.to(rows.device), 1)


def join(*samples: Sample) -> Sample:
    """All examples of several samples, one after the other.

    A part that is shared in one sample and per head in another becomes per head in the result.

    Raises:
        ValueError: if no sample is given, or their widths, names or numbers of heads disagree.
    """
    if not samples:
        raise ValueError("join needs at least 1 sample, got 0")
    for name in ("classes", "groups"):
        if len(names := {getattr(sample, name) for sample in samples}) > 1:
            raise ValueError(f"samples to join must agree in {name}, got {sorted(names, key=str)}")
    parts: dict[str, Any] = {}
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
        parts[name] = torch.cat([_with_heads(v, own, heads) for v in values], dim=-own)
    return replace(samples[0], **parts)


def _with_heads(part: Tensor, own: int, heads: int) -> Tensor:
    return part.expand(heads, *part.shape[-own:]) if heads else part
