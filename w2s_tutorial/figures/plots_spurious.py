"""Plots of the chapter on spurious correlations: a surface of gains, and a line per group."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike
from pandas import DataFrame

from w2s_tutorial.figures import findings
from w2s_tutorial.figures.plots import COLOR, TEXT_SIZE, dress

_GROUPS = {"majority": ("v", "-"), "minority": ("P", (0, (5, 2))), "all": ("X", (0, (1.5, 1.5)))}
_LEVELS = (-np.inf, -1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0)
_TINTS = [("weak", alpha) for alpha in (0.7, 0.45, 0.2)]
_TINTS += [("student", alpha) for alpha in (0.12, 0.28, 0.44, 0.6)]


def gain_surface(ax: Axes, labeled: ArrayLike, pool: ArrayLike, gain: ArrayLike) -> Axes:
    """Draw the share of its teacher's risk that the student removes, over both minority shares.

    Blue where the student wins, orange where it loses, a thick line between.

    Args:
        labeled: (a,) minority shares of the labelled set, rising.
        pool: (b,) minority shares of the pool, rising.
        gain: (a, b) (weak - student) / weak, at most 1.

    Raises:
        ValueError: if shapes disagree, a value is not finite, or a gain exceeds 1.
    """
    x, y, z = (np.asarray(v, dtype=float) for v in (labeled, pool, gain))
    if x.ndim != 1 or y.ndim != 1 or z.shape != (len(x), len(y)):
        raise ValueError(f"gain must be {(x.size, y.size)}, got shape {z.shape}")
    if not np.isfinite(z).all() or z.max() > 1:
        raise ValueError(f"gain must be finite and at most 1, got {z.min()} to {z.max()}")
    lowest = min(z.min(), _LEVELS[1]) - 1e-9
    levels = [lowest, *_LEVELS[1:]]
    ax.contourf(x, y, z.T, levels=levels, colors=[(COLOR[role], a) for role, a in _TINTS])
    drawn = [level for level in _LEVELS[1:-1] if z.min() < level < z.max()]
    if drawn:
        widths = [2.6 if level == 0 else 0.8 for level in drawn]
        lines = ax.contour(x, y, z.T, levels=drawn, colors="black", linewidths=widths)
        ax.clabel(lines, fmt=lambda level: f"{level:+.0%}" if level else "0", fontsize=TEXT_SIZE)
    best = y[z.argmax(1)]
    mark = ax.plot(x, best, color="black", linestyle=(0, (1.5, 1.5)), label="best pool")
    dress(ax, "minority share of the labelled set", "minority share of the pool", mark)
    ax.grid(False)
    ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    ax.set_aspect("equal")
    i, j = np.unravel_index(z.argmin(), z.shape)
    said = [
        f"the student removes between {findings.number(100 * z.min())} and "
        f"{findings.number(100 * z.max())} percent of its teacher's risk",
        f"it is worst at labelled share {findings.number(x[i])} and pool share "
        f"{findings.number(y[j])}, and loses on {findings.number(100 * (z < 0).mean())} percent "
        "of the settings",
        f"the best pool share goes from {findings.number(best[0])} at labelled share "
        f"{findings.number(x[0])} to {findings.number(best[-1])} at {findings.number(x[-1])}",
    ]
    ax.set_label(findings.sentences(said))
    return ax


def groups_against(
    ax: Axes,
    table: DataFrame,
    x: str,
    value: str,
    *,
    x_label: str,
    theory: DataFrame | None = None,
    zero: str | None = None,
) -> Axes:
    """Draw a measured value against one setting, a line of points for each group.

    Args:
        table: columns x, group ("majority", "minority" or "all"), mean, low, high.
        x: name of the column with the settings.
        value: what was measured, in words; labels the y axis.
        x_label: the setting in words.
        theory: columns x, group, value, drawn as lines. None: lines join the points.
        zero: what a value of 0 means, in words; draws a line there.

    Raises:
        ValueError: if a column is missing, a number is not finite, or a group has another name.
    """
    findings.check_table("table", table, key=[x, "group"], finite=[x, "mean", "low", "high"])
    if theory is not None:
        findings.check_table("theory", theory, key=[x, "group"], finite=[x, "value"])
    if unknown := sorted({str(group) for group in table["group"]} - set(_GROUPS)):
        raise ValueError(f"group must be one of {', '.join(_GROUPS)}, got {', '.join(unknown)}")
    keys, said = [], []
    if zero is not None:
        ax.axhline(0, color="black", linewidth=1, alpha=0.5, zorder=0)
    for group, (shape, dash) in _GROUPS.items():
        rows = table[table["group"] == group].sort_values(x)
        if rows.empty:
            continue
        if theory is None:
            curve = rows[[x, "mean"]].rename(columns={"mean": "value"})
        else:
            curve = theory[theory["group"] == group].sort_values(x)
        style: dict[str, Any] = {"color": "black", "linestyle": dash, "linewidth": 1.6}
        dots: dict[str, Any] = {"marker": shape, "markersize": 8, "markeredgecolor": "white"}
        ax.plot(curve[x], curve["value"], zorder=2, **style)
        ax.vlines(rows[x], rows["low"], rows["high"], color="black", linewidth=1.5, zorder=3)
        ax.plot(rows[x], rows["mean"], linestyle="none", color="black", zorder=4, **dots)
        keys.append(Line2D([], [], label=group, **style, **dots))
        said.append(findings.course(rows, x, group))
    dress(ax, x_label, value, keys)
    note = [] if zero is None else [f"a line marks {zero} at 0"]
    ax.set_label(findings.sentences([f"{value} against {x_label}", *note, *said]))
    return ax
