"""Plots of finished tables: curves against a setting, and one quantity against another.

Every function draws on the axes that it is given a table as made by `sweeps.summarize` (the
grouping columns, then mean, low, high), computes no statistic that the table could hold, and puts
what the figure shows into words by `ax.set_label`; `explore.figure` makes them the alternative
text, and black and white the ink and paper of the page. Axes come from `looks.axes` or `.panels`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from pandas import DataFrame

from w2s_tutorial._tables import check_intervals, check_table
from w2s_tutorial.figures import _findings, _looks
from w2s_tutorial.figures._findings import ROLES
from w2s_tutorial.figures._looks import GREY, TEXT_SIZE


@_looks.defaults()
def curves(
    ax: Axes,
    table: DataFrame,
    x: str,
    value: str,
    *,
    series: str = "role",
    theory: DataFrame | None = None,
    other: tuple[str, DataFrame] | None = None,
    levels: Mapping[str, float] | None = None,
    x_label: str | None = None,
    name: str = "",
    direct: bool = False,
) -> Axes:
    """Draw measured means with intervals against a setting, over what theory predicts.

    Set a logarithmic scale on ax before the call: ticks then stand at the measured settings.

    Args:
        table: columns x, series, mean, low, high; one row per setting and series. An interval of
            NaN (a single head) is left out.
        x: name of the column with the settings, which are numbers.
        value: what was measured, in words; labels the y axis.
        series: name of the column that tells curves apart: roles, at most 6 other values, or both.
        theory: columns x, series, value; drawn as lines below the points. A series without theory
            gets a line through its points, faint for a role.
        other: the name of another prediction, and its table like theory's; dashed in the colour
            of a role, grey for other series.
        levels: name of a value to mark by a line across, and the value: {"chance": 0.5}.
        x_label: the setting in words. Default: x.
        name: what the series are values of, in words.
        direct: name curves at their ends instead of in a legend. Set the limits before.

    Raises:
        ValueError: if columns are missing, a row is there twice, a number is not finite, or there
            are too many series.
    """
    setting = x_label or x
    check_intervals(table, key=[x, series], finite=[x, "mean"])
    given = {"theory": theory, "other": other and other[1]}
    for title, lines in given.items():
        if lines is not None:
            check_table(title, lines, key=[x, series], finite=[x, "value"])
    kinds = _looks.kinds_of([k for t in (theory, table) if t is not None for k in t[series]])
    keys: list[Line2D] = []
    said: list[str] = []
    ends = []
    for kind, look in kinds.items():
        label, role = _looks.name_of(kind, name), kind in ROLES
        rows, line = (_rows(t, series, kind, x) for t in (table, theory))
        if not line.empty:
            ax.plot(
                line[x], line["value"], **look | {"marker": ""}, lw=2 if role else 1.6, zorder=2
            )
        elif role:
            ax.plot(rows[x], rows["mean"], color=look["color"], lw=1, alpha=0.4, zorder=1)
        else:
            ax.plot(rows[x], rows["mean"], **look | {"marker": ""}, lw=1.3, zorder=1)
        if not rows.empty:
            ax.vlines(rows[x], rows["low"], rows["high"], color=look["color"], lw=1.7, zorder=3)
            _looks.marks(ax, rows[x], rows["mean"], look)
            said.append(_findings.course(rows, x, label))
        marker = {"marker": ""} if rows.empty else {}
        no_line = {"linestyle": "none"} if role and line.empty else {}
        keys.append(_looks.legend_key(label, look, **marker, **no_line))
        last = line[[x, "value"]] if rows.empty else rows[[x, "mean"]]
        ends.append((label, *last.iloc[-1]))
    if theory is not None:
        drawn = [k for k in kinds if (theory[series] == k).any()]
        if set(drawn) & set(ROLES):
            keys.append(Line2D([], [], color="black", linewidth=2, label="theory"))
        said.append(f"lines show theory for {', '.join(_looks.name_of(k, name) for k in drawn)}")
    if other is not None:
        said += _other(ax, other, kinds, x, series, name, keys)
    said += _looks.levels(ax, levels, keys)
    if direct:
        _looks.name_ends(ax, ends)
        keys = keys[len(ends) :]
    _looks.ticks_at(ax, table[x])
    _looks.dress(ax, setting, value, keys, [f"{value} against {setting}", *said])
    return ax


def _rows(table: DataFrame | None, series: str, kind: Any, x: str) -> DataFrame:
    return DataFrame() if table is None else table[table[series] == kind].sort_values(x)


def _other(
    ax: Axes,
    other: tuple[str, DataFrame],
    kinds: Mapping[Any, Mapping[str, Any]],
    x: str,
    series: str,
    name: str,
    keys: list[Line2D],
) -> list[str]:
    """Draw a second prediction, add its key, and say where each of its lines goes."""
    label, table = other
    said = []
    for kind, look in kinds.items():
        rows = _rows(table, series, kind, x)
        if rows.empty:
            continue
        style = {"color": look["color"], "linestyle": "--"} if kind in ROLES else dict(look)
        style |= {} if kind in ROLES else {"color": GREY, "marker": ""}
        ax.plot(rows[x], rows["value"], lw=1.3, zorder=1, **style)
        first, last = rows.iloc[0], rows.iloc[-1]
        way = [f"{_findings.number(r['value'])} at {_findings.number(r[x])}" for r in (first, last)]
        said.append(f"{label}: {_looks.name_of(kind, name)} goes from {way[0]} to {way[1]}")
    dashed: dict[str, Any] = (
        {"color": "black", "linestyle": "--"} if set(kinds) & set(ROLES) else {"color": GREY}
    )
    keys.append(Line2D([], [], linewidth=1.3, label=label, **dashed))
    return said


@_looks.defaults()
def scatter(
    ax: Axes,
    table: DataFrame,
    x: str,
    y: str,
    *,
    x_label: str,
    y_label: str,
    points: str = "points",
    series: str | None = None,
    name: str | None = None,
    line: str | None = None,
    zero: bool = False,
    limits: tuple[tuple[float, float], tuple[float, float]] | None = None,
    symlog: float | None = None,
) -> Axes:
    """Draw one quantity against another, with the intervals that the table has.

    An interval stands in columns low, high for a quantity in the column mean, and in y_low, y_high
    for one called y. Set logarithmic scales before the call.

    Args:
        x, y: names of the columns to draw.
        x_label, y_label: the two in words.
        points: what a point is, in the plural.
        series: name of the column that tells colours and markers apart: roles, or at most 6 others.
        name: name of a column with a word to write beside each point.
        line: what it means that the two are equal, drawn as the identity line. Without limits both
            axes then get the same ones, and an equal aspect.
        zero: mark 0 on both axes.
        limits: of x and y; points beyond are drawn at the edge, and counted in the words.
        symlog: both axes are linear up to this value and logarithmic beyond.

    Raises:
        ValueError: if columns are missing, a number is not finite, limits are not ordered, symlog
            is not above 0, or a number is at most 0 on a logarithmic axis.
    """
    check_table("table", table, finite=[x, y], numbers=[*_ends(table, x), *_ends(table, y)])
    if lacking := [c for c in (series, name) if c is not None and c not in table]:
        raise ValueError(f"table must have a column {lacking[0]}, got {list(table.columns)}")
    if symlog is not None:
        if not symlog > 0:
            raise ValueError(f"symlog must exceed 0, got {symlog}")
        ax.set_xscale("symlog", linthresh=symlog)
        ax.set_yscale("symlog", linthresh=symlog)
    bounds = _limits(ax, table, x, y, same=line is not None) if limits is None else limits
    if not all(low < high for low, high in bounds):
        raise ValueError(f"limits must be two rising pairs, got {limits}")
    keys = []
    if line is not None:
        ends = max(low for low, _ in bounds), min(high for _, high in bounds)
        keys += ax.plot(ends, ends, color="black", linewidth=1.2, zorder=1, label=line)
    if zero:
        for draw in (ax.axhline, ax.axvline):
            draw(0, color="black", linewidth=0.8, alpha=0.5, zorder=0)
    shown = table.assign(**{c: table[c].clip(*b) for c, b in zip((x, y), bounds, strict=True)})
    one: dict[Any, Any] = {None: {"color": "black", "marker": "o"}}
    looked = one if series is None else _looks.kinds_of(table[series], hues=True)
    size = {} if len(table) <= 60 else {"markersize": 4.5}
    for kind, look in looked.items():
        rows = shown if series is None else shown[shown[series] == kind]
        thin: dict[str, Any] = {"color": look["color"], "linewidth": 1.2, "alpha": 0.7, "zorder": 2}
        if ends_of := _ends(rows, y):
            ax.vlines(rows[x], rows[ends_of[0]], rows[ends_of[1]], **thin)
        if ends_of := _ends(rows, x):
            ax.hlines(rows[y], rows[ends_of[0]], rows[ends_of[1]], **thin)
        _looks.marks(ax, rows[x], rows[y], look, **size, clip_on=False)
        label = points if series is None else _looks.name_of(kind)
        keys.append(_looks.legend_key(label, look, **size, linestyle="none"))
    for word, *at in [] if name is None else zip(shown[name], shown[x], shown[y], strict=True):
        beside: dict[str, Any] = {"textcoords": "offset points", "fontsize": TEXT_SIZE - 1}
        ax.annotate(str(word), (at[0], at[1]), (6, 4), **beside)
    ax.set(xlim=bounds[0], ylim=bounds[1])
    if line is not None and limits is None:
        ax.set_aspect("equal", adjustable="box")
    said = [f"{y_label} against {x_label} for {len(table)} {points}"]
    groups = [("", table)] if series is None else [(k, table[table[series] == k]) for k in looked]
    for kind, rows in groups:
        said += _said(rows, x, y, f"{_looks.name_of(kind)}: " if kind else "", line, zero)
    if line is not None:
        far = table.iloc[int((table[y] - table[x]).abs().argmax())]
        who = [str(far[c]) for c in (series, name) if c is not None]
        where = f"{x_label} {_findings.number(far[x])}, {y_label} {_findings.number(far[y])}"
        said.append(f"farthest from the line {line}: {' '.join(who)}{' with ' * bool(who)}{where}")
    if beyond := int((shown[[x, y]] != table[[x, y]]).any(axis=1).sum()):
        said.append(f"{beyond} {points} lie beyond the edge and are drawn on it")
    _looks.dress(ax, x_label, y_label, keys, said, grid=not zero)
    return ax


def _ends(table: DataFrame, column: str) -> list[str]:
    """Columns of the interval of a column, if the table has them."""
    named = ["low", "high"] if column == "mean" else [f"{column}_low", f"{column}_high"]
    return named if set(named) <= set(table) else []


def _limits(
    ax: Axes, table: DataFrame, x: str, y: str, *, same: bool
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Limits that hold all points and intervals, with a margin."""
    spans = [np.array(table[[c, *_ends(table, c)]], dtype=float) for c in (x, y)]
    if same:
        spans = [np.concatenate([span.ravel() for span in spans])] * 2
    bounds = []
    for span, scale in zip(spans, (ax.get_xscale(), ax.get_yscale()), strict=True):
        low, high = float(np.nanmin(span)), float(np.nanmax(span))
        if scale == "log" and low <= 0:
            raise ValueError(f"table must be above 0 on logarithmic axes, got {low}")
        margin = 0.06 * (high - low or abs(high) or 1.0)
        bounds.append((0.8 * low, 1.25 * high) if scale == "log" else (low - margin, high + margin))
    return bounds[0], bounds[1]


def _said(rows: DataFrame, x: str, y: str, who: str, line: str | None, zero: bool) -> list[str]:
    """What the points of one series show: where they are, and on which side of what."""
    spans = [(_findings.number(rows[c].min()), _findings.number(rows[c].max())) for c in (x, y)]
    ways = ["{} to {} across".format(*spans[0]), "{} to {} upwards".format(*spans[1])]
    said = [f"{who}{ways[0]}, {ways[1]}"]
    low, high = (rows[c] for c in _ends(rows, y) or [y, y])
    if line is not None and _ends(rows, y):
        below, above = int((high < rows[x]).sum()), int((low > rows[x]).sum())
        met = len(rows) - below - above
        said.append(
            f"{met} of {len(rows)} intervals meet the line, {below} lie below, {above} above"
        )
    elif line is not None:
        apart = (rows[y] - rows[x]).abs().mean()
        said.append(f"on average they are {_findings.number(apart)} from the line {line}")
    elif len(rows) > 2:
        together = np.corrcoef(rows[x], rows[y])[0, 1]
        said.append(f"{who}the two correlate at {_findings.number(together)}")
    for column, way in ((x, "across"), (y, "upwards")) if zero else ((y, "upwards"),):
        low, high = (rows[c] for c in _ends(rows, column) or [column, column])
        if rows[column].min() < 0:
            sides = int((low > 0).sum()), int((high < 0).sum())
            said.append(f"{way}, {sides[0]} are above 0 and {sides[1]} below")
    return said
