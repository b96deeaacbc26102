"""Checks of the exercises on intrinsic dimension; see `checks` for what they return and raise."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from pandas import DataFrame
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


def check_order(answer: Mapping[tuple[str, str, str], float], table: DataFrame) -> str:
    """Rank correlations of PGR and minus the overlap, at noise 1, without the teacher `mixed`.

    Args:
        answer: by (form, target, dataset), for the forms cut and ridge.
        table: as in data/intrinsic, at full length.

    Raises:
        CheckError: with the setting that is missing or wrong, and the slip that gives its number.
    """
    rows = table[table["form"].isin(["cut", "ridge"]) & (table["noise"] == 1)]
    keys, worst = ["form", "target", "dataset"], -1.0
    for (form, target, dataset), group in rows.groupby(keys):
        at = str(form), str(target), str(dataset)
        real = group[group["examples"] == "real"]
        natural = real[real["teacher"] != "mixed"]
        wanted = _order(natural)
        require(at in answer, f"There is no number for {at}; give one for every {keys}.")
        slips = {
            "Least overlap first: correlate PGR with minus the overlap.": -wanted,
            "`mixed` was built to share: leave it out.": _order(real),
            "Rank both before you correlate.": natural["mean"].corr(-natural["d_shared"]),
            "That mixes normal examples with real ones.": _order(
                group[group["teacher"] != "mixed"]
            ),
        }
        require_number(float(answer[at]), wanted, str(at), slips, tolerance=5e-3)
        worst = max(worst, wanted)
    return f"Right: none of the eight exceeds {worst:.2f}, so neither target nor penalty saves it."


def _order(rows: DataFrame) -> float:
    return float(rows["mean"].rank().corr(-rows["d_shared"].rank()))


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
