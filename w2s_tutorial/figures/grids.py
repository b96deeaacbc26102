"""Results side by side: dots in rows, cells of a grid, counts in bins, and a surface of gains.

As in `plots`: on axes that are given, from finished tables, with the finding put into words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike
from pandas import DataFrame

from w2s_tutorial._tables import check_intervals, check_table
from w2s_tutorial.figures import _findings, _looks
from w2s_tutorial.figures._findings import ROLES, number
from w2s_tutorial.figures._looks import COLOR, DASHES, GREY, LESS, MORE, TEXT_SIZE

_LEVELS = (-np.inf, -1.0, -0.5, 0.0, 0.25, 0.5, 0.75, 1.0)
_TINTS = [("weak", alpha) for alpha in (0.7, 0.45, 0.2)]
_TINTS += [("student", alpha) for alpha in (0.12, 0.28, 0.44, 0.6)]


@_looks.defaults()
def dots(
    ax: Axes,
    table: DataFrame,
    value: str,
    *,
    rows: str,
    series: str | None = None,
    faint: DataFrame | None = None,
    names: Mapping[Any, str] | None = None,
    levels: Mapping[str, float] | None = None,
    middle: bool = False,
) -> Axes:
    """Draw a row per group or method, from above, and in it a dot with its interval per entry.

    Args:
        table: columns rows, mean, low, high, and series if named. Rows keep their order of
            appearance; entries go by series, roles first, or else by their value. A mean of NaN
            says that there were no examples.
        value: what was measured, in words; labels the x axis.
        rows: name of the column that tells rows apart.
        series: name of the column for colours and markers, such as roles or student networks.
        faint: columns rows and mean: the single results behind the entries, in grey.
        names: words for the rows. Default: their values.
        levels: name of a value to mark, and the value: {"chance": 0.5}.
        middle: mark each row's median by a bar.

    Raises:
        ValueError: if columns are missing, a role is there twice in a row, a number is infinite,
            names lacks a row, or there are too many series.
    """
    given = [rows] if series is None else [rows, series]
    if lacking := [c for c in given if c not in table]:
        raise ValueError(f"table must have a column {lacking[0]}, got {list(table.columns)}")
    once = series is not None and set(table[series]) <= set(ROLES)
    check_intervals(table, key=given if once else [])
    order = list(dict.fromkeys(table[rows]))
    names = {row: str(row) for row in order} if names is None else names
    if missing := [row for row in order if row not in names]:
        raise ValueError(f"names must name every row of the table, lacks {missing}")
    plain: dict[Any, Any] = {None: {"color": "black", "marker": "o"}}
    looked = plain if series is None else _looks.kinds_of(table[series], hues=True)
    some = [(kind, look) for kind, look in looked.items() if kind is not None]
    keys = [_looks.legend_key(_looks.name_of(kind), look, linestyle="none") for kind, look in some]
    if faint is not None:
        check_table("faint", faint, key=[], finite=["mean"])
        ax.plot(faint["mean"], faint[rows].map(order.index) + 0.38, "|", color=GREY, ms=8, zorder=1)
    said = []
    for row, each in enumerate(order):
        entries = table[table[rows] == each].sort_values("mean")
        if series is not None:
            place = list(looked)
            entries = entries.sort_values(series, key=lambda s: s.map(place.index), kind="stable")
        spread = np.linspace(-0.27, 0.27, len(entries)) if len(entries) > 1 else np.zeros(1)
        for up, (_, entry) in zip(row + spread, entries.iterrows(), strict=True):
            look = looked[None if series is None else entry[series]]
            if np.isnan(entry["mean"]):
                at: dict[str, Any] = {"transform": ax.get_yaxis_transform(), "va": "center"}
                ax.text(0.01, up, "empty", fontsize=TEXT_SIZE - 1, **at)
                continue
            size = {} if len(entries) < 9 else {"markersize": 5}
            thin: dict[str, Any] = {"color": look["color"], "lw": 1.4, "alpha": 0.6, "zorder": 2}
            ax.hlines(up, entry["low"], entry["high"], **thin)
            _looks.marks(ax, entry["mean"], up, look, **size)
        if middle:
            ax.vlines(entries["mean"].median(), row - 0.36, row + 0.36, color="black", lw=2.4)
        said.append(f"{names[each]}: {_entries(entries, series, middle, levels)}")
    if middle:
        keys.append(Line2D([], [], color="black", linewidth=2.4, label="median"))
    said = [value, *_looks.levels(ax, levels, keys, across=False), *said]
    _looks.dress(ax, value, "", keys, said, grid=False)
    ax.set_yticks(range(len(order)), [names[each] for each in order], fontsize=TEXT_SIZE)
    ax.set_ylim(len(order) - 0.4, -0.6)
    return ax


def _entries(
    entries: DataFrame, series: str | None, middle: bool, levels: Mapping[str, float] | None
) -> str:
    """A row in words: each entry if they are few, else how many stand clear of the first level."""
    if len(entries) <= 4:
        return ", ".join(
            f"{'' if series is None else _looks.name_of(e[series])} "
            f"{'empty' if np.isnan(e['mean']) else _findings.interval(e)}".strip()
            for _, e in entries.iterrows()
        )
    name, value = next(iter((levels or {"0": 0.0}).items()))
    above, below = int((entries["low"] > value).sum()), int((entries["high"] < value).sum())
    median = f"median {number(entries['mean'].median())}, " if middle else ""
    ends = " to ".join(number(v) for v in (entries["mean"].min(), entries["mean"].max()))
    return f"{median}{ends}, above {name} in {above} and below in {below} of {len(entries)}"


@_looks.defaults()
def cells(
    ax: Axes,
    table: DataFrame,
    x: str,
    y: str,
    value: str,
    *,
    x_label: str,
    y_label: str,
    limit: float,
    between: tuple[str, str] | None = None,
) -> Axes:
    """Write a value into a cell for each pair of settings, with its interval, tinted by its sign.

    White where the interval holds 0.

    Args:
        table: columns x, y, mean, and low, high if there are intervals; a row for each pair.
        value: what the numbers are, in words.
        limit: value of the darkest tint, above 0.
        between: roles that win above and below 0, whose colours then tint. Default: violet, ochre.

    Raises:
        ValueError: if a column or pair is missing, a number is not finite, or limit is not above 0.
    """
    ends = ["low", "high"] if {"low", "high"} <= set(table) else ["mean", "mean"]
    check_table("table", table, key=[x, y], finite=[x, y, "mean", *ends])
    across, up = (sorted(table[name].unique()) for name in (x, y))
    if len(table) != len(across) * len(up):
        raise ValueError(f"table must have {len(across) * len(up)} pairs, got {len(table)}")
    if not limit > 0:
        raise ValueError(f"limit must exceed 0, got {limit}")
    above, below = (MORE, LESS) if between is None else (COLOR[role] for role in between)
    for _, row in table.iterrows():
        i, j = across.index(row[x]), up.index(row[y])
        clear = row[ends[0]] > 0 or row[ends[1]] < 0
        tint = 0.6 * min(abs(row["mean"]) / limit, 1.0) if clear else 0.0
        color = above if row["mean"] > 0 else below
        ax.add_patch(Rectangle((i - 0.48, j - 0.48), 0.96, 0.96, color=color, alpha=tint, lw=0))
        half = f"\n± {(row['high'] - row['low']) / 2:.1f}" if "low" in ends else ""
        ax.text(i, j, f"{row['mean']:+.1f}{half}", ha="center", va="center", fontsize=TEXT_SIZE - 1)
    wins, losses = int((table[ends[0]] > 0).sum()), int((table[ends[1]] < 0).sum())
    ranked = table.sort_values("mean")
    said = [f"{value}: above 0 in {wins} and below 0 in {losses} of {len(table)} cells"]
    for word, row in ("highest", ranked.iloc[-1]), ("lowest", ranked.iloc[0]):
        where = f"{x_label} {number(row[x])} and {y_label} {number(row[y])}"
        amount = _findings.interval(row) if "low" in ends else number(row["mean"])
        said.append(f"{word}, {amount}, at {where}")
    _looks.dress(ax, x_label, y_label, [], said, grid=False)
    ax.set(xlim=(-0.5, len(across) - 0.5), ylim=(-0.5, len(up) - 0.5))
    ax.set_xticks(range(len(across)), [number(v) for v in across])
    ax.set_yticks(range(len(up)), [number(v) for v in up])
    return ax


@_looks.defaults()
def counts(
    ax: Axes, values: Mapping[str, ArrayLike], value: str, *, of: str, below: str, bins: int = 40
) -> Axes:
    """Draw how often a value falls where, an outline per name; an edge of the bins is 0.

    A value within 1e-9 of 0 counts as 0, which stands above the edge.

    Args:
        values: name -> (h,), at most 4 names.
        value: what is counted, in words.
        of: what has the value, in the plural.
        below: what it means to lie below 0, which is shaded.
        bins: about so many.

    Raises:
        ValueError: if there is no name or more than 4, or a value is not finite.
    """
    each = {name: np.asarray(v, dtype=float).ravel() for name, v in values.items()}
    if not 1 <= len(each) <= len(DASHES):
        raise ValueError(f"values must have 1 to {len(DASHES)} names, got {len(each)}")
    if wrong := [name for name, v in each.items() if not (v.size and np.isfinite(v).all())]:
        raise ValueError(f"values must be finite and not empty, {wrong[0]} is not")
    each = {name: np.where(np.abs(v) <= 1e-9, 0.0, v) for name, v in each.items()}
    everything = np.concatenate([*each.values()])
    low, high = min(everything.min(), 0.0), max(everything.max(), 0.0)
    width = (high - low or 1.0) / bins
    edges = width * np.arange(np.floor(low / width), np.floor(high / width) + 2)
    edges[np.abs(edges) < width / 2] = 0.0
    keys, said = [], [f"how many {of} have which {value}"]
    inks = ("black", GREY, MORE, LESS)
    for (name, v), ink, dash in zip(each.items(), inks, DASHES, strict=False):
        style: dict[str, Any] = {"color": ink, "linestyle": dash, "linewidth": 1.8}
        ax.stairs(np.histogram(v, edges)[0], edges, **style)
        keys.append(Line2D([], [], label=name, **style))
        said.append(f"{name}: {int((v < 0).sum())} of {v.size} below 0, the lowest {v.min():.2g}")
    ax.axvline(0, color="black", linewidth=1)
    if low < 0:
        ax.axvspan(edges[0], 0, color="black", alpha=0.07, linewidth=0)
        ax.text(edges[0], ax.get_ylim()[1], f" {below}", fontsize=TEXT_SIZE - 1, va="top")
    _looks.dress(ax, value, of, keys, said)
    return ax


@_looks.defaults()
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
    if min(z.shape) < 2 or not np.isfinite(z).all() or z.max() > 1:
        raise ValueError("gain must be finite, at most 1 and (2, 2) at least")
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
    i, j = np.unravel_index(z.argmin(), z.shape)
    said = [
        f"the student removes between {number(100 * z.min())} and {number(100 * z.max())} percent "
        "of its teacher's risk",
        f"it is worst at labelled share {number(x[i])} and pool share {number(y[j])}, and loses on "
        f"{number(100 * (z < 0).mean())} percent of the settings",
        f"the best pool share goes from {number(best[0])} at labelled share {number(x[0])} to "
        f"{number(best[-1])} at {number(x[-1])}",
    ]
    words = "minority share of the labelled set", "minority share of the pool"
    _looks.dress(ax, *words, mark, said, grid=False)
    ax.set(xlim=(x[0], x[-1]), ylim=(y[0], y[-1]))
    ax.set_aspect("equal")
    return ax
