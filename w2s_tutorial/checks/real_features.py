"""Checks of the exercises on discrepancy in real features; see `checks` for what they return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from pandas import DataFrame
from torch import Tensor

from w2s_tutorial.checks._common import require
from w2s_tutorial.checks.common import require_number
from w2s_tutorial.metrics import bootstrap_interval, pgr
from w2s_tutorial.overlap import axis_overlap, principal_coordinates, shared_dimension
from w2s_tutorial.problems import IntrinsicProblem
from w2s_tutorial.simulation.intrinsic import simulate

_TRIALS = 2000
_AXES = 4  # leading directions of either view
Views = tuple[Tensor, Tensor]


def check_noisy_end(candidate: Callable[..., float]) -> str:
    """A function (n_labeled, n_pool, d_weak, d_strong, d_shared) -> PGR under endless label noise.

    Raises:
        CheckError: with the sizes on which it fails, and the slip if there is one.
    """
    for sizes in ((200, 800, 16, 16, 6.0), (60, 100, 20, 10, 0.0), (400, 90, 30, 40, 12.5)):
        n, pool, d_weak, d_strong, d_shared = sizes
        spent, lavish = n - d_weak - 1, n
        returned = (d_weak - d_shared) * d_strong / (pool - d_strong - 1)
        on_pool = (d_weak - d_shared) * d_strong / pool
        weak, student = d_weak / spent, (d_shared + returned) / spent
        ceiling = d_strong / (n + pool - d_strong - 1)
        slips = {
            "That is on the pool's own examples; PGR here is on fresh ones.": _recovered(
                weak, (d_shared + on_pool) / spent, ceiling
            ),
            "The ceiling is not perfect: its labels are noisy too.": _recovered(weak, student, 0),
            "The ceiling learns from labelled set and pool together.": _recovered(
                weak, student, d_strong / (pool - d_strong - 1)
            ),
            "That is for an endless pool.": _recovered(weak, d_shared / spent, ceiling),
            "A fit spends examples: n - d - 1, not n.": _recovered(
                d_weak / lavish, (d_shared + returned) / lavish, d_strong / (n + pool)
            ),
        }
        got = candidate(*sizes)
        at = "n={}, N={}, d_weak={}, d_strong={}, d_shared={}".format(*sizes)
        require_number(got, _recovered(weak, student, ceiling), at, slips)
    return "Right: under endless noise sizes and overlap decide, and nothing that anybody knows."


def check_turn(noise: float, stranger: IntrinsicProblem, relative: IntrinsicProblem) -> str:
    """The noise variance at which two teachers' students recover equally much.

    Args:
        noise: above it the student of stranger recovers more, below it that of relative.
        stranger: the problem of the teacher that shares less.
        relative: of the teacher that shares more.

    Raises:
        CheckError: if the order has turned well below that noise, or has not well above it.
    """
    require(
        isinstance(noise, int | float) and 0 < noise < 100, "Give a variance between 0 and 100."
    )
    for at, ahead in ((noise * 1.25, True), (noise / 1.25, False)):
        risks = []
        for problem in (stranger, relative):
            drawn = simulate(replace(problem, noise=at), trials=_TRIALS, seed=0)
            risks += [drawn.weak, drawn.student, drawn.ceiling]
        low, high = bootstrap_interval(_lead, *risks, seed=0)
        found = f"At a variance of {at:.3g} the stranger's student is ahead by {_lead(*risks):+.3f}"
        way = "small" if ahead else "large"
        require(bool(low > 0 if ahead else high < 0), f"{found} in PGR: yours is too {way}.")
    return f"Right: the order turns at a noise variance of about {noise:.2g}."


def check_fooled(pairs: Mapping[str, Views]) -> str:
    """Two pairs of views that the overlap of principal axes gets wrong, either way.

    Args:
        pairs: "missed" -> (weak, strong), with 4 common leading directions of which the axes show
            next to nothing; "invented" -> (weak, strong), with none, where the axes show nearly 4.

    Raises:
        CheckError: with the pair that does not do it, and both measures of it.
    """
    for name, all_shared in (("missed", True), ("invented", False)):
        require(name in pairs, f"There is no pair {name!r}.")
        weak, strong = pairs[name]
        tops = [principal_coordinates(view, _AXES) for view in (weak, strong)]
        shared = float(shared_dimension(*tops))
        axes = float(axis_overlap(weak, strong, d_weak=_AXES, d_strong=_AXES, seed=0))
        found = f"{name}: on common examples {shared:.2f} directions are shared, by axes {axes:.2f}"
        true, shown = (shared > 3.9, axes < 0.4) if all_shared else (shared < 0.4, axes > 3.6)
        wanted = "all 4, and by axes below 0.4" if all_shared else "none, and by axes above 3.6"
        require(true and shown, f"{found}. Asked for: {wanted}.")
    return "Found both: axes miss what is shared, and invent what is not."


def check_failed_baseline(problem: IntrinsicProblem) -> str:
    """A problem with an OPR above 5 whose student is worse than its teacher.

    Raises:
        CheckError: if simulation does not find both, by four standard errors.
    """
    risks = simulate(problem, trials=_TRIALS, seed=0)
    means = [float(role.mean()) for role in (risks.weak, risks.student, risks.baseline)]
    opr = means[2] / means[1]
    found = f"OPR is {opr:.1f}, and the student has {means[1] / means[0]:.2f} times its teacher's"
    gained, failed = risks.student - risks.weak, risks.baseline - 5 * risks.student
    require(
        _surely_positive(gained), f"{found} risk: that has to be above 1. How large is the pool?"
    )
    require(
        _surely_positive(failed),
        f"{found} risk: OPR has to be above 5. With how many labels does the baseline fail?",
    )
    return f"Found one: {found} risk. The baseline failed; the student did not shine."


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


def _recovered(weak: float, student: float, ceiling: float) -> float:
    return (weak - student) / (weak - ceiling)


def _lead(*risks: Tensor) -> Tensor:
    """PGR of the first three roles minus PGR of the last three."""
    return pgr(*risks[:3]) - pgr(*risks[3:])


def _surely_positive(values: Tensor) -> bool:
    return float(values.mean()) > 4 * float(values.std() / len(values) ** 0.5)


def _order(rows: DataFrame) -> float:
    return float(rows["mean"].rank().corr(-rows["d_shared"].rank()))
