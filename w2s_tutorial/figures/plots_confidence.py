"""Plots of the chapter on confidence retraining: a gradient, a selection, a map, strips."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike
from pandas import DataFrame

from w2s_tutorial.figures import findings
from w2s_tutorial.figures.plots import COLOR, TEXT_SIZE, dress

_FAINT = (0.0, 0.3, 0.7, 1.0)
_SHAPES = {"majority": "o", "minority": "P"}
_PULL = "how hard the label pulls"


def gce_gradient(ax: Axes, q: float) -> Axes:
    """Draw how hard a label pulls, p^q (1 - p), against the probability p that it already has.

    Args:
        q: of generalised cross-entropy, in [0, 1]; 0 is cross-entropy.

    Raises:
        ValueError: if q leaves [0, 1].
    """
    if not 0 <= q <= 1:
        raise ValueError(f"q must lie in [0, 1], got {q}")
    p = np.linspace(0, 1, 201)
    for other in _FAINT:
        ax.plot(p, p**other * (1 - p), color="black", linewidth=1, alpha=0.25)
    key = ax.plot(p, p**q * (1 - p), color=COLOR["student"], linewidth=3, label=f"q = {q:g}")
    top = q / (1 + q)
    height = top**q * (1 - top)
    ax.plot([top], [height], "o", color=COLOR["student"], markersize=9)
    dress(ax, "probability that the student gives to its label", _PULL, key)
    ax.set(xlim=(-0.02, 1.02), ylim=(0, 1.05))
    said = [
        f"at q = {q:g} a label pulls hardest, with {findings.number(height)}, where the student "
        f"gives it probability {findings.number(top)}",
        f"at probability 0.05 it pulls with {findings.number(0.05**q * 0.95)}",
    ]
    ax.set_label(findings.sentences(said))
    return ax


def kept_points(
    ax: Axes,
    core: ArrayLike,
    place: ArrayLike,
    wrong: ArrayLike,
    minority: ArrayLike,
    keep: ArrayLike,
) -> Axes:
    """Draw a pool over its core and place features: kept examples solid, the others faint.

    Args:
        core, place: (n,) features.
        wrong: (n,) bool, whether the pseudolabel is wrong; drawn in the weak model's colour.
        minority: (n,) bool, drawn as plus signs, the majority as circles.
        keep: (n,) bool.

    Raises:
        ValueError: if lengths differ or nothing is kept.
    """
    x, y = (np.asarray(v, dtype=float) for v in (core, place))
    masks = [np.asarray(v, dtype=bool) for v in (wrong, minority, keep)]
    if any(v.shape != x.shape or x.ndim != 1 for v in (y, *masks)):
        raise ValueError(f"all must be (n,), got {[v.shape for v in (x, y, *masks)]}")
    bad, few, kept = masks
    if not kept.any():
        raise ValueError("keep must keep an example, got none")
    for group, shape in _SHAPES.items():
        for is_bad, color in ((False, COLOR["student"]), (True, COLOR["weak"])):
            for solid, alpha in ((False, 0.15), (True, 0.9)):
                rows = (few == (group == "minority")) & (bad == is_bad) & (kept == solid)
                style: dict[str, Any] = {"marker": shape, "alpha": alpha, "s": 34, "linewidth": 0}
                ax.scatter(x[rows], y[rows], color=color, **style)
    keys = [
        Line2D([], [], linestyle="none", color=color, marker=shape, label=name, markersize=7)
        for name, color, shape in (
            ("label right", COLOR["student"], "s"),
            ("label wrong", COLOR["weak"], "s"),
            ("majority", "black", "o"),
            ("minority", "black", "P"),
        )
    ]
    dress(ax, "core feature", "place feature", keys)
    said = [
        f"of {len(x)} examples {int(kept.sum())} are kept",
        f"{findings.number(100 * (~bad).mean())} percent of all labels are right, "
        f"{findings.number(100 * (~bad)[kept].mean())} percent of the kept ones",
        f"the minority is {findings.number(100 * few.mean())} percent of all and "
        f"{findings.number(100 * few[kept].mean())} percent of the kept",
    ]
    ax.set_label(findings.sentences(said))
    return ax


def kept_against(ax: Axes, table: DataFrame) -> Axes:
    """Draw minority share and accuracy of the labels of what is kept, against the share kept.

    Args:
        table: columns p, kind ("labels right", "minority"), mean, low, high.

    Raises:
        ValueError: if a column is missing, or a number is not finite.
    """
    findings.check_table("table", table, key=["p", "kind"], finite=["p", "mean", "low", "high"])
    said, keys = [], []
    looks = {"labels right": (COLOR["student"], "s"), "minority": ("black", "P")}
    for kind, (color, shape) in looks.items():
        rows = table[table["kind"] == kind].sort_values("p")
        style: dict[str, Any] = {"color": color, "marker": shape, "markersize": 8, "label": kind}
        keys += ax.plot(rows["p"], rows["mean"], linewidth=1.8, **style)
        ax.vlines(rows["p"], rows["low"], rows["high"], color=color, linewidth=1.8)
        said.append(findings.course(rows, "p", kind))
    dress(ax, "share of the pool that is kept, p", "share of what is kept", keys)
    ax.set(ylim=(0, 1.02), xlim=(0, 1.05))
    ax.set_label(findings.sentences(["shares among the kept against p", *said]))
    return ax


def grid_map(ax: Axes, table: DataFrame) -> Axes:
    """Draw the gain over vanilla for every p and q: blue above it, orange below, numbers inside.

    Args:
        table: columns p, q, gain; a row for every pair of the two.

    Raises:
        ValueError: if a column is missing, a number is not finite, or a cell is missing.
    """
    findings.check_table("table", table, key=["p", "q"], finite=["p", "q", "gain"])
    cells = table.pivot(index="q", columns="p", values="gain").sort_index().sort_index(axis=1)
    if cells.isna().any().any():
        raise ValueError("table must have a row for every p and q, some are missing")
    most = max(0.02, float(cells.abs().to_numpy().max()))
    for i, row in enumerate(cells.to_numpy()):
        for j, gain in enumerate(row):
            tint = (COLOR["student" if gain > 0 else "weak"], 0.6 * abs(gain) / most)
            corner = (j - 0.48, i - 0.48)
            ax.add_patch(Rectangle(corner, 0.96, 0.96, facecolor=tint, edgecolor="none"))
            ax.text(j, i, f"{100 * gain:+.1f}", ha="center", va="center", fontsize=TEXT_SIZE)
    ax.set_xticks(range(cells.shape[1]), [f"{p:g}" for p in cells.columns], fontsize=TEXT_SIZE)
    ax.set_yticks(range(cells.shape[0]), [f"{q:g}" for q in cells.index], fontsize=TEXT_SIZE)
    ax.set(xlim=(-0.5, cells.shape[1] - 0.5), ylim=(-0.5, cells.shape[0] - 0.5))
    ax.set_xlabel("share kept, p", fontsize=TEXT_SIZE)
    ax.set_ylabel("forgiveness, q", fontsize=TEXT_SIZE)
    ax.spines[:].set_visible(False)
    best, worst = (table.loc[getattr(table["gain"], f)()] for f in ("idxmax", "idxmin"))
    said = [
        f"{name} at p = {row['p']:g}, q = {row['q']:g}: {100 * row['gain']:+.1f} points"
        for name, row in (("best", best), ("worst", worst))
    ]
    ax.set_label(findings.sentences(["gain over vanilla in points", *said]))
    return ax


def strips(ax: Axes, table: DataFrame, methods: Sequence[str], value: str) -> Axes:
    """Draw a row per method: a dot for each pair, with its interval, and the median as a bar.

    Args:
        table: columns method, gain, gain_low, gain_high, in shares of 1; a row per method and pair.
        methods: rows from above.
        value: what the gain is over, in words; 0 is marked.

    Raises:
        ValueError: if a column or method is missing, or a number is not finite.
    """
    findings.check_table("table", table, finite=["gain", "gain_low", "gain_high"])
    if lacking := [m for m in methods if m not in set(table["method"])]:
        raise ValueError(f"table must have rows for every method, lacks {lacking}")
    ax.axvline(0, color="black", linewidth=1.2, alpha=0.6)
    said = []
    for row, method in enumerate(methods):
        found = table[table["method"] == method].sort_values("gain")
        spread = np.linspace(-0.27, 0.27, len(found)) if len(found) > 1 else np.zeros(1)
        gain = 100 * found["gain"].to_numpy()
        color = COLOR["student"] if np.median(gain) > 0 else COLOR["weak"]
        low, high = 100 * found["gain_low"], 100 * found["gain_high"]
        ax.hlines(row + spread, low, high, color=color, linewidth=1.2, alpha=0.45)
        ax.plot(gain, row + spread, "o", color=color, markersize=4, markeredgewidth=0)
        middle = float(np.median(gain))
        ax.vlines(middle, row - 0.36, row + 0.36, color="black", linewidth=2.4)
        up, down = int((low > 0).sum()), int((high < 0).sum())
        some = f"median {middle:+.1f}, better in {up} and worse in {down} of {len(found)}"
        said.append(f"{method}: {some if len(found) > 1 else f'{gain[0]:+.1f} points'}")
    middle_key = Line2D([], [], color="black", linewidth=2.4, label="median of the pairs")
    dress(ax, value, "", [middle_key])
    ax.grid(False)
    ax.set_yticks(range(len(methods)), methods, fontsize=TEXT_SIZE)
    ax.set_ylim(len(methods) - 0.4, -0.6)
    ax.set_label(findings.sentences([value, *said]))
    return ax
