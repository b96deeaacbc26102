"""Checks of the exercises on discrepancy in real features; see `checks` for what they return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from pandas import DataFrame
from torch import Tensor

from w2s_tutorial.checks._common import require
from w2s_tutorial.checks.common import require_number
from w2s_tutorial.dimension import principal_coordinates
from w2s_tutorial.metrics import bootstrap_interval, pgr
from w2s_tutorial.overlap import axis_overlap, shared_dimension
from w2s_tutorial.problems import IntrinsicProblem
from w2s_tutorial.simulation.intrinsic import simulate

_TRIALS = 2000
_AXES = 4  # leading directions of either view
Views = tuple[Tensor, Tensor]


def check_shared_dimension(candidate: Callable[[Tensor, Tensor], float]) -> str:
    """A function (weak (m, d_w), strong (m, d_s)) -> correlation dimension, without its bias.

    Raises:
        CheckError: with the two views on which it fails, and the slip if there is one.
    """
    for m, d_weak, d_strong, common in ((60, 5, 4, 0), (60, 6, 6, 6), (200, 8, 5, 3)):
        weak, strong = _views(m, d_weak, d_strong, common)
        left, right = (torch.linalg.qr(view - view.mean(0)).Q for view in (weak, strong))
        cosines = torch.linalg.svdvals(left.T @ right)
        raw = float(cosines.square().sum())
        bare = [torch.linalg.qr(view).Q for view in (weak, strong)]
        uncentred = float((bare[0].T @ bare[1]).square().sum())

        def freed(raw: float, m: int, d: int = d_weak, e: int = d_strong) -> float:
            return (m * raw - d * e) / (m + raw - d - e)

        slips = {
            "That is the sum in this sample. Remove what chance adds to it.": raw,
            "Centring costs one example: put m - 1 where you have m.": freed(raw, m),
            "Centre both views first: a common mean is no shared direction.": freed(uncentred, m),
            "Take away the chance value, and also divide by what it scales.": raw
            - d_weak * d_strong / (m - 1),
            "Square the correlations before you sum them.": float(cosines.sum()),
        }
        at = f"{m} examples, {d_weak} and {d_strong} features, {common} in common"
        require_number(candidate(weak, strong), freed(raw, m - 1), at, slips, tolerance=1e-5)
    return "Right: nothing shared gives about 0, everything shared gives all."


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


def _lead(*risks: Tensor) -> Tensor:
    """PGR of the first three roles minus PGR of the last three."""
    return pgr(*risks[:3]) - pgr(*risks[3:])


def _views(m: int, d_weak: int, d_strong: int, common: int) -> Views:
    """Two views (m, any) with this many directions in common, rotated and off centre."""
    draw = {"generator": torch.Generator().manual_seed(m), "dtype": torch.float64}
    shared = torch.randn(m, common, **draw)  # type: ignore[call-overload]
    views = []
    for d in (d_weak, d_strong):
        own = torch.randn(m, d - common, **draw)  # type: ignore[call-overload]
        turn = torch.randn(d, d, **draw)  # type: ignore[call-overload]
        views.append(torch.cat([shared, own], 1) @ turn + 3)
    return views[0], views[1]


def _surely_positive(values: Tensor) -> bool:
    return float(values.mean()) > 4 * float(values.std() / len(values) ** 0.5)


def _order(rows: DataFrame) -> float:
    return float(rows["mean"].rank().corr(-rows["d_shared"].rank()))
