"""Checks of the exercises on preferences; see `common` for what they return and raise."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from w2s_tutorial.checks._common import CheckError, require
from w2s_tutorial.checks.common import require_number
from w2s_tutorial.metrics import t_half_width
from w2s_tutorial.simulation.preferences import BASE, right_sums

_FOUR = ("won", "lost", "won_before", "lost_before")
_CASES = (
    ((-3.0, -5.0, -4.0, -4.0), 0.5),
    ((-6.0, -5.0, -4.0, -4.5), 0.1),
    ((-4.0, -4.0, -4.0, -4.0), 1.0),
    ((-900.0, -2.0, -4.0, -4.0), 2.0),
    ((-2.0, -900.0, -4.0, -4.0), 2.0),
)
_PAIRS = (((0.9, 0.7, 0.8, 0.95), (0.8, 0.65, 0.6, 0.9)), ((0.2, 0.5, 0.4), (0.4, 0.3, 0.6)))


def check_dpo(candidate: Callable[..., Any]) -> str:
    """A function (won, lost, won_before, lost_before, beta) of log-probabilities (b,) -> losses.

    Raises:
        CheckError: with the log-probabilities and the hint of the slip.
    """
    for values, beta in _CASES:
        won, lost, won_before, lost_before = values
        margin = (won - won_before) - (lost - lost_before)
        given = [torch.tensor([value], dtype=torch.float64) for value in values]
        got = torch.as_tensor(candidate(*given, beta))
        require(got.shape == (1,), f"Give one loss per pair, (1,) here, got {tuple(got.shape)}.")
        if not bool(got.isfinite()):
            raise CheckError(f"At a margin of {margin:g} nats yours is {float(got)}: logsigmoid.")
        slips = {
            "The sign: the loss falls as the chosen reply becomes likelier.": _loss(-beta * margin),
            "The reference is missing.": _loss(beta * (won - lost)),
            "beta is missing.": _loss(margin),
            "That is log sigmoid itself: a loss is its negative.": -_loss(beta * margin),
            "Only the chosen reply counts in yours.": _loss(beta * (won - won_before)),
        }
        at = f"At {', '.join(f'{n} {v:g}' for n, v in zip(_FOUR, values, strict=True))}"
        require_number(got, _loss(beta * margin), f"{at} and beta {beta:g}", slips)
    return "Right, and at margins of a thousand nats, too."


def _loss(argument: float) -> float:
    return -float(logsigmoid(torch.tensor(argument, dtype=torch.float64)))


def check_votes(predicted: Any) -> str:
    """The share of sums that the student of three teachers with twelve wrong ones gets right.

    Raises:
        CheckError: if it is off by more than .005; dice say what three such teachers are worth.
    """
    p = 13 / 25
    wanted = p**3 + 3 * p**2 * (1 - p) + 9 / 4 * p * (1 - p) ** 2
    slips = {
        "That is one teacher.": p,
        "A draw of three different sums counts: what the student knew decides it.": p**3
        + 3 * p**2 * (1 - p),
        "Two wrong teachers agree in one of four cases.": p**3
        + 3 * p**2 * (1 - p)
        + 3 * p * (1 - p) ** 2,
        "That is for eight wrong sums.": 0.91488,
    }
    require_number(predicted, wanted, "For twelve wrong sums", slips, tolerance=0.006)
    return f"Right: {_thrown(12):.3f} with dice, {wanted:.3f} by the formula."


def _thrown(wrong: int, draws: int = 4000) -> float:
    generator = torch.Generator().manual_seed(0)
    right = right_sums().flatten()
    place = torch.rand(draws, 3, BASE**2, generator=generator).argsort(-1) < wrong
    shift = torch.randint(1, BASE, place.shape, generator=generator)
    said = (right + place * shift) % BASE
    votes = torch.nn.functional.one_hot(said, BASE).sum(1).double()
    votes += 0.5 * torch.nn.functional.one_hot(right, BASE)  # what the student knew
    return float((votes.argmax(-1) == right).double().mean())


def check_fooled(first: Tensor, second: Tensor) -> str:
    """Probabilities (4,) of two replies' digits: the first wins digit by digit, and is not chosen.

    Raises:
        CheckError: if it does not win, or is chosen.
    """
    both = [torch.as_tensor(v, dtype=torch.float64) for v in (first, second) if v is not None]
    require(len(both) == 2 and all(v.shape == (4,) for v in both), "Give two tensors (4,).")
    fine = all(bool(((v > 0) & (v <= 1)).all()) for v in both)
    require(fine, "Probabilities lie above 0 and at most at 1.")
    likely = [int((v > 0.5).sum()) for v in both]
    nats = [float(v.log().sum()) for v in both]
    told = f"{likely[0]} and {likely[1]} digits above a half, {nats[0]:.2f} and {nats[1]:.2f} nats"
    require(likely[0] > likely[1], f"{told}: the first needs more digits above a half.")
    require(nats[1] > nats[0], f"{told}: the first is chosen. What does a product do to one zero?")
    return f"Found: {told}."


def check_blind(first: Sequence[float], second: Sequence[float]) -> str:
    """(won, lost, won_before, lost_before) of two models: equal loss, chosen up and down.

    Raises:
        CheckError: if losses differ, or the chosen reply does not move both ways.
    """
    given = [v for v in (first, second) if v is not None and len(v) == 4]
    require(len(given) == 2, "Give four log-probabilities for each model.")
    require(all(value <= 0 for v in given for value in v), "Log-probabilities are at most 0.")
    margins = [(v[0] - v[2]) - (v[1] - v[3]) for v in given]
    moved = [v[0] - v[2] for v in given]
    same = math.isclose(*margins, abs_tol=1e-9)
    require(same, f"Losses differ, because margins are {margins[0]:g} and {margins[1]:g} nats.")
    ways = moved[0] > 0 > moved[1] or moved[1] > 0 > moved[0]
    told = f"the chosen reply moves by {moved[0]:+g} and {moved[1]:+g} nats"
    require(ways, f"Equal losses, but {told}: once up and once down is asked for.")
    return f"Found: equal losses, and {told}."


def check_paired(candidate: Callable[[Tensor, Tensor], Any]) -> str:
    """A function of rewards (s,) of the same seeds -> mean difference and its 95 % interval.

    Raises:
        CheckError: with the hint of the slip, such as an interval that is not paired.
    """
    for pair in _PAIRS:
        first, second = (torch.tensor(values, dtype=torch.float64) for values in pair)
        gap, s = first - second, len(first)
        try:
            mean, low, high = candidate(first.clone(), second.clone())
        except (TypeError, ValueError):
            raise CheckError("Give three numbers: the mean and the interval's ends.") from None
        at = f"For {list(pair[0])} and {list(pair[1])}"
        slips = {"Subtract the second from the first.": -float(gap.mean())}
        require_number(mean, float(gap.mean()), f"{at}, the mean", slips)
        error = float(gap.std()) / s**0.5
        apart = float((first.var() + second.var()).sqrt()) / s**0.5
        half, middle = float(t_half_width(error, s)), float(gap.mean())
        slips = {
            "Differences first: the seeds are the same.": middle - float(t_half_width(apart, s)),
            "With so few seeds Student's t is wider than 1.96.": middle - 1.96 * error,
            "Divide by the root of the number of seeds.": middle - half * s**0.5,
            "Divide by s - 1 in the variance.": middle - half * ((s - 1) / s) ** 0.5,
        }
        require_number(low, middle - half, f"{at}, the lower end", slips)
        require_number(high, middle + half, f"{at}, the upper end", {})
    return "Right: the unit is the seed."
