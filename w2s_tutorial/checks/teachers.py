"""Checks of the exercises on several teachers; see `common` for what they return and raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from w2s_tutorial.checks._common import CheckError, require
from w2s_tutorial.checks.common import require_number
from w2s_tutorial.metrics import accuracy
from w2s_tutorial.mixtures import followed, learn

_PAIRS = (
    ([2.0, 0.0], [0.0, 1.0]),
    ([3.0, 1.0], [1.0, 0.5]),
    ([0.5, 0.1], [2.0, 1.0]),
    ([-1.0, 2.0], [2.0, 1.0]),
)
_WEIGHT = ((0.6, 0.3, 0.1), (0.2, 0.7, 0.1), (0.5, 0.3, 0.2), (0.1, 0.2, 0.7), (0.4, 0.5, 0.1))
_ACCURACY = ((0.9, 0.8, 0.7), (0.6, 0.5, 0.9), (0.8, 0.9, 0.7), (0.4, 0.6, 0.5), (0.9, 0.8, 0.6))


def check_two(candidate: Callable[[Tensor, Tensor], Any]) -> str:
    """A function of two gradients (d,) -> the weight of the first in their shortest mixture.

    Raises:
        CheckError: with the gradients and the hint of the slip.
    """
    for first, second in _PAIRS:
        a, b = (torch.tensor(g, dtype=torch.float64) for g in (first, second))
        way = b - a
        free = float(way @ b / (way @ way))
        wanted = min(max(free, 0.0), 1.0)
        lengths = float(b.norm() / (a.norm() + b.norm()))
        slips = {
            "A weight lies between 0 and 1: clip.": free,
            "That is the weight of the second gradient.": 1 - wanted,
            "Lengths alone do not say it: their angle matters.": lengths,
            "Divide by the squared distance of the two gradients.": float(way @ b),
        }
        got = candidate(a.clone(), b.clone())
        require_number(got, wanted, f"For gradients {first} and {second}", slips)
    return "Right, inside the segment and at both its ends."


def check_caps(third: Any, half: Any, one: Any) -> str:
    """What AE-KD's mixture of .95, .9 and .8 says beside a student of .5, for three caps.

    Raises:
        CheckError: with the cap at which the number is wrong.
    """
    teachers = (0.95, 0.9, 0.8)
    mean = sum(teachers) / 3
    farthest = "That is the mixture farthest from the student."
    require_number(third, mean, "C = 1/3", {"All weights are equal here.": 0.8, farthest: 0.95})
    slips = {
        "Two teachers fill the cap: the nearest two.": mean,
        "The cap forbids all weight on one teacher.": 0.8,
        farthest: 0.925,
    }
    require_number(half, 0.85, "C = 1/2", slips)
    slips = {"Nothing keeps the weight from one teacher: which?": mean, farthest: 0.95}
    require_number(one, 0.8, "C = 1", slips)
    return "Right: the larger the cap, the more the modest teacher counts."


def check_dropped(strong: Tensor, said: Tensor, label: Tensor) -> str:
    """A pool on which RAVEN drops the most accurate of three teachers, the first.

    Args:
        strong: (n, d) features of the student, n from 50 to 2000.
        said: (3, n, 2) probabilities.
        label: (n,) integers, 0 or 1.

    Raises:
        CheckError: if the first teacher is not the best by 10 points, or keeps .1 of the weight.
    """
    parts = strong, said, label
    require(all(isinstance(p, Tensor) for p in parts), "Give three tensors.")
    n = len(label)
    shapes = said.shape == (3, n, 2) and strong.dim() == 2 and len(strong) == n
    require(shapes and 50 <= n <= 2000, "Give (n, d), (3, n, 2) and (n,), n from 50 to 2000.")
    right = accuracy(said, label)
    best = f"Accuracies are {', '.join(f'{a:.2f}' for a in right.tolist())}"
    require(bool(right[0] >= right[1:].max() + 0.1), f"{best}: the first has to lead by .1.")
    try:
        taught = learn(
            strong[None].double(), said[:, None].double(), followed(lr=0.03),
            steps=400, lr=0.03, l2=0.01, batch=n, easy=0.5,
        )  # fmt: skip
    except ValueError as error:
        raise CheckError(f"RAVEN cannot run: {error}.") from None
    kept = float(taught.weight[-1, 0, 0])
    found = f"{best}; RAVEN ends with a weight of {kept:.2f} on the first"
    require(kept < 0.1, f"{found}: it has to be below .1. What besides being right makes weight?")
    return f"Found one. {found}."


def check_together(first: Tensor, second: Tensor, label: Tensor) -> str:
    """Two trios of answers (3, n) with equal accuracies; the majority helps in one, harms in one.

    Raises:
        CheckError: if accuracies differ, or a majority is not beyond all its members.
    """
    require(all(isinstance(p, Tensor) for p in (first, second, label)), "Give three tensors.")
    shape = (3, len(label))
    require(first.shape == second.shape == shape, f"Give answers (3, n), here {shape}.")
    every = torch.cat([first.flatten(), second.flatten(), label])
    require(bool(((every == 0) | (every == 1)).all()), "Answers and truth are 0 or 1.")
    singles = [(trio == label).double().mean(1) for trio in (first, second)]
    same = torch.equal(*(single.sort().values for single in singles))
    require(same, f"Accuracies have to be equal, got {singles[0].tolist()}, {singles[1].tolist()}.")
    votes = [float(((t.sum(0) >= 2) == label).double().mean()) for t in (first, second)]
    told = f"majorities reach {votes[0]:.2f} and {votes[1]:.2f}"
    better = votes[0] > float(singles[0].max())
    require(better, f"The first majority has to beat its best member: {told}.")
    worse = votes[1] < float(singles[1].min())
    require(worse, f"The second majority has to fall below its worst member: {told}.")
    return f"Found both: from equal teachers {told}."


def check_share(candidate: Callable[[Tensor, Tensor], Any]) -> str:
    """A function of weights and accuracies (h, m) -> share of draws that find the best teacher.

    Raises:
        CheckError: with the hint of the slip, such as comparing means.
    """
    weight, right = (torch.tensor(v, dtype=torch.float64) for v in (_WEIGHT, _ACCURACY))
    hits = weight.argmax(1) == right.argmax(1)
    columns = (weight.argmax(0) == right.argmax(0)).double().mean()
    of_means = float(weight.mean(0).argmax() == right.mean(0).argmax())
    slips = {
        "Compare within each draw: a mean over draws has none left.": of_means,
        "The largest over teachers, dimension 1, not over draws.": float(columns),
        "A share of draws, not their number.": float(hits.sum()),
        "That is the share that miss it.": 1 - float(hits.double().mean()),
    }
    at = f"For five draws of three teachers with weights {weight.tolist()}"
    wanted = float(hits.double().mean())
    require_number(candidate(weight.clone(), right.clone()), wanted, at, slips)
    return "Right."
