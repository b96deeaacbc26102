"""Plots of the chapter on misfit: a point per task, a curve per teacher, a count per loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike
from pandas import DataFrame

from w2s_tutorial.figures import findings
from w2s_tutorial.figures.plots import COLOR, MARKER, TEXT_SIZE, dress

_SHAPE = ("v", "P", "X", "h")  # no role's marker
_DASH: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (5, 2, 1, 2)))


def gain_per_task(ax: Axes, table: DataFrame, *, limit: float) -> Axes:
    """Draw the gain of each task against its misfit, over the line where the two are equal.

    Args:
        table: one row per task; columns misfit, gain.
        limit: both axes end here; the gain begins at a quarter of it below 0. Points beyond are
            counted in the words and drawn at the edge.

    Raises:
        ValueError: if a column is missing, a number is not finite, or limit is not above 0.
    """
    findings.check_table("table", table, finite=["misfit", "gain"])
    if not limit > 0:
        raise ValueError(f"limit must exceed 0, got {limit}")
    low = -limit / 4
    line: dict[str, Any] = {"color": "black", "linewidth": 1.4}
    ax.plot([0, limit], [0, limit], zorder=1, **line)
    ax.axhline(0, color="black", linewidth=0.8, alpha=0.4, zorder=0)
    x, y = table["misfit"].clip(upper=limit), table["gain"].clip(low, limit)
    dots: dict[str, Any] = {"marker": MARKER["student"], "color": COLOR["student"]}
    dots |= {"linestyle": "none", "markersize": 4.5, "markeredgecolor": "white"}
    dots |= {"markeredgewidth": 0.4}
    ax.plot(x, y, zorder=2, clip_on=False, **dots)
    keys = [Line2D([], [], label="gain = misfit", **line), Line2D([], [], label="a task", **dots)]
    dress(ax, "misfit", "gain", keys)
    ax.set(xlim=(0, limit), ylim=(low, limit))
    edge = int(((x != table["misfit"]) | (y != table["gain"])).sum())
    apart = (table["gain"] - table["misfit"]).abs()
    said = [
        f"gain against misfit of {len(table)} tasks",
        f"on average they are {findings.number(apart.mean())} apart",
        f"{int((table['gain'] > 0).sum())} gains are above 0",
    ]
    if edge:
        said.append(f"{edge} points lie beyond the edge and are drawn on it")
    ax.set_label(findings.sentences(said))
    return ax


def series_against(
    ax: Axes,
    table: DataFrame,
    x: str,
    value: str,
    *,
    series: str,
    x_label: str | None = None,
    zero: str | None = None,
) -> Axes:
    """Draw measured means with intervals against a setting, one curve per series.

    Set a logarithmic scale on ax before the call: ticks then stand at the settings.

    Args:
        table: columns x, series, mean, low, high.
        x: name of the column with the settings, numbers.
        value: what is shown, in words.
        series: name of the column that tells the curves apart, at most 4; its values are words.
        x_label: the setting in words. Default: x.
        zero: what 0 means, if it is to be marked by a line.

    Raises:
        ValueError: if a column is missing, a number is not finite, or there are over 4 series.
    """
    findings.check_table("table", table, key=[x, series], finite=[x, "mean", "low", "high"])
    kinds = list(dict.fromkeys(table[series]))
    if len(kinds) > len(_SHAPE):
        raise ValueError(f"{series} may have {len(_SHAPE)} values at most, got {len(kinds)}")
    keys, said = [], []
    if zero is not None:
        ax.axhline(0, color="black", linewidth=1, alpha=0.5, zorder=0)
        said.append(f"a line marks {zero} at 0")
    for kind, shape, dash in zip(kinds, _SHAPE, _DASH, strict=False):
        rows = table[table[series] == kind].sort_values(x)
        style: dict[str, Any] = {"color": "black", "linestyle": dash, "linewidth": 1.3}
        style |= {"marker": shape, "markersize": 8, "markeredgecolor": "white"}
        ax.vlines(rows[x], rows["low"], rows["high"], color="black", linewidth=1.5, zorder=2)
        ax.plot(rows[x], rows["mean"], zorder=3, **style)
        keys.append(Line2D([], [], label=str(kind), **style))
        said.append(findings.course(rows, x, str(kind)))
    dress(ax, x_label or x, value, keys)
    if ax.get_xscale() == "log":
        ticks = sorted(table[x].unique())
        ax.set_xticks(ticks, [findings.number(tick) for tick in ticks])
        ax.set_xticks([], minor=True)
    ax.set_label(findings.sentences([f"{value} against {x_label or x}", *said]))
    return ax


def slack_counts(ax: Axes, slack: Mapping[str, ArrayLike], *, bins: int = 40) -> Axes:
    """Draw how often gain minus misfit takes which value, one outline per loss.

    Args:
        slack: name of the loss -> (h,) values; at most 4 of them.
        bins: of the histogram, common to all.

    Raises:
        ValueError: if there is no loss or more than 4, or a value is not finite.
    """
    values = {name: np.asarray(each, dtype=float) for name, each in slack.items()}
    if not 1 <= len(values) <= len(_DASH):
        raise ValueError(f"slack must hold 1 to {len(_DASH)} losses, got {len(values)}")
    if not all(each.size and np.isfinite(each).all() for each in values.values()):
        raise ValueError("slack must be finite and not empty")
    everything = np.concatenate([*values.values()])
    edges = np.linspace(min(everything.min(), 0.0), everything.max(), bins + 1)
    ax.axvspan(edges[0], 0, color="black", alpha=0.07, linewidth=0)
    ax.axvline(0, color="black", linewidth=1)
    keys, said = [], ["how many problems have which gain minus misfit"]
    inks = ("black", COLOR["weak"], COLOR["student"], COLOR["baseline"])
    for (name, each), ink, dash in zip(values.items(), inks, _DASH, strict=False):
        style: dict[str, Any] = {"color": ink, "linestyle": dash, "linewidth": 1.8}
        ax.stairs(np.histogram(each, edges)[0], edges, **style)
        keys.append(Line2D([], [], label=name, **style))
        below = int((each < -1e-9).sum())
        said.append(f"{name}: {below} of {each.size} below 0, the lowest {each.min():.2g}")
    dress(ax, "gain − misfit", "problems", keys)
    top = ax.get_ylim()[1]
    ax.text(edges[0], top, " gain below misfit", fontsize=TEXT_SIZE - 1, va="top")
    ax.set_label(findings.sentences(said))
    return ax
