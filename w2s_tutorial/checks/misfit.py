"""Checks of the exercises on misfit; see `checks` for what they return and raise."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import permutations

import torch
from torch import Tensor

from w2s_tutorial.checks._common import require

_WEAK_ERROR, _MISFIT, _EPSILON = 0.5, 0.2, 0.05


def check_gain_and_misfit(candidate: Callable[..., tuple[Tensor, Tensor]]) -> str:
    """A function (strong, weak, target) -> gain, misfit of a linear head with a bias.

    It is called with strong (n, d) features, weak (n,) and target (n,).

    Raises:
        CheckError: with the property that fails, on the input on which it fails.
    """
    generator = torch.Generator().manual_seed(0)
    for n, d in ((40, 3), (25, 8), (60, 1)):
        strong = torch.randn(n, d, generator=generator, dtype=torch.float64)
        noise = torch.randn(2, n, generator=generator, dtype=torch.float64)
        target = strong.sum(1) + 2.0 + 0.5 * noise[0]
        weak = target + noise[1] + 0.7
        got = [float(value) for value in candidate(strong, weak, target)]
        require(len(got) == 2, f"Return two numbers, gain and misfit, got {len(got)}.")
        student, plain = _head(strong, weak), strong @ torch.linalg.pinv(strong) @ weak
        best = _head(strong, target)
        wanted = _gain_and_misfit(student, weak, target)
        slips = {
            _gain_and_misfit(plain, weak, target): "Your head has no bias.",
            _gain_and_misfit(best, weak, target): "Your student learnt the true labels; it must "
            "learn what the weak model says.",
            (-wanted[0], wanted[1]): "The sign of the gain: weak error minus student's error.",
            (n * wanted[0], n * wanted[1]): "Take means over the examples, not sums.",
            (wanted[1], wanted[0]): "Gain first, then misfit.",
            (wanted[1], wanted[1]): "They are equal only if the student can say the target; here "
            "it cannot, so compute both.",
        }
        if _close(got, wanted):
            continue
        hint = next((hint for slip, hint in slips.items() if _close(got, slip)), "")
        at = f"At n={n}, d={d}: gain {wanted[0]:.4g} and misfit {wanted[1]:.4g} are right"
        require(False, f"{at}, yours are {got[0]:.4g} and {got[1]:.4g}. {hint}")
    return "Right: the student is the projection of what its teacher says."


def check_error_range(low: float, high: float) -> str:
    """Between what the student's error lies if weak error is .5, misfit .2 and epsilon .05.

    Raises:
        CheckError: with what the ends forget.
    """
    missing = low is None or high is None
    require(not missing, f"Write your two numbers down first: they are {low} and {high}.")
    apart = 2 * math.sqrt(_MISFIT * _EPSILON)
    ends = _WEAK_ERROR - _MISFIT - apart, _WEAK_ERROR - _MISFIT + apart
    at_center = math.isclose(low, high) and math.isclose(low, _WEAK_ERROR - _MISFIT, abs_tol=1e-6)
    require(not at_center, "That is the error if the target were in the class. How far off is it?")
    halved = math.isclose(high - low, apart, abs_tol=1e-6)
    require(not halved, "Too narrow by half: the gain may lie on either side of the misfit.")
    right = math.isclose(low, ends[0], abs_tol=1e-3) and math.isclose(high, ends[1], abs_tol=1e-3)
    require(
        right,
        f"From {low:g} to {high:g} is not it. Weak error minus misfit is the middle; how far from "
        "it the error may be is twice a square root.",
    )
    return f"Right: from {ends[0]:g} to {ends[1]:g}. The upper end is the teacher's own error."


def check_harm(strong: Tensor, weak: Tensor, target: Tensor) -> str:
    """A linear student, with a bias, that refuses much and is worse than its teacher.

    Args:
        strong: (n, d) features.
        weak: (n,), what the weak model says.
        target: (n,), the true labels.

    Raises:
        CheckError: if the student follows its teacher, or is not worse.
    """
    gain, misfit = _gain_and_misfit(_head(strong, weak), weak, target)
    error = float((weak - target).square().mean())
    found = f"Weak error {error:.3g}, misfit {misfit:.3g}, gain {gain:.3g}"
    require(error > 0, f"{found}: let the teacher make mistakes.")
    require(misfit > 0.1 * error, f"{found}: the misfit should be a tenth of the weak error.")
    require(
        gain < -0.01 * error,
        f"{found}: the student is no worse. What must it refuse so that refusing hurts?",
    )
    return f"Found one. {found}."


def check_same_promise(strong: Tensor, first: Tensor, second: Tensor, target: Tensor) -> str:
    """Two teachers of one student with equal errors and equal misfits; one student gains.

    Args:
        strong: (n, any) features of the student.
        first, second: (n,), what the teachers say.
        target: (n,), the true labels.

    Raises:
        CheckError: if errors or misfits differ by over a hundredth, or the gains have one sign.
    """
    pairs = [_gain_and_misfit(_head(strong, weak), weak, target) for weak in (first, second)]
    errors = [float((weak - target).square().mean()) for weak in (first, second)]
    (gain, misfit), (other_gain, other_misfit) = pairs
    found = (
        f"Weak errors {errors[0]:.4f} and {errors[1]:.4f}, misfits {misfit:.3g} and "
        f"{other_misfit:.3g}, gains {gain:.3g} and {other_gain:.3g}"
    )
    require(min(misfit, other_misfit) > 1e-6, f"{found}: both should be refused something.")
    same = abs(errors[0] - errors[1]) <= 0.01 * errors[0]
    require(same, f"{found}: the weak errors should be the same.")
    same = abs(misfit - other_misfit) <= 0.01 * misfit
    require(same, f"{found}: the misfits should be the same.")
    apart = min(gain, other_gain) < 0 < max(gain, other_gain)
    require(apart, f"{found}: one gain should be above 0, the other below.")
    return f"Found them. {found}."


def check_chance(candidate: Callable[[Tensor, Tensor], float]) -> str:
    """A function (first, second) -> share of orders of second that correlate as much, in ranks.

    It is called with two tensors (n,) of different values, n at most 6. All n! orders count, the
    given one too, and a correlation of either sign.

    Raises:
        CheckError: with the slip, on the input on which it shows.
    """
    generator = torch.Generator().manual_seed(0)
    straight = torch.arange(5.0, dtype=torch.float64)
    draws = [torch.randn(6, generator=generator, dtype=torch.float64).exp() for _ in range(2)]
    bent = torch.tensor([1.0, 2.0, 3.0, 5.0, 4.0], dtype=torch.float64)
    for first, second in ((straight, -straight.exp()), (straight, bent), (draws[0], draws[1])):
        got = float(candidate(first, second))
        ranked = _orders(first.argsort().argsort().double(), second.argsort().argsort().double())
        ranks, plain = ranked.abs(), _orders(first, second).abs()
        wanted = _share(ranks >= ranks[0] - 1e-9)
        slips = {
            _share(ranked >= ranked[0] - 1e-9): "Compare sizes without their signs: the given "
            "correlation may be negative.",
            _share(ranked * ranked[0].sign() >= ranks[0] - 1e-9): "Count both signs.",
            _share(ranks > ranks[0] + 1e-9): "Orders that do as well as the given one count, too.",
            _share(plain >= plain[0] - 1e-9): "Correlate the ranks, not the values.",
            1 - wanted: "That is the share of the other orders.",
            wanted * len(ranks): "Divide by the number of all orders.",
        }
        if math.isclose(got, wanted, rel_tol=1e-6):
            continue
        hint = next((hint for slip, hint in slips.items() if math.isclose(got, slip)), "")
        values = (
            f"{[round(v, 3) for v in first.tolist()]}, {[round(v, 3) for v in second.tolist()]}"
        )
        require(False, f"For {values} the share is {wanted:.4g}, yours is {got:.4g}. {hint}")
    return "Right: that is how often chance alone orders as well."


def _orders(first: Tensor, second: Tensor) -> Tensor:
    """Correlation of first with every order of second, (n!,); the given order comes first."""
    orders = torch.tensor(list(permutations(range(len(second)))))
    x, y = first - first.mean(), second[orders] - second.mean()
    return (y @ x) / (x.norm() * y.norm(dim=1))


def _share(hit: Tensor) -> float:
    return float(hit.double().mean())


def _head(strong: Tensor, answer: Tensor) -> Tensor:
    """What the least-squares head with a bias says of its own examples, (n,)."""
    x = torch.cat([strong.double(), strong.new_ones(len(strong), 1, dtype=torch.float64)], 1)
    return x @ (torch.linalg.pinv(x) @ answer.double())


def _gain_and_misfit(student: Tensor, weak: Tensor, target: Tensor) -> tuple[float, float]:
    weak_error, student_error, misfit = (
        float((a - b).square().mean())
        for a, b in ((weak, target), (student, target), (student, weak))
    )
    return weak_error - student_error, misfit


def _close(got: list[float] | tuple[float, float], wanted: tuple[float, float]) -> bool:
    return all(
        math.isclose(g, w, rel_tol=1e-5, abs_tol=1e-9) for g, w in zip(got, wanted, strict=True)
    )
