"""Plots of results: one function per figure kind, drawn on the axes that it is given.

Every function draws a finished table (as made by `sweeps.summarize`: the grouping columns,
then mean, low, high, heads), computes no statistic, and puts what the figure shows into words
by `ax.set_label`; `explore.figure` makes them the alternative text, and black and white the
ink and paper of the page. Axes of about 6 x 4 inches stay readable on a phone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from pandas import DataFrame, Series

from w2s_tutorial.figures import findings
from w2s_tutorial.figures.findings import ROLES

COLOR = {"weak": "#D55E00", "student": "#0072B2", "baseline": "#B5608F", "ceiling": "#00865F"}
MARKER = {"weak": "o", "student": "s", "baseline": "^", "ceiling": "D"}
TEXT_SIZE = 12  # points: 16 CSS pixels, and still 10 when 6 inches shrink to a phone's 358 pixels
_ABOVE: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (0, 1), "frameon": False}
_TIGHT: dict[str, Any] = {"handlelength": 1.4, "handletextpad": 0.5, "columnspacing": 1.3}


def roles_against(
    ax: Axes,
    table: DataFrame,
    x: str,
    value: str,
    *,
    x_label: str | None = None,
    theory: DataFrame | None = None,
    chance: float | None = None,
) -> Axes:
    """Draw each role's measured value against one setting, over what theory predicts.

    Set a logarithmic scale on ax before the call: ticks then stand at the measured settings.

    Args:
        table: one row per setting and role; columns x, role, mean, low, high. An interval of
            NaN (a single head) is left out.
        x: name of the column with the settings, which are numbers.
        value: what was measured, in words; labels the y axis.
        x_label: the setting in words. Default: x.
        theory: one row per setting; column x and one column per predicted role. Drawn as
            lines below the points; roles without one get a faint line through their points.
        chance: value of guessing, drawn as a dashed line.

    Raises:
        ValueError: if columns are missing, a role is unknown or listed twice at one setting,
            or a number is not finite.
    """
    setting = x_label or x
    roles = findings.roles_in(table, key=[x, "role"], finite=[x, "mean"])
    keys, said = [], []
    predicted = [] if theory is None else [role for role in ROLES if role in theory]
    if theory is not None:
        findings.check_table("theory", theory, key=[x], finite=[x, *(predicted or ROLES)])
        curves = theory.sort_values(x)
        for role in predicted:
            line = ax.plot(curves[x], curves[role], color=COLOR[role], lw=2, zorder=1, label=role)
            keys += line if role not in roles else []
    for role in roles:
        rows = table[table["role"] == role].sort_values(x)
        if role not in predicted:
            ax.plot(rows[x], rows["mean"], color=COLOR[role], linewidth=1, alpha=0.4, zorder=1)
        keys.append(_points(ax, rows[x], rows, role, line=role in predicted))
        said.append(findings.course(rows, x, role))
    if predicted:
        keys.append(Line2D([], [], color="black", linewidth=2, label="theory"))
        said.append(f"lines show theory for {', '.join(predicted)}")
    _guessing(ax, chance, keys, said)
    dress(ax, setting, value, keys)
    if ax.get_xscale() == "log":
        ticks = sorted(table[x].unique())
        ax.set_xticks(ticks, [findings.number(tick) for tick in ticks])
        ax.set_xticks([], minor=True)
    ax.set_label(findings.sentences([f"{value} against {setting}", *said]))
    return ax


def predicted_against_measured(ax: Axes, table: DataFrame, value: str) -> Axes:
    """Draw measured values against predicted ones: on the identity line the theory is right.

    Both axes get the same limits and an equal aspect. Set logarithmic scales before the call.

    Args:
        table: one row per point; columns role, predicted, mean, low, high.
        value: what is predicted and measured, in words.

    Raises:
        ValueError: if columns are missing, a role is unknown or a number is not finite.
    """
    roles = findings.roles_in(table, finite=["predicted", "mean"])
    shown = table[["predicted", "mean", "low", "high"]].to_numpy(dtype=float)
    low, high = np.nanmin(shown), np.nanmax(shown)
    margin = 0.06 * (high - low or 1.0)
    ends = low - margin, high + margin
    if ax.get_xscale() == "log":
        if low <= 0:
            raise ValueError(f"table must be above 0 on logarithmic axes, got {low}")
        ends = 0.8 * low, 1.25 * high
    identity = Line2D(ends, ends, color="black", linewidth=1.2, label="measured = predicted")
    ax.add_line(identity)
    keys = []
    for role in roles:
        rows = table[table["role"] == role]
        keys.append(_points(ax, rows["predicted"], rows, role))
    dress(ax, f"predicted {value}", f"measured {value}", [*keys, identity])
    ax.set(xlim=ends, ylim=ends)
    ax.set_aspect("equal", adjustable="box")

    title = f"measured against predicted {value} for {', '.join(roles)}, with the identity line"
    ax.set_label(findings.sentences([title, *findings.agreement(table)]))
    return ax


def group_bars(
    ax: Axes,
    table: DataFrame,
    value: str = "accuracy",
    *,
    names: Mapping[object, str] | None = None,
    chance: float | None = None,
) -> Axes:
    """Draw each group's value, one bar per role; a group without examples is marked as empty.

    Args:
        table: one row per group and role; columns group, role, mean, low, high. A mean of NaN
            says that the group has no examples. Groups keep their order of appearance.
        value: what was measured, in words; labels the y axis.
        names: words for the groups. Default: "group" and its value.
        chance: value of guessing, drawn as a dashed line.

    Raises:
        ValueError: if columns are missing, a role is unknown or listed twice for one group,
            a number is infinite, or names lacks a group.
    """
    roles = findings.roles_in(table, key=["group", "role"])
    groups = list(dict.fromkeys(table["group"]))
    names = {g: f"group {g}" for g in groups} if names is None else names
    if lacking := [g for g in groups if g not in names]:
        raise ValueError(f"names must name every group of the table, lacks {lacking}")
    width = 0.84 / len(roles)
    keys = []
    for position, role in enumerate(roles):
        rows = table[table["role"] == role]
        at = rows["group"].map(groups.index) + (position - (len(roles) - 1) / 2) * width
        empty = rows["mean"].isna()
        ax.bar(at, rows["mean"], 0.9 * width, color=COLOR[role], alpha=0.3, zorder=1)
        keys.append(_points(ax, at, rows, role))
        floor = ax.get_xaxis_transform()
        upright: dict[str, Any] = {"rotation": 90, "ha": "center", "va": "bottom"}
        for x in at[empty]:
            ax.text(x, 0, " empty", transform=floor, fontsize=TEXT_SIZE - 1, **upright)
    said = [f"{names[g]}: {findings.levels(table[table['group'] == g])}" for g in groups]
    _guessing(ax, chance, keys, said)
    dress(ax, "", value, keys)
    ax.set_xticks(range(len(groups)), [names[g] for g in groups], fontsize=TEXT_SIZE)
    ax.set_xlim(-0.6, len(groups) - 0.4)  # an empty first or last group keeps its place
    ax.set_label(findings.sentences([f"{value} by group", *said]))
    return ax


def _points(ax: Axes, at: Series, rows: DataFrame, role: str, *, line: bool = False) -> Line2D:
    """Means with intervals; returns the role's legend key, with a line if theory has one."""
    ax.vlines(at, rows["low"], rows["high"], color=COLOR[role], linewidth=1.8, zorder=3)
    style: dict[str, Any] = {"color": COLOR[role], "marker": MARKER[role], "markersize": 7}
    style |= {"markeredgecolor": "white", "markeredgewidth": 0.8}  # parts neighbours that touch
    ax.plot(at, rows["mean"], linestyle="none", zorder=4, **style)
    return Line2D([], [], linestyle="-" if line else "none", linewidth=2, label=role, **style)


def _guessing(ax: Axes, chance: float | None, keys: list[Line2D], said: list[str]) -> None:
    """Draw the value of guessing and add it to the legend and to the words."""
    if chance is None:
        return
    if not np.isfinite(chance):
        raise ValueError(f"chance must be finite, got {chance}")
    keys.append(ax.axhline(chance, color="black", linewidth=1, linestyle="--", label="chance"))
    said.append(f"chance is {findings.number(chance)}")


def dress(ax: Axes, x_label: str, y_label: str, keys: Sequence[Line2D]) -> None:
    """Labels, grid and legend in the book's look; keys fill the legend above the axes."""
    ax.set_xlabel(x_label, fontsize=TEXT_SIZE)
    ax.set_ylabel(y_label, fontsize=TEXT_SIZE)
    ax.tick_params(labelsize=TEXT_SIZE - 1)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="black", alpha=0.15, linewidth=0.8)
    ax.set_axisbelow(True)
    ncols = len(keys) if len(keys) < 5 else 3
    ax.legend(handles=keys, ncols=ncols, fontsize=TEXT_SIZE, borderaxespad=0.2, **_ABOVE, **_TIGHT)
