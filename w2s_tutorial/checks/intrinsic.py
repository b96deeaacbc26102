"""Checks of the exercises on intrinsic dimension; see `checks` for what they return and raise."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from w2s_tutorial.checks._common import require
from w2s_tutorial.checks.common import require_number
from w2s_tutorial.problems import IntrinsicProblem, Risks
from w2s_tutorial.simulation.intrinsic import simulate

_TRIALS = 1000
_SIZES = (  # n_labeled, n_pool, d_weak, d_strong, d_shared, noise
    (60, 100, 20, 10, 4, 1.0),
    (30, 15, 12, 6, 0, 0.5),
    (500, 40, 30, 15, 15, 2.0),
)


def check_student_variance(candidate: Callable[..., float]) -> str:
    """A function (n_labeled, n_pool, d_weak, d_strong, d_shared, noise) -> variance.

    Raises:
        CheckError: with the property that fails, on the sizes on which it fails.
    """
    for n, pool, d_weak, d_strong, d_shared, noise in _SIZES:
        got = float(candidate(n, pool, d_weak, d_strong, d_shared, noise))
        spared, returned = d_weak - d_shared, d_strong / (pool - d_strong - 1)
        teacher = noise / (n - d_weak - 1)
        slips = {
            teacher * (d_shared + spared * d_strong / pool): "That is the variance on the pool. "
            "On fresh examples what the student cannot express comes back more strongly.",
            noise / n * (d_shared + spared * returned): "The teacher met fresh examples too: its "
            "variance per direction is more than noise / n_labeled.",
            teacher * d_weak: "That is the teacher's own variance. Which part does the pool "
            "average away?",
            teacher * d_shared: "That is the limit of an endless pool. What does a finite one add?",
        }
        at = f"n={n}, N={pool}, d_weak={d_weak}, d_strong={d_strong}, d_shared={d_shared}"
        wanted = teacher * (d_shared + spared * returned)
        if math.isclose(got, wanted, rel_tol=1e-6):
            continue
        hint = next((hint for slip, hint in slips.items() if math.isclose(got, slip)), "")
        require(False, f"At {at}, noise={noise}: {wanted:.5g} is right, yours is {got:.5g}. {hint}")
    return "Right: inherited in the shared directions, and returned in part from the others."


def check_threshold(n_pool: int, problem: IntrinsicProblem) -> str:
    """The least pool at which the student of a problem is better than its teacher.

    Raises:
        CheckError: if the student still loses there, or already wins with 3 examples fewer.
    """
    least = problem.d_strong + 8
    require(
        isinstance(n_pool, int) and n_pool >= least,
        f"Give a whole number of at least {least}: with fewer, simulated means hardly settle.",
    )
    for pool, wins in ((n_pool + 3, True), (n_pool - 3, False)):
        risks = _simulate(problem, n_pool=pool)
        low, high = _interval(risks.weak - risks.student)
        ratio = float(risks.student.mean() / risks.weak.mean())
        found = f"At N={pool} the student has {ratio:.3f} times its teacher's risk"
        require(high > 0 if wins else low < 0, f"{found}: your N is too {_way(wins)}.")
    return f"Right: around N={n_pool} the two are level."


def check_bound_fails(problem: IntrinsicProblem) -> str:
    """A problem whose PGR lies below the published lower bound, and the bound says something.

    Raises:
        CheckError: if the bound is not above 0, or simulation does not find PGR below it.
    """
    n, pool, d_weak, d_strong = problem.n_labeled, problem.n_pool, problem.d_weak, problem.d_strong
    rho = sum(_missed(problem, axes[0]) for axes in (problem.weak_axes, problem.strong_axes))
    spread = problem.d_shared + (d_weak - problem.d_shared) * d_strong / pool
    problem.require_finite_risk()
    bound = 1 - n / d_weak * (spread / (n - d_weak - 1) + rho / problem.noise)
    require(bound > 0, f"The bound is {bound:.2f} here. Find one above 0: it has to claim a gain.")
    risks = _simulate(problem)
    # Not the ratio itself but a difference that is negative exactly where PGR is below the bound.
    _, high = _interval(risks.weak - risks.student - bound * (risks.weak - risks.ceiling))
    measured = (risks.weak - risks.student).mean() / (risks.weak - risks.ceiling).mean()
    found = f"The bound is {bound:.2f}, measured PGR {measured:.2f}"
    require(
        high < 0,
        f"{found}: that must lie below, beyond doubt. Where is d_s/N far from d_s/(N-d_s-1)?",
    )
    return f"Found one. {found}."


def check_recovered_but_beaten(problem: IntrinsicProblem) -> str:
    """A problem whose student recovers over 70 % of the gap and is worse than the baseline.

    Raises:
        CheckError: if simulation does not find both, beyond doubt.
    """
    risks = _simulate(problem)
    measured = float((risks.weak - risks.student).mean() / (risks.weak - risks.ceiling).mean())
    low, _ = _interval(risks.weak - risks.student - 0.7 * (risks.weak - risks.ceiling))
    require(low > 0, f"PGR is {measured:.2f}, above 0.7 is asked for. Try a smaller overlap.")
    ratio = float(risks.baseline.mean() / risks.student.mean())
    low, _ = _interval(risks.student - risks.baseline)
    require(low > 0, f"OPR is {ratio:.2f}, below 1 is asked for. Who gains from more labels?")
    return f"Found one: PGR {measured:.2f} and OPR {ratio:.2f}."


def check_parts(
    answer: Mapping[int, Mapping[str, float]], problems: Mapping[int, IntrinsicProblem]
) -> str:
    """The student's bias and variance, each divided by its teacher's.

    Args:
        answer: name of a problem -> {"bias": ratio, "variance": ratio}.
        problems: name -> the problem.

    Raises:
        CheckError: with the problem and part that is missing or wrong, and the slip that gives its
            number.
    """
    for name, p in problems.items():
        given = answer.get(name, {})
        lacking = {"bias", "variance"} - set(given)
        require(not lacking, f"There is no {' and '.join(sorted(lacking))} for {name}.")
        weak, strong = ((b @ b.T @ p.target, b) for b in (p.weak_axes[0], p.strong_axes[0]))
        missed = p.target - weak[0]
        inherited = (strong[1].T @ missed).square().sum()
        foreign = weak[0] - strong[1] @ (strong[1].T @ weak[0])
        unseen = (p.target - strong[0]).square().sum()
        g, on_pool = p.d_strong / (p.n_pool - p.d_strong - 1), p.d_strong / p.n_pool
        rho = float(missed.square().sum())
        bias = float(unseen + inherited + g * foreign.square().sum())
        variance = p.d_shared + g * (p.d_weak - p.d_shared)
        per_direction = (p.noise + rho) / (p.n_labeled - p.d_weak - 1)
        whole = (bias + per_direction * variance) / (rho + per_direction * p.d_weak)
        pool = (p.d_shared + on_pool * (p.d_weak - p.d_shared)) / p.d_weak
        both = "That is the ratio of the whole risks. Split them first."
        turned = "That is upside down: the student's over its teacher's."
        wanted = bias / rho, variance / p.d_weak
        own = float(unseen) / rho
        slips = (
            {both: whole, turned: rho / bias, "That is the error of the best student.": own},
            {both: whole, turned: p.d_weak / variance, "That is on the pool, d_s/N.": pool},
        )
        for part, right, hints in zip(("bias", "variance"), wanted, slips, strict=True):
            require_number(given[part], right, f"{name}, {part}", hints, tolerance=5e-3)
    return "Right. The variances make the order, the biases do not."


def _simulate(problem: IntrinsicProblem, n_pool: int | None = None) -> Risks:
    chosen = problem if n_pool is None else replace(problem, n_pool=n_pool)
    return simulate(chosen, trials=_TRIALS, seed=torch.Generator().manual_seed(0))


def _missed(problem: IntrinsicProblem, basis: Tensor) -> float:
    return float((problem.target - basis @ (basis.T @ problem.target)).square().sum())


def _interval(values: Tensor) -> tuple[float, float]:
    """Four standard errors to either side of the mean."""
    half = float(4 * values.std() / len(values) ** 0.5)
    return float(values.mean()) - half, float(values.mean()) + half


def _way(wins: bool) -> str:
    return "small" if wins else "large"
