"""Draws from frozen features: exact shares, nothing twice, as a loop over heads would do it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from w2s_tutorial.datasets.frozen import PARTS, FrozenFeatures, draw
from w2s_tutorial.sample import Sample

SIZES = {"labeled": 20, "pool": 60, "test": 40}
SHARES = {"labeled": 0.25, "pool": 0.1, "test": 0.5}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def twins(parts: bool = False) -> FrozenFeatures:
    """200 examples with both attributes; they show their number and the attribute."""
    number = torch.arange(200.0, dtype=torch.float64)[:, None, None].expand(200, 2, 1)
    shown = torch.arange(2.0, dtype=torch.float64)[None, :, None].expand(200, 2, 1)
    code = torch.cat([number, shown], -1)
    part = torch.arange(200) // 70 if parts else None  # 70 labelled, 70 in the pool, 60 held out
    return FrozenFeatures({"a": code, "b": -code}, torch.arange(200) % 2, part)


def groups(parts: bool = True) -> FrozenFeatures:
    """Groups of 400, 60, 40 and 200 examples, which show their number and their attribute."""
    group = torch.repeat_interleave(torch.arange(4), torch.tensor([400, 60, 40, 200]))
    group = group[torch.randperm(700, generator=generator())]
    code = torch.stack([torch.arange(700.0), group % 2], -1).double()
    part = torch.arange(700) % 2 if parts else None
    return FrozenFeatures({"a": code, "b": -code}, group // 2, part, group % 2)


def drawn(seen: FrozenFeatures, **changes: Any) -> dict[str, Sample]:
    asked = {"sizes": SIZES, "minority": SHARES, "heads": 5, "seed": generator()}
    if seen.part is not None:
        asked |= {"sizes": {"labeled": 20, "pool": 40}, "minority": {"labeled": 0.1, "pool": 0.3}}
    return draw(seen, "a", "b", **{**asked, **changes})


def numbers(sample: Sample) -> Tensor:
    return sample.weak[..., 0].long()


EVERY = pytest.mark.parametrize(
    "seen", [twins(), twins(True), groups(), groups(False)], ids=["t", "tp", "gp", "g"]
)


@EVERY
def test_no_example_is_twice_in_a_head_and_parts_never_meet(seen: FrozenFeatures):
    sets = drawn(seen)
    for head in range(5):
        rows = [set(numbers(sample)[head].tolist()) for sample in sets.values()]
        assert [len(found) for found in rows] == [s.weak.shape[1] for s in sets.values()]
        assert len(set.union(*rows)) == sum(map(len, rows))
        if seen.part is not None:
            for part, found in zip(sets, rows, strict=True):
                assert {PARTS[int(seen.part[row])] for row in found} == {part}
    # Control: different heads do share examples, so the check above can see sharing.
    first, second = list(sets.values())[:2]
    if seen.part is None:
        assert set(numbers(first)[0].tolist()) & set(numbers(second)[1].tolist())
    assert not torch.equal(numbers(first)[0].sort()[0], numbers(first)[1].sort()[0])


@EVERY
@pytest.mark.parametrize("named", [(1, 2), (1, 3), (0, 3)])
def test_what_is_drawn_is_what_the_features_show(seen: FrozenFeatures, named: tuple[int, ...]):
    seen = replace(seen, minority=named)
    shares = {"labeled": 0.1, "pool": 0.3} if seen.part is not None else SHARES
    for part, sample in drawn(seen).items():
        label = seen.label[numbers(sample)]
        assert torch.equal(sample.target.argmax(-1), label)
        assert torch.equal(sample.target.sum(-1), torch.ones_like(label).double())
        assert torch.equal(sample.group, 2 * label + sample.weak[..., 1].long())
        assert torch.equal(sample.strong, -sample.weak)
        few = torch.isin(sample.group, torch.tensor(named)).sum(-1)
        assert (few == round(shares[part] * sample.group.shape[1])).all()


@pytest.mark.parametrize(
    ("n", "share", "counts"),
    [
        (40, 0.25, (15, 5, 5, 15)),
        (100, 0.25, (38, 12, 13, 37)),  # 25 disagree: one more of them is odd, group 2
        (10, 0.5, (3, 2, 3, 2)),
        (10, 0.28, (4, 1, 2, 3)),  # 2.8 disagree: rounded, not cut
        (40, 0.0, (20, 0, 0, 20)),
        (40, 1.0, (0, 20, 20, 0)),
    ],
)
def test_twins_have_labels_in_halves(n: int, share: float, counts: tuple[int, ...]):
    found = drawn(twins(), sizes={"x": n}, minority={"x": share})["x"].group
    assert torch.stack([(found == k).sum(1) for k in range(4)], 1).tolist() == [list(counts)] * 5


def test_twins_are_drawn_as_the_stored_results_were():
    """Head by head: shuffle either label, cut, let the first few break the rule, shuffle again."""
    heads, stream = 5, generator()
    order = {y: torch.rand(heads, 100, generator=stream, dtype=torch.float64) for y in (0, 1)}
    expected, used = {}, 0
    for part, n in SIZES.items():
        few = round(SHARES[part] * n)
        again = torch.rand(heads, n, generator=stream, dtype=torch.float64)
        rows = []
        for head in range(heads):
            at = []
            for y, broken in ((0, few // 2), (1, few - few // 2)):
                place = order[y][head].argsort()[used : used + n // 2]
                for k, row in enumerate((2 * place + y).tolist()):
                    at.append((row, 1 - y if k < broken else y))
            rows.append([at[k] for k in again[head].argsort().tolist()])
        expected[part] = torch.tensor(rows)
        used += n // 2
    for part, sample in drawn(twins()).items():
        assert torch.equal(sample.weak.long(), expected[part]), part


@EVERY
def test_a_slice_is_a_random_subset_in_every_head(seen: FrozenFeatures):
    # Were a part sorted by label or group, its first half would be one of them.
    part = "pool" if seen.part is not None else "any"
    sample = drawn(seen, sizes={part: 40}, minority={part: 0.5}, heads=400)[part]
    few = torch.isin(sample.group, torch.tensor([1, 2]))[:, :20].double().mean(1)
    error = (0.25 / 20 * (1 - 20 / 40)) ** 0.5 / 400**0.5  # drawn without replacement
    assert abs(float(few.mean()) - 0.5) < 4 * error
    assert few.std() > 0.05


def test_equally_seeded_another_share_exchanges_as_few_examples_as_it_can():
    few, more = (
        drawn(groups(), sizes={"pool": 40}, minority={"pool": share})["pool"]
        for share in (0.1, 0.3)
    )
    for head in range(5):
        kept = set(numbers(few)[head].tolist()) & set(numbers(more)[head].tolist())
        assert len(kept) == 40 - 8, "8 of the majority went, 8 of the minority came"


def test_the_seed_decides():
    assert torch.equal(drawn(twins(), seed=3)["pool"].weak, drawn(twins(), seed=3)["pool"].weak)
    assert not torch.equal(drawn(twins(), seed=3)["pool"].weak, drawn(twins(), seed=4)["pool"].weak)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64, torch.bool])
def test_numbers_may_have_any_integer_type(dtype: torch.dtype):
    seen, alike = groups(), groups()
    alike = replace(seen, label=seen.label.to(dtype), attribute=seen.attribute.to(dtype))
    expected, found = drawn(seen)["pool"], drawn(alike)["pool"]
    assert torch.equal(found.target, expected.target)
    assert torch.equal(found.group, expected.group)


@pytest.mark.parametrize(
    ("seen", "change", "message"),
    [
        (twins(), {"sizes": SIZES | {"pool": 61}}, r"sizes must be even, got \[20, 61, 40\]"),
        (twins(), {"sizes": SIZES | {"test": 122}}, "sizes must sum to at most 200, got 202"),
        (twins(), {"sizes": SIZES | {"pool": 0}}, "sizes and heads must be positive"),
        (twins(), {"minority": {"pool": 0.1}}, "sizes and minority must name the same parts"),
        (twins(), {"sizes": {}, "minority": {}}, "at least 1"),
        (
            twins(),
            {"minority": SHARES | {"test": 1.1}},
            r"minority must lie in .*, got 1.1 for 'test'",
        ),
        (
            twins(),
            {"minority": SHARES | {"test": float("nan")}},
            r"minority must lie in .*, got nan",
        ),
        (twins(), {"heads": 0}, "heads must be positive, got 20 and 0"),
        (twins(True), {"sizes": {"pool": 72}, "minority": {"pool": 0.5}}, "at most 70, got 72"),
        (twins(True), {"sizes": {"pol": 2}, "minority": {"pol": 0}}, "part must be one of labeled"),
        (
            groups(),
            {"sizes": {"pool": 200}, "minority": {"pool": 0.5}},
            r"100 minority pool examples are asked for, there are \d\d$",
        ),
        (
            groups(False),
            {"sizes": {"x": 100, "y": 200}, "minority": {"x": 0.5, "y": 0.5}},
            "150 minority x and y examples are asked for, there are 100",
        ),
    ],
)
def test_what_is_not_to_be_had_is_refused(
    seen: FrozenFeatures, change: dict[str, Any], message: str
):
    with pytest.raises(ValueError, match=message):
        drawn(seen, **change)


def test_an_unknown_backbone_or_part_is_refused():
    with pytest.raises(ValueError, match="backbone must be one of a, b, got 'clip'"):
        draw(twins(), "clip", "b", sizes=SIZES, minority=SHARES, heads=1, seed=0)
    with pytest.raises(ValueError, match=r"part must be one of labeled, .*, got 'train'"):
        groups().of("train")
    with pytest.raises(ValueError, match="part must be none, this has no parts, got 'pool'"):
        twins().of("pool")
    assert len(groups().of("pool")) == 350


VIEW = groups().features["a"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"label": torch.zeros(9)}, r"features\['a'\] must be \(9, d\), got \(700, 2\)"),
        ({"features": {}}, "features must be of at least 1 backbone and 1 example, got 0 of 700"),
        ({"attribute": None}, r"features\['a'\] must be \(700, 2, d\), got \(700, 2\)"),
        ({"features": {"a": VIEW.log()}}, r"features\['a'\] must be finite, got NaN or infinity"),
        ({"features": {"a": VIEW[:, 0]}}, r"features\['a'\] must be \(700, d\), got \(700,\)"),
        ({"attribute": groups().label + 1}, r"attribute must be 700 integers in 0..1, .*\[1, 2\]"),
        ({"label": groups().label * 0.5}, r"label must be 700 integers in 0..1, .*\[0.0, 0.5\]"),
        (
            {"part": torch.arange(700) % 5},
            r"part must be 700 integers in 0..3, .*3, 4\]",
        ),
        ({"part": torch.arange(9) % 4}, r"part must be 700 integers in 0..3, got shape \(9,\)"),
        ({"minority": (4,)}, r"minority must be 1 to 3 groups, of 0..3, got \(4,\)"),
        ({"minority": ()}, "minority must be 1 to 3 groups"),
        ({"minority": range(4)}, "minority must be 1 to 3 groups"),
    ],
)
def test_features_that_cannot_be_right_are_refused(change: dict[str, Any], message: str):
    with pytest.raises(ValueError, match=message):
        replace(groups(), **change)


def test_twins_need_a_minority_group_of_either_label():
    with pytest.raises(ValueError, match="minority must be one group of either label"):
        replace(twins(), minority=(0, 1))
