"""The remedy and its rivals on the same draws of the data, each at its own penalty.

The penalty, of PENALTIES, is the one whose head is right most often on a small labelled validation
set that is like the labelled set; ties go to the stronger. No true label of the pool is used for
that, nor any group. Methods that are told the groups choose by the worst group of a validation set
with balanced groups instead.

Results are method -> (b, 4): test accuracy of the four groups in each of b draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import NamedTuple

import torch
from torch import Tensor

from w2s_tutorial.confidence import _rivals
from w2s_tutorial.confidence.retrain import UNTUNED, doubt, pick, retrain, rule, score_of
from w2s_tutorial.confidence.selection import (
    keep_alike,
    keep_evenly,
    keep_top,
    labels_of,
    share_of,
    surest_of_each,
    within_classes,
)
from w2s_tutorial.heads import Heads
from w2s_tutorial.losses import smoothed
from w2s_tutorial.metrics import accuracy, group_accuracy
from w2s_tutorial.pipeline import soft
from w2s_tutorial.sample import Sample
from w2s_tutorial.seeds import Seed, generator_of

PENALTIES = (0.01, 0.1, 1.0)
KEPT = (1.0, 0.7, 0.5, 0.35, 0.2)
FORGIVING = (0.0, 0.3, 0.7, 1.0)
ABLATION = {"selection only": (UNTUNED[0], 0.0), "GCE only": (1.0, UNTUNED[1]), "untuned": UNTUNED}
_L2, _TOL = torch.tensor(PENALTIES), _rivals.TOL

Sets = Mapping[str, Sample]
Accuracies = dict[str, Tensor]


@dataclass(frozen=True)
class Taught:
    """One teacher and its student on b draws of the data.

    Attributes:
        sets: "labeled", "pool", "validation" (like the labelled set), "balanced" (validation with
            balanced groups) and "test" (balanced groups), each with an h axis of b draws.
        weak: b teachers.
        label, soft: (b, n, 2) the teacher's labels of the pool, hard and as probabilities.
        students: b x 3 vanilla students, one for each of PENALTIES.
        l2: (b,) the chosen penalty.
        student: b vanilla students at that penalty.
        score: (b, n) their confidence on the pool.
    """

    sets: Sets
    weak: Heads
    label: Tensor
    soft: Tensor
    students: Heads
    l2: Tensor
    student: Heads
    score: Tensor


class _Remedy(NamedTuple):
    """What the remedy and its variants reach, and what the label-free rule chose.

    Attributes:
        cells: (p, q) of KEPT and FORGIVING -> (b, 4).
        methods: teacher, vanilla students, ablation, tuned cells and variants -> (b, 4).
        doubt, p, q: (b,), see `retrain.doubt` and `retrain.rule`.
    """

    cells: dict[tuple[float, float], Tensor]
    methods: Accuracies
    doubt: Tensor
    p: Tensor
    q: Tensor


def teach(sets: Sets) -> Taught:
    """Fit teacher and vanilla student, each at its own penalty."""
    labeled, pool = sets["labeled"], sets["pool"]
    weak = _chosen(sets, _rivals.vanilla(labeled.weak, labeled.target, _L2), "weak")
    said = weak(pool.weak)
    label = labels_of(said)
    students = _rivals.vanilla(pool.strong, label, _L2)
    best = _last_best(_right(sets["validation"], students))
    student = pick(students, best)
    score = score_of(student, pool.strong)
    l2 = _L2.to(best.device)[best]
    return Taught(sets, weak, label, soft(said), students, l2, student, score)


def remedy(taught: Taught) -> _Remedy:
    """The (p, q) grid, its ablation, what tuning by validation would give, and an oracle."""
    sets, x, label, score = taught.sets, taught.sets["pool"].strong, taught.label, taught.score
    pairs = list(product(KEPT, FORGIVING))
    settings = torch.tensor(list(product(KEPT, FORGIVING, PENALTIES)), device=x.device)
    p, q, l2 = settings.double().unbind(1)
    every = retrain(x, label, score, p=p, q=q, l2=l2, tol=_TOL)
    at_penalty = _right(sets["validation"], every).unflatten(1, (-1, len(PENALTIES)))
    first = len(PENALTIES) * torch.arange(len(pairs), device=x.device)
    each = first + _last_best(at_penalty)  # (b, pq)
    cells = {pair: _judged(sets, pick(every, each[:, n])) for n, pair in enumerate(pairs)}
    tuned = at_penalty.amax(-1).argmax(1, keepdim=True)  # of equals the nearest to vanilla

    doubted = doubt(x, label, l2=taught.l2, tol=_TOL)
    by_rule = rule(doubted.double())
    penalties = _L2.double().to(x.device)
    p, q = torch.tensor(UNTUNED, device=x.device).double()
    untuned = partial(retrain, x, p=p[None], q=q[None], l2=penalties, tol=_TOL)
    own, even = labels_of(taught.student(x)), within_classes(score, label)
    p, q = (value[:, None] for value in by_rule)
    variants = {
        "rule": retrain(x, label, score, p=p, q=q, l2=penalties, tol=_TOL),
        "own labels": untuned(own, score),
        "per class": untuned(label, even),
        "continued": untuned(label, score, start=taught.student),
    }
    last = torch.full_like(tuned[:, 0], len(PENALTIES) - 1)
    found = {
        "vanilla": taught.student,
        "weak penalty": pick(taught.students, torch.zeros_like(last)),
        "strong penalty": pick(taught.students, last),
        "tuned on validation": pick(every, each.gather(1, tuned)[:, 0]),
        "oracle": pick(every, _right(sets["test"], every).argmax(1)),
        **{name: _chosen(sets, fits) for name, fits in variants.items()},
    }
    methods = {"weak": _judged(sets, taught.weak, "weak")}
    methods |= {name: _judged(sets, heads) for name, heads in found.items()}
    methods |= {name: cells[pair] for name, pair in ABLATION.items()}
    return _Remedy(cells, methods, doubted, *by_rule)


def compare_rivals(taught: Taught) -> Accuracies:
    """Everything else that needs no groups."""
    labeled, pool, label = taught.sets["labeled"], taught.sets["pool"], taught.label
    x, y = pool.strong, labeled.target
    both = torch.cat([x, labeled.strong], 1), torch.cat([label, y], 1)
    views = (labeled.weak, labeled.strong), (pool.weak, pool.strong)
    found = {
        "confidence loss": _rivals.confidence_loss(x, taught.soft, _L2),
        "self-training": _rivals.self_training(x, label, _L2),
        "co-training": _rivals.co_training(*views, y, _L2),
        "small loss": _rivals.small_loss(x, label, taught.student, _L2),
        "label smoothing": _rivals.vanilla(x, smoothed(label), _L2),
        "soft labels": _rivals.vanilla(x, taught.soft, _L2),
        "baseline": _rivals.vanilla(labeled.strong, y, _L2),
        "labels and pseudolabels": _rivals.vanilla(*both, _L2),
        "ceiling": _rivals.vanilla(x, pool.target, _L2),
    }
    return {name: _judged(taught.sets, _chosen(taught.sets, h)) for name, h in found.items()}


def compare_told_groups(taught: Taught) -> Accuracies:
    """Methods that know the groups: of the pool, or of a balanced labelled set."""
    sets, x, label = taught.sets, taught.sets["pool"].strong, taught.label
    balanced = sets["balanced"]
    held_back = _rivals.vanilla(x, label, _L2[-1:])
    upweight, l2 = torch.tensor(list(product((1.0, 5.0, 20.0), PENALTIES))).unbind(1)
    by_groups = {
        "GroupDRO": _rivals.group_dro(x, label, sets["pool"].group, _L2),
        "JTT": _rivals.just_train_twice(x, label, held_back, l2, upweight=upweight),
    }
    last_layer = _chosen(sets, _rivals.vanilla(balanced.strong, balanced.target, _L2))
    found = {"DFR": last_layer}
    found |= {name: pick(h, _last_best(_worst(balanced, h))) for name, h in by_groups.items()}
    return {name: _judged(sets, heads) for name, heads in found.items()}


def kept_shares(taught: Taught) -> dict[tuple[float, str], Tensor]:
    """Whom selection keeps: (p, kind) -> (b,) shares of the kept.

    Kinds are "minority", "right" (labels that are), "minority right" and "majority right" (those
    that are, in either).
    """
    pool = taught.sets["pool"]
    right = taught.label.argmax(-1) == pool.target.argmax(-1)
    few = (pool.group == 1) | (pool.group == 2)
    found = {}
    for p in KEPT:
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
    keep = keep_top(taught.score, UNTUNED[0]) | surest_of_each(taught.score, taught.label)
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
        every = _rivals.vanilla(x, taught.label, _L2, keep)
        found[name] = _judged(taught.sets, _chosen(taught.sets, every))
    return found


def _chosen(sets: Sets, every: Heads, view: str = "strong") -> Heads:
    return pick(every, _last_best(_right(sets["validation"], every, view)))


def _right(sample: Sample, every: Heads, view: str = "strong") -> Tensor:
    """(b, m) accuracy."""
    m = len(every) // len(sample.target)
    output = every(getattr(sample, view))
    return accuracy(output, sample.target.repeat_interleave(m, 0)).view(-1, m)


def _worst(sample: Sample, every: Heads) -> Tensor:
    """(b, m) accuracy of the worst group."""
    m = len(every) // len(sample.target)
    target, group = (v.repeat_interleave(m, 0) for v in (sample.target, sample.group))
    each = group_accuracy(every(sample.strong), target, group, groups=4)
    return each.amin(-1).view(-1, m)


def _judged(sets: Sets, heads: Heads, view: str = "strong") -> Tensor:
    test = sets["test"]
    return group_accuracy(heads(getattr(test, view)), test.target, test.group, groups=4)


def _last_best(value: Tensor) -> Tensor:
    """Index of the largest along the last axis; of equals the last, the strongest penalty."""
    return value.shape[-1] - 1 - value.flip(-1).argmax(-1)
