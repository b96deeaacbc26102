"""The remedy and its variants on the same draws of the data, each at its own penalty.

The penalty, of PENALTIES, is the one whose head is right most often on a small labelled validation
set that is like the labelled set; ties go to the stronger. No true label of the pool is used for
that, nor any group. Its rivals, measured in the same way, are in data/confidence of a clone.

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

from w2s_tutorial.confidence.retrain import UNTUNED, doubt, pick, retrain, rule
from w2s_tutorial.confidence.selection import confidence, labels_of, within_classes
from w2s_tutorial.heads import Heads, fit_logistic
from w2s_tutorial.metrics import accuracy, group_accuracy
from w2s_tutorial.pipeline import soft
from w2s_tutorial.sample import Sample

PENALTIES = (0.01, 0.1, 1.0)
KEPT = (1.0, 0.7, 0.5, 0.35, 0.2)
FORGIVING = (0.0, 0.3, 0.7, 1.0)
ABLATION = {"selection only": (UNTUNED[0], 0.0), "GCE only": (1.0, UNTUNED[1]), "untuned": UNTUNED}
TOL = 1e-4
_L2 = torch.tensor(PENALTIES)

Sets = Mapping[str, Sample]
Accuracies = dict[str, Tensor]


@dataclass(frozen=True)
class Taught:
    """One teacher and its student on b draws of the data.

    Attributes:
        sets: "labeled", "pool", "validation" (like the labelled set) and "test" (balanced groups),
            each with an h axis of b draws; and others that rivals need.
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

    def reached(self, every: Heads) -> Tensor:
        """(b, 4) test accuracy of the groups by the heads, of b x 3, that validation chooses."""
        return _judged(self.sets, _chosen(self.sets, every))


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


def vanilla(x: Tensor, label: Tensor, l2: Tensor, weight: Tensor | None = None) -> Heads:
    """Cross-entropy on all labels, or with weights (b, n). Soft labels are learned as they are."""
    m = len(l2)
    weight = None if weight is None else weight.repeat_interleave(m, 0)
    repeated, penalty = label.repeat_interleave(m, 0), l2.to(label.dtype).repeat(len(label))
    return fit_logistic(x, repeated, l2=penalty, example_weight=weight, tol=TOL)


def teach(sets: Sets) -> Taught:
    """Fit teacher and vanilla student, each at its own penalty."""
    labeled, pool = sets["labeled"], sets["pool"]
    weak = _chosen(sets, vanilla(labeled.weak, labeled.target, _L2), "weak")
    said = weak(pool.weak)
    label = labels_of(said)
    students = vanilla(pool.strong, label, _L2)
    best = _last_best(_right(sets["validation"], students))
    student = pick(students, best)
    score = confidence(student(pool.strong))
    l2 = _L2.to(best.device)[best]
    return Taught(sets, weak, label, soft(said), students, l2, student, score)


def remedy(taught: Taught) -> _Remedy:
    """The (p, q) grid, its ablation, what tuning by validation would give, and an oracle."""
    sets, x, label, score = taught.sets, taught.sets["pool"].strong, taught.label, taught.score
    pairs = list(product(KEPT, FORGIVING))
    settings = torch.tensor(list(product(KEPT, FORGIVING, PENALTIES)), device=x.device)
    p, q, l2 = settings.double().unbind(1)
    every = retrain(x, label, score, p=p, q=q, l2=l2, tol=TOL)
    at_penalty = _right(sets["validation"], every).unflatten(1, (-1, len(PENALTIES)))
    first = len(PENALTIES) * torch.arange(len(pairs), device=x.device)
    each = first + _last_best(at_penalty)  # (b, pq)
    cells = {pair: _judged(sets, pick(every, each[:, n])) for n, pair in enumerate(pairs)}
    tuned = at_penalty.amax(-1).argmax(1, keepdim=True)  # of equals the nearest to vanilla

    doubted = doubt(x, label, l2=taught.l2, tol=TOL)
    by_rule = rule(doubted.double())
    penalties = _L2.double().to(x.device)
    p, q = torch.tensor(UNTUNED, device=x.device).double()
    untuned = partial(retrain, x, p=p[None], q=q[None], l2=penalties, tol=TOL)
    own, even = labels_of(taught.student(x)), within_classes(score, label)
    p, q = (value[:, None] for value in by_rule)
    variants = {
        "rule": retrain(x, label, score, p=p, q=q, l2=penalties, tol=TOL),
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


def _chosen(sets: Sets, every: Heads, view: str = "strong") -> Heads:
    return pick(every, _last_best(_right(sets["validation"], every, view)))


def _right(sample: Sample, every: Heads, view: str = "strong") -> Tensor:
    """(b, m) accuracy."""
    m = len(every) // len(sample.target)
    output = every(getattr(sample, view))
    return accuracy(output, sample.target.repeat_interleave(m, 0)).view(-1, m)


def _judged(sets: Sets, heads: Heads, view: str = "strong") -> Tensor:
    test = sets["test"]
    return group_accuracy(heads(getattr(test, view)), test.target, test.group, groups=4)


def _last_best(value: Tensor) -> Tensor:
    """Index of the largest along the last axis; of equals the last, the strongest penalty."""
    return value.shape[-1] - 1 - value.flip(-1).argmax(-1)
