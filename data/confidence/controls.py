"""Whom selection keeps, and random halves that share one property with it: what of it matters."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from w2s_tutorial.confidence import compare
from w2s_tutorial.confidence.compare import Accuracies, Taught, vanilla
from w2s_tutorial.confidence.retrain import UNTUNED
from w2s_tutorial.confidence.selection import keep_top, kept_by, share_of
from w2s_tutorial.seeds import Seed, generator_of

L2 = torch.tensor(compare.PENALTIES)


def kept_shares(taught: Taught) -> dict[tuple[float, str], Tensor]:
    """Whom selection keeps: (p, kind) -> (b,) shares of the kept.

    Kinds are "minority", "right" (labels that are), "minority right" and "majority right" (those
    that are, in either).
    """
    pool = taught.sets["pool"]
    right = taught.label.argmax(-1) == pool.target.argmax(-1)
    few = (pool.group == 1) | (pool.group == 2)
    found = {}
    for p in compare.KEPT:
        keep = keep_top(taught.score, p)
        found[p, "minority"] = share_of(few, keep)
        found[p, "right"] = share_of(right, keep)
        found[p, "minority right"] = share_of(right, keep & few)
        found[p, "majority right"] = share_of(right, keep & ~few)
    return found


def _control_selections(taught: Taught, *, seed: Seed) -> dict[str, Tensor]:
    """Random halves that share a property with the untuned selection and no other: (b, n) bool.

    "same groups" has as many of every group, "same accuracy" as many right labels, "same groups
    and accuracy" both in each group. "same accuracy, groups of the pool" has as many right labels
    and the pool's shares of the groups, and of wrong labels the same part in each is left out: so
    it is better labels alone. "at random" has neither.

    Args:
        seed: integer or generator, consumed.
    """
    generator, pool = generator_of(seed), taught.sets["pool"]
    right = taught.label.argmax(-1) == pool.target.argmax(-1)
    keep = kept_by(taught.score, taught.label, UNTUNED[0])
    strata = {
        "at random": torch.zeros_like(pool.group),
        "same groups": pool.group,
        "same accuracy": right.long(),
        "same groups and accuracy": 2 * pool.group + right,
    }
    drawn = {name: keep_alike(keep, of, seed=generator) for name, of in strata.items()}
    evenly = keep_evenly(keep, pool.group, right, seed=generator)
    return drawn | {"same accuracy, groups of the pool": evenly}


def compare_controls(taught: Taught, *, seed: Seed) -> Accuracies:
    """What a student learns from each of `_control_selections`, by cross-entropy."""
    x, found = taught.sets["pool"].strong, {}
    for name, keep in _control_selections(taught, seed=seed).items():
        every = vanilla(x, taught.label, L2, keep)
        found[name] = taught.reached(every)
    return found


def keep_alike(keep: Tensor, stratum: Tensor, *, seed: Seed) -> Tensor:
    """A control: as many of every stratum as `keep` has, but drawn at random: (h, n) bool.

    With groups as strata it has the group shares of a selection and nothing else of it; with
    "is the pseudolabel right" its label accuracy and nothing else.

    Args:
        keep: (h, n) bool.
        stratum: (h, n) integers.
        seed: integer or generator, consumed.

    Raises:
        ValueError: if shapes differ.
    """
    if keep.shape != stratum.shape:
        came = f"{tuple(keep.shape)} and {tuple(stratum.shape)}"
        raise ValueError(f"keep and stratum must have the same shape, got {came}")
    inside = {int(value): stratum == value for value in stratum.unique()}
    counts = {value: (keep & members).sum(-1) for value, members in inside.items()}
    return _drawn(inside, counts, seed)


def keep_evenly(keep: Tensor, group: Tensor, right: Tensor, *, seed: Seed) -> Tensor:
    """A control: as many right labels as `keep` has, at the shares of the groups in the whole.

    Of wrong labels the same part is left out in every group, as far as a group has enough right
    ones, and who is drawn is chance. So labels are better, alike in all groups, and the groups'
    shares stay; `keep_alike` with "is the label right" moves these too where one group has more
    of the wrong labels.

    Args:
        keep: (h, n) bool.
        group: (h, n) integers from 0.
        right: (h, n) bool, whether an example's label is right.
        seed: integer or generator, consumed.

    Returns:
        (h, n) bool; as many of a head as keep has.
    """
    member = torch.nn.functional.one_hot(group.long()).double()  # (h, n, g)
    size, good = member.sum(1), (member * right[..., None]).sum(1)
    kept = keep.sum(-1, keepdim=True).double()
    share = _whole(size * kept / size.sum(-1, keepdim=True))
    least = (share - good).clamp_min(0)  # wrong ones that a group must take to be filled
    most = torch.minimum(size - good, share)
    wrong = kept - (keep & right.bool()).sum(-1, keepdim=True)

    def at(part: Tensor) -> Tensor:
        return (part * share * (size - good) / size.clamp_min(1)).clamp_min(least).minimum(most)

    low, high = torch.zeros_like(kept), torch.full_like(kept, float(group.shape[-1]))
    for _ in range(60):  # the part is one number for all groups; halve the range that holds it
        middle = (low + high) / 2
        enough = at(middle).sum(-1, keepdim=True) >= wrong
        low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
    bad = _whole(at(high)).clamp_min(least).minimum(most)
    inside, counts = {}, {}
    for g in range(size.shape[-1]):
        for is_right, number in ((True, share - bad), (False, bad)):
            value = 2 * g + is_right
            inside[value] = (group == g) & (right.bool() == is_right)
            counts[value] = number[:, g].long()
    return _drawn(inside, counts, seed)


def _whole(parts: Tensor) -> Tensor:
    """(h, g) rounded to integers that add up to the rounded sum."""
    ends = parts.cumsum(-1).round()
    return ends.diff(dim=-1, prepend=torch.zeros_like(ends[:, :1]))


def _drawn(inside: Mapping[int, Tensor], counts: Mapping[int, Tensor], seed: Seed) -> Tensor:
    """So many (h,) of each set of examples (h, n), at random: (h, n) bool."""
    some = next(iter(inside.values()))
    generator = generator_of(seed)
    dice = torch.rand(some.shape, generator=generator, dtype=torch.float64).to(some.device)
    drawn = torch.zeros_like(some)
    for value, members in inside.items():
        rank = dice.masked_fill(~members, 2.0).argsort(-1).argsort(-1)
        drawn |= members & (rank < counts[value][:, None])
    return drawn
