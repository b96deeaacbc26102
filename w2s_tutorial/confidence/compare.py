"""The remedy and its rivals on the same draws of the data, each at its own penalty.

The penalty, of PENALTIES, is the one whose head is right most often on a small labelled validation
set that is like the labelled set; ties go to the stronger. No true label of the pool is used for
that, nor any group. Methods that are told the groups choose by the worst group of a validation set
with balanced groups instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product

import torch
from torch import Tensor

from w2s_tutorial.confidence import group_rivals, rivals
from w2s_tutorial.confidence.retrain import UNTUNED, doubt, pick, retrain, rule, score_of
from w2s_tutorial.confidence.selection import (
    keep_alike,
    keep_top,
    labels_of,
    share_of,
    surest_of_each,
    within_classes,
)
from w2s_tutorial.heads import Heads
from w2s_tutorial.metrics import accuracy, group_accuracy
from w2s_tutorial.pipeline import soft
from w2s_tutorial.sample import Sample

PENALTIES = (0.01, 0.1, 1.0)
KEPT = (1.0, 0.7, 0.5, 0.35, 0.2)
FORGIVING = (0.0, 0.3, 0.7, 1.0)
TOL = rivals.TOL
ABLATION = {"selection only": (UNTUNED[0], 0.0), "GCE only": (1.0, UNTUNED[1]), "untuned": UNTUNED}

Results = dict[str, Tensor]


class Comparison:
    """One teacher, one student, b draws of the data: fits methods and judges them.

    Args:
        sets: "labeled", "pool", "validation" (like the labelled set), "balanced" (validation with
            balanced groups) and "test" (balanced groups), each with an h axis of b draws.

    Attributes:
        label: (b, n, 2) the teacher's hard labels of the pool.
        student: b vanilla students.
        score: (b, n) their confidence on the pool.
        results: "method/group 0" .. "method/group 3" -> (b,) test accuracy, and what else is
            recorded.
    """

    def __init__(self, sets: Mapping[str, Sample]) -> None:
        self.sets = dict(sets)
        self.l2 = torch.tensor(PENALTIES)
        self.x = self.sets["pool"].strong
        self.results: Results = {}
        labeled = self.sets["labeled"]
        every = rivals.vanilla(labeled.weak, labeled.target, self.l2)
        best = self._validated(every, "weak")
        self.weak = pick(every, best)
        self._judge("weak", self.weak, "weak")
        said = self.weak(self.sets["pool"].weak)
        self.label, self.soft = labels_of(said), soft(said)
        every = rivals.vanilla(self.x, self.label, self.l2)
        best = self._validated(every)
        self.student = pick(every, best)
        self.student_l2 = self.l2[best]
        self.score = score_of(self.student, self.x)
        self._judge("vanilla", self.student)
        self._judge("weak penalty", pick(every, torch.zeros_like(best)))
        self._judge("strong penalty", pick(every, torch.full_like(best, len(PENALTIES) - 1)))

    def remedy(self) -> None:
        """The (p, q) grid, its ablation, what tuning by validation would give, and an oracle."""
        cells = torch.tensor(list(product(KEPT, FORGIVING, PENALTIES)), dtype=torch.float64)
        p, q, l2 = cells.unbind(1)
        every = retrain(self.x, self.label, self.score, p=p, q=q, l2=l2, tol=TOL)
        at_penalty = self._right(every, "validation").unflatten(1, (-1, len(PENALTIES)))
        penalty = _last_best(at_penalty)  # (b, pq)
        first = len(PENALTIES) * torch.arange(penalty.shape[1])
        for n, (kept, forgiving) in enumerate(product(KEPT, FORGIVING)):
            chosen = pick(every, first[n] + penalty[:, n])
            self._judge(f"grid {kept:g} {forgiving:g}", chosen)
            for name in (name for name, cell in ABLATION.items() if cell == (kept, forgiving)):
                self._judge(name, chosen)
        cell = at_penalty.amax(-1).argmax(1, keepdim=True)  # of equals the nearest to vanilla
        tuned = first[cell] + penalty.gather(1, cell)
        self._judge("tuned on validation", pick(every, tuned[:, 0]))
        self._judge("oracle", pick(every, self._right(every, "test").argmax(1)))
        self.results["doubt"] = doubt(self.x, self.label, l2=self.student_l2, tol=TOL)
        p_rule, q_rule = rule(self.results["doubt"].double())
        self.results |= {"rule p": p_rule, "rule q": q_rule}
        cell = {"p": p_rule[:, None], "q": q_rule[:, None], "l2": self.l2.double()}
        self._choose("rule", retrain(self.x, self.label, self.score, **cell, tol=TOL))
        p, q = (torch.tensor([value], dtype=torch.float64) for value in UNTUNED)
        own, cell = labels_of(self.student(self.x)), {"p": p, "q": q, "l2": self.l2.double()}
        self._choose("own labels", retrain(self.x, own, self.score, **cell, tol=TOL))
        even = within_classes(self.score, self.label)
        self._choose("per class", retrain(self.x, self.label, even, **cell, tol=TOL))
        going = retrain(self.x, self.label, self.score, **cell, start=self.student, tol=TOL)
        self._choose("continued", going)

    def rivals(self) -> None:
        """Everything else that needs no groups."""
        labeled, pool = self.sets["labeled"], self.sets["pool"]
        x, label, l2 = self.x, self.label, self.l2
        both = torch.cat([x, labeled.strong], 1), torch.cat([label, labeled.target], 1)
        views = (labeled.weak, labeled.strong), (pool.weak, pool.strong)
        self._choose("confidence loss", rivals.confidence_loss(x, self.soft, l2))
        self._choose("self-training", rivals.self_training(x, label, l2))
        self._choose("co-training", rivals.co_training(*views, labeled.target, l2))
        self._choose("small loss", rivals.small_loss(x, label, self.student, l2))
        self._choose("label smoothing", rivals.vanilla(x, rivals.smoothed(label), l2))
        self._choose("soft labels", rivals.vanilla(x, self.soft, l2))
        self._choose("baseline", rivals.vanilla(labeled.strong, labeled.target, l2))
        self._choose("labels and pseudolabels", rivals.vanilla(*both, l2))
        self._choose("ceiling", rivals.vanilla(x, pool.target, l2))

    def told_groups(self) -> None:
        """Methods that know the groups: of the pool, or of a balanced labelled set."""
        group, balanced = self.sets["pool"].group, self.sets["balanced"]
        self._choose("DFR", rivals.vanilla(balanced.strong, balanced.target, self.l2))
        robust = group_rivals.group_dro(self.x, self.label, group, self.l2)
        self._choose("GroupDRO", robust, groups=True)
        held_back = rivals.vanilla(self.x, self.label, self.l2[-1:])
        grid = torch.tensor(list(product((1.0, 5.0, 20.0), PENALTIES)))
        upweight, l2 = grid.unbind(1)
        twice = group_rivals.just_train_twice(self.x, self.label, held_back, l2, upweight=upweight)
        self._choose("JTT", twice, groups=True)

    def reasons(self, generator: torch.Generator) -> None:
        """Whom selection keeps, and controls that share one property with it and no other."""
        pool = self.sets["pool"]
        right = self.label.argmax(-1) == pool.target.argmax(-1)
        few = (pool.group == 1) | (pool.group == 2)
        for p in KEPT:
            keep = keep_top(self.score, p)
            self.results |= {
                f"kept {p:g} minority": share_of(few, keep),
                f"kept {p:g} right": share_of(right, keep),
                f"kept {p:g} minority right": share_of(right, keep & few),
                f"kept {p:g} majority right": share_of(right, keep & ~few),
            }
        keep = keep_top(self.score, UNTUNED[0]) | surest_of_each(self.score, self.label)
        controls = {
            "at random": torch.zeros_like(pool.group),
            "same groups": pool.group,
            "same accuracy": right.long(),
            "same groups and accuracy": 2 * pool.group + right,
        }
        for name, stratum in controls.items():
            drawn = keep_alike(keep, stratum, seed=generator)
            self._choose(name, rivals.vanilla(self.x, self.label, self.l2, drawn))

    def _choose(self, name: str, every: Heads, *, groups: bool = False) -> None:
        by = self._worst(every) if groups else self._right(every, "validation")
        self._judge(name, pick(every, _last_best(by)))

    def _validated(self, every: Heads, view: str = "strong") -> Tensor:
        return _last_best(self._right(every, "validation", view))

    def _right(self, every: Heads, part: str, view: str = "strong") -> Tensor:
        """(b, m) accuracy on a part."""
        sample = self.sets[part]
        m = len(every) // len(sample.target)
        output = every(getattr(sample, view))
        return accuracy(output, sample.target.repeat_interleave(m, 0)).view(-1, m)

    def _worst(self, every: Heads) -> Tensor:
        sample = self.sets["balanced"]
        m = len(every) // len(sample.target)
        target, group = (v.repeat_interleave(m, 0) for v in (sample.target, sample.group))
        each = group_accuracy(every(sample.strong), target, group, groups=4)
        return each.amin(-1).view(-1, m)

    def _judge(self, name: str, heads: Heads, view: str = "strong") -> None:
        test = self.sets["test"]
        output = heads(getattr(test, view))
        each = group_accuracy(output, test.target, test.group, groups=4)
        self.results |= {f"{name}/group {g}": each[:, g] for g in range(4)}


def _last_best(value: Tensor) -> Tensor:
    """Index of the largest along the last axis; of equals the last, the strongest penalty."""
    return value.shape[-1] - 1 - value.flip(-1).argmax(-1)
