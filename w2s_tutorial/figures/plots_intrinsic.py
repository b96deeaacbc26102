"""Plots of the chapter on intrinsic dimension: two views at an angle, and one curve per overlap."""

from __future__ import annotations

import math
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


def canonical_angle(ax: Axes, degrees: float, errors: ArrayLike) -> Axes:
    """Draw a teacher's errors along its one direction, and what a student at an angle keeps.

    Made for axes that fill a figure of 6.4 x 4 inches.

    Args:
        degrees: angle between the teacher's direction and the student's, 0 to 90.
        errors: (n,) the teacher's errors, in units of their standard deviation.

    Raises:
        ValueError: if degrees leaves 0..90, or errors are empty, not finite or not (n,).
    """
    if not 0 <= degrees <= 90:
        raise ValueError(f"degrees must lie in 0..90, got {degrees}")
    taught = np.asarray(errors, dtype=float)
    if taught.ndim != 1 or not taught.size or not np.isfinite(taught).all():
        raise ValueError(f"errors must be (n,), finite, n > 0, got shape {taught.shape}")
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = taught * cosine, taught * sine
    for role, along in (("student", (1.0, 0.0)), ("weak", (cosine, sine))):
        ends = np.array([-3.2, 3.2])
        ax.plot(ends * along[0], ends * along[1], color=COLOR[role], linewidth=1.5, zorder=1)
    ax.vlines(x, 0, y, color="black", linewidth=0.8, alpha=0.35, zorder=2)
    dots: dict[str, Any] = {"linestyle": "none", "markeredgecolor": "white", "zorder": 3}
    ax.plot(x, y, marker=MARKER["weak"], color=COLOR["weak"], markersize=7, **dots)
    ax.plot(x, 0 * x, marker=MARKER["student"], color=COLOR["student"], markersize=6, **dots)
    keys = [
        Line2D([], [], color=COLOR[role], marker=MARKER[role], label=label)
        for role, label in (("weak", "errors of weak"), ("student", "what student inherits"))
    ]
    share = f"inherited variance: cos² = {findings.number(cosine**2)}"
    dress(ax, "", "", keys)
    ax.text(3.2, -2.6, share, fontsize=TEXT_SIZE + 1, ha="right")
    ax.set(xlim=(-3.4, 3.4), ylim=(-2.9, 3.4), xticks=[], yticks=[])
    ax.set_aspect("equal")
    ax.spines[:].set_visible(False)
    ax.set_label(
        f"The teacher's direction stands at {degrees:g} degrees to the student's. Each error of "
        "the teacher is projected onto the student's line; the student inherits "
        f"{findings.number(100 * cosine**2)} percent of its variance."
    )
    return ax


def curves_against(
    ax: Axes,
    table: DataFrame,
    x: str,
    value: str,
    *,
    series: str,
    theory: DataFrame,
    published: DataFrame | None = None,
    level: tuple[float, str] | None = None,
    x_label: str | None = None,
    name: str | None = None,
) -> Axes:
    """Draw a value against one setting, a curve of theory and measured points per series.

    Set a logarithmic scale on ax before the call.

    Args:
        table: columns x, series, mean, low, high: measured points with intervals.
        x: name of the column with the settings.
        value: what is shown, in words; labels the y axis.
        series: name of the column that tells the curves apart.
        theory: columns x, series, value.
        published: the same, drawn faint in colour: the forms to compare theory with.
        level: a value to mark by a line across, and its name.
        x_label: the setting in words. Default: x.
        name: the series in words. Default: series.

    Raises:
        ValueError: if a column is missing, a number is not finite, or there are over 4 curves.
    """
    findings.check_table("theory", theory, key=[x, series], finite=[x, "value"])
    findings.check_table("table", table, key=[x, series], finite=[x, "mean", "low", "high"])
    if published is not None:
        findings.check_table("published", published, key=[x, series], finite=[x, "value"])
    kinds = list(dict.fromkeys(theory[series]))
    if len(kinds) > len(_SHAPE):
        raise ValueError(f"{series} may have {len(_SHAPE)} values at most, got {len(kinds)}")
    keys, said = [], []
    if level is not None:
        ax.axhline(level[0], color="black", linewidth=1, alpha=0.5, zorder=0)
        said.append(f"a line marks {level[1]} at {findings.number(level[0])}")
    for kind, shape, dash in zip(kinds, _SHAPE, _DASH, strict=False):
        label = f"{name or series} {findings.number(kind)}"
        curve = theory[theory[series] == kind].sort_values(x)
        style: dict[str, Any] = {"color": "black", "linestyle": dash, "linewidth": 1.6}
        ax.plot(curve[x], curve["value"], zorder=2, **style)
        if published is not None:
            other = published[published[series] == kind].sort_values(x)
            ax.plot(other[x], other["value"], color=COLOR["baseline"], ls=dash, lw=1.3, zorder=1)
        dots: dict[str, Any] = {"marker": shape, "markersize": 8.5}
        dots |= {"markeredgecolor": "white", "markeredgewidth": 0.6}
        rows = table[table[series] == kind].sort_values(x)
        ax.vlines(rows[x], rows["low"], rows["high"], color="black", linewidth=1.5, zorder=3)
        ax.plot(rows[x], rows["mean"], linestyle="none", color="black", zorder=4, **dots)
        keys.append(Line2D([], [], label=label, **style, **dots))
        said.append(findings.course(rows, x, label))
    if published is not None:
        keys.append(Line2D([], [], color=COLOR["baseline"], linewidth=1.3, label="as published"))
    dress(ax, x_label or x, value, keys)
    ax.set_label(findings.sentences([f"{value} against {x_label or x}", *said]))
    return ax
