"""Checks of the exercises on confidence retraining; see `common` for what they return and raise."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from w2s_tutorial.checks._common import CheckError, interval, require
from w2s_tutorial.checks.common import require_number
from w2s_tutorial.confidence.compare import vanilla
from w2s_tutorial.confidence.retrain import UNTUNED, retrain
from w2s_tutorial.confidence.selection import confidence
from w2s_tutorial.metrics import accuracy, t_half_width
from w2s_tutorial.pipeline import hard
from w2s_tutorial.sample import Sample

_L2, _FEWEST, _LARGEST = 0.05, 10, 4000
_GAINS = (7.0, 9.0, 8.0, 6.5, -10.0, -13.0, 1.0)
_NETWORKS = (("a", "a", "a", "a", "b", "b", "c"), ("b", "a", "b", "a", "c", "d", "a"))
_LOG_P = (-12.0, -2.0, -0.7, -0.05, -1e-7)


def check_gce(candidate: Callable[[Tensor, float], Tensor]) -> str:
    """A function (log_p, q) -> loss of labels with log-probability log_p, for any q from 0 to 1.

    Raises:
        CheckError: with the q and log-probability at which the answer is wrong.
    """
    log_p = torch.tensor(_LOG_P)
    for q in (1.0, 0.7, 0.1, 0.0, 1e-6):
        exact = -log_p.double() if q == 0 else -torch.expm1(q * log_p.double()) / q
        got = torch.as_tensor(candidate(log_p.clone(), q)).double()
        require(got.shape == log_p.shape, f"Give one loss per label: {tuple(log_p.shape)}.")
        for value, right, mine in zip(_LOG_P, exact.tolist(), got.tolist(), strict=True):
            if math.isclose(mine, right, rel_tol=1e-5):
                continue
            where = (
                f"At q = {q:g} and log p = {value:g}: {right:.6g} is right, yours is {mine:.6g}."
            )
            require(False, f"{where} {_hint(mine, right, value, q)}")
    return "Right, and to the last digit in single precision."


def _hint(mine: float, right: float, log_p: float, q: float) -> str:
    if not math.isfinite(mine):
        return "At q = 0 the formula divides 0 by 0. What is its limit?"
    if math.isclose(mine, -right, rel_tol=1e-3):
        return "The sign: a loss is lowest, 0, where the label is certain."
    if q < 1 and math.isclose(mine, q * right, rel_tol=1e-3):
        return "Divide by q, or small q would make all losses small."
    if math.isclose(mine, -log_p, rel_tol=1e-3):
        return "That is cross-entropy, the limit q = 0."
    if q == 1e-6 or abs(log_p) < 1e-6:
        return "In single precision 1 - p^q loses its digits when p^q is near 1. See torch.expm1."
    return ""


def check_by_network(candidate: Callable[[NDArray[np.float64], list[str]], Any]) -> str:
    """A function (gain (n,), names (n,)) -> mean over networks, half of its 95 % interval.

    Raises:
        CheckError: with the hint of the slip, such as counting pairs.
    """
    for names in _NETWORKS:
        gain, of = np.array(_GAINS), np.array(names)
        each = np.array([gain[of == name].mean() for name in dict.fromkeys(names)])
        n, every = len(each), len(gain)
        try:
            mean, half = candidate(gain.copy(), list(names))
        except (TypeError, ValueError):
            raise CheckError("Give two numbers: the mean, and half of the interval.") from None
        at = f"For gains {list(_GAINS)} of {' '.join(names)}"
        slips = {
            "A network with many teachers counts more often in a mean over pairs.": gain.mean(),
            "That is the median of the pairs.": float(np.median(gain)),
            "That is the median of the networks: give their mean.": float(np.median(each)),
        }
        require_number(mean, each.mean(), f"{at}, the mean", slips)
        error, loose = each.std(ddof=1) / n**0.5, gain.std(ddof=1) / every**0.5
        slips = {
            "Pairs of one network are not independent: count networks.": _half(loose, every),
            "The unit is the network: its standard error has fewer values.": _half(error, every),
            "With so few networks Student's t is wider than 1.96.": 1.96 * error,
            "Divide by n - 1 in the variance.": _half(each.std() / n**0.5, n),
            "Divide by the root of the number of networks.": _half(each.std(ddof=1), n),
            "Half of the interval, not all of it.": 2 * _half(error, n),
            "That is the standard error.": error,
        }
        require_number(half, _half(error, n), f"{at}, half of the interval", slips)
    return "Right: the unit is the network."


def _half(error: float, n: int) -> float:
    return float(t_half_width(error, n))


def check_harm(sets: Mapping[str, Sample]) -> str:
    """Sets "labeled", "pool" and "test" on which retraining with p = .5, q = .7 harms the student.

    Retraining on a random half has to harm it less: half as many examples can cost by themselves.

    Raises:
        CheckError: if the interval of retrained minus vanilla accuracy is not below 0, or that of
            retrained minus retrained on a random half, both paired by head.
    """
    lacking = [part for part in ("labeled", "pool", "test") if part not in sets]
    require(not lacking, f"Give the sets labeled, pool and test; {lacking} are missing.")
    labeled, pool, test = (sets[part] for part in ("labeled", "pool", "test"))
    heads, size = len(test.target), max(len(labeled), len(pool), len(test))
    require(heads >= _FEWEST, f"Draw at least {_FEWEST} heads to be sure, got {heads}.")
    require(size <= _LARGEST, f"Keep sets to {_LARGEST} examples, got {size}.")
    l2 = torch.tensor([_L2], dtype=torch.float64)
    label = hard(vanilla(labeled.weak, labeled.target, l2)(pool.weak))
    student = vanilla(pool.strong, label, l2)
    p, q = (torch.tensor([value], dtype=torch.float64) for value in UNTUNED)
    score = confidence(student(pool.strong))
    chance = torch.rand(score.shape, generator=torch.Generator().manual_seed(0)).to(score)
    sure, random = (
        retrain(pool.strong, label, by, p=p, q=q, l2=l2, tol=1e-4) for by in (score, chance)
    )
    after, by_chance, before = (
        accuracy(each(test.strong), test.target) for each in (sure, random, student)
    )
    low, high = interval(after - before)
    found = f"Retraining changes accuracy by {100 * (after - before).mean():+.1f} points"
    found += f" ({100 * low:+.1f} to {100 * high:+.1f})"
    require(high < 0, f"{found}: it has to harm. When are confident labels no better than others?")
    low, high = interval(after - by_chance)
    found += f"; against a random half, {100 * (after - by_chance).mean():+.1f} points"
    found += f" ({100 * low:+.1f} to {100 * high:+.1f})"
    require(high < 0, f"{found}: keeping any half has to harm less. Whom does confidence drop?")
    return f"Found one. {found}."
