"""The plot of the molecules: what students gain against what they refuse to learn."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from pandas import DataFrame

from w2s_tutorial.figures import findings
from w2s_tutorial.figures.plots import dress

_SHAPE = ("v", "P", "X", "h")  # no role's marker


def gain_against_misfit(ax: Axes, table: DataFrame, series: str) -> Axes:
    """Draw gains with intervals against misfits; on the line through 0 both are equal.

    Args:
        table: one row per teacher and data set; columns series, misfit, mean, low, high, of
            which the last three are the gain. All in one unit.
        series: name of the column that tells the data sets apart, at most 4 of them.

    Raises:
        ValueError: if a column is missing, a number is not finite, or there are over 4 series.
    """
    findings.check_table("table", table, finite=["misfit", "mean", "low", "high"])
    if series not in table:
        raise ValueError(f"table must have a column {series}, got {list(table.columns)}")
    kinds = list(dict.fromkeys(table[series]))
    if len(kinds) > len(_SHAPE):
        raise ValueError(f"{series} may have {len(_SHAPE)} values at most, got {len(kinds)}")
    most = 1.08 * max(table["misfit"].max(), table["high"].max())
    line: dict[str, Any] = {"color": "black", "linewidth": 1.2}
    ax.plot([0, most], [0, most], zorder=1, **line)
    ax.axhline(0, color="black", linewidth=0.8, alpha=0.4, zorder=0)
    keys = [Line2D([], [], label="gain = misfit", **line)]
    said = ["Gain of the student against its misfit"]
    for kind, shape in zip(kinds, _SHAPE, strict=False):
        rows = table[table[series] == kind].sort_values("misfit")
        dots: dict[str, Any] = {"marker": shape, "markersize": 9, "color": "black"}
        dots |= {"markeredgecolor": "white", "markeredgewidth": 0.7, "linestyle": "none"}
        ax.vlines(rows["misfit"], rows["low"], rows["high"], color="black", lw=1.2, zorder=2)
        ax.plot(rows["misfit"], rows["mean"], zorder=3, **dots)
        keys.append(Line2D([], [], label=str(kind), **dots))
        met = int(rows["misfit"].between(rows["low"], rows["high"]).sum())
        below = int((rows["high"] < rows["misfit"]).sum())
        ends = [findings.number(value) for value in (rows["misfit"].min(), rows["misfit"].max())]
        said.append(
            f"{kind}: misfits from {ends[0]} to {ends[1]}; {met} of {len(rows)} intervals of the "
            f"gain contain the misfit, {below} lie below it"
        )
    dress(ax, "misfit", "gain", keys)
    ax.set_label(findings.sentences(said))
    return ax
