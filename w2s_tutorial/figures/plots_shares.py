"""Plots of measured gains over minority shares: a cell for each mixture, a point for each pair."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from pandas import DataFrame

from w2s_tutorial.figures import findings
from w2s_tutorial.figures.plots import COLOR, TEXT_SIZE, dress

_ORDERS = {
    "up": ("^", COLOR["student"], "stronger"),
    "level": ("s", "black", "level"),
    "down": ("v", COLOR["weak"], "weaker"),
}


def gain_cells(ax: Axes, table: DataFrame, value: str, *, limit: float) -> Axes:
    """Write a measured gain with its interval into a cell for each mixture, tinted by its sign.

    Blue where the student wins, orange where it loses; white where the interval holds 0.

    Args:
        table: columns minority_labeled, minority_pool, mean, low, high; one row for each mixture
            of its shares.
        value: what the numbers are, in words.
        limit: gain of the darkest tint, above 0.

    Raises:
        ValueError: if a column or mixture is missing, a number is not finite, or limit is not
            positive.
    """
    axes = ["minority_labeled", "minority_pool"]
    findings.check_table("table", table, key=axes, finite=[*axes, "mean", "low", "high"])
    across, up = (sorted(table[name].unique()) for name in axes)
    if len(table) != len(across) * len(up):
        raise ValueError(f"table must have {len(across) * len(up)} mixtures, got {len(table)}")
    if not limit > 0:
        raise ValueError(f"limit must exceed 0, got {limit}")
    for _, row in table.iterrows():
        x, y = across.index(row[axes[0]]), up.index(row[axes[1]])
        sure = row["low"] > 0 or row["high"] < 0
        tint = 0.6 * min(abs(row["mean"]) / limit, 1.0) if sure else 0.0
        color = COLOR["student" if row["mean"] > 0 else "weak"]
        ax.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, color=color, alpha=tint, linewidth=0))
        said = f"{row['mean']:+.1f}\n± {(row['high'] - row['low']) / 2:.1f}"
        ax.text(x, y, said, ha="center", va="center", fontsize=TEXT_SIZE - 1)
    dress(ax, "minority share of the labelled set", "minority share of the pool", [])
    ax.grid(False)
    ax.set(xlim=(-0.5, len(across) - 0.5), ylim=(-0.5, len(up) - 0.5))
    ax.set_xticks(range(len(across)), [findings.number(share) for share in across])
    ax.set_yticks(range(len(up)), [findings.number(share) for share in up])
    wins, losses = int((table["low"] > 0).sum()), int((table["high"] < 0).sum())
    ranked = table.sort_values("mean")
    words = [f"{value}: above 0 in {wins} and below 0 in {losses} of {len(table)} mixtures"]
    for word, row in ("highest", ranked.iloc[-1]), ("lowest", ranked.iloc[0]):
        place = [findings.number(row[name]) for name in axes]
        words.append(
            f"{word}, {findings.interval(row)}, at labelled {place[0]} and pool {place[1]}"
        )
    ax.set_label(findings.sentences(words))
    return ax


def slopes_by_group(ax: Axes, table: DataFrame, value: str) -> Axes:
    """Draw a measured slope of the minority against that of the majority, a point for each pair.

    Args:
        table: columns order ("up", "level" or "down"), majority, majority_half, minority,
            minority_half; a row for each pair, halves of intervals.
        value: what the slope is, in words.

    Raises:
        ValueError: if a column is missing, a number is not finite, or an order is none of these.
    """
    groups = ("majority", "minority")
    findings.check_table("table", table, finite=[c for g in groups for c in (g, f"{g}_half")])
    if unknown := sorted(set(table["order"]) - set(_ORDERS)):
        raise ValueError(f"order must be one of {', '.join(_ORDERS)}, got {', '.join(unknown)}")
    reach = [(table[g].abs() + table[f"{g}_half"]).max() for g in groups]
    ends = -1.05 * max(reach), 1.05 * max(reach)
    ax.axhline(0, color="black", linewidth=0.8, alpha=0.5)
    ax.axvline(0, color="black", linewidth=0.8, alpha=0.5)
    identity = Line2D(ends, ends, color="black", linewidth=1.2, label="alike")
    ax.add_line(identity)
    keys = [identity]
    for order, (shape, color, words) in _ORDERS.items():
        rows = table[table["order"] == order]
        if rows.empty:
            continue
        x, y, x_half, y_half = (rows[c] for c in (*groups, "majority_half", "minority_half"))
        ax.hlines(y, x - x_half, x + x_half, color=color, linewidth=1.2, alpha=0.7)
        ax.vlines(x, y - y_half, y + y_half, color=color, linewidth=1.2, alpha=0.7)
        style: dict[str, Any] = {"marker": shape, "markersize": 7, "markeredgecolor": "white"}
        keys += ax.plot(x, y, linestyle="none", color=color, label=words, zorder=3, **style)
    dress(ax, f"{value}, majority", f"{value}, minority", keys)
    ax.set(xlim=ends, ylim=ends)
    ax.set_aspect("equal")
    low = table["minority"] - table["minority_half"]
    steeper = low > table["majority"] + table["majority_half"]
    said = [f"{value} of the minority against that of the majority for {len(table)} pairs"]
    for group in groups:
        above, below = (
            int((sign * table[group] > table[f"{group}_half"]).sum()) for sign in (1, -1)
        )
        said.append(f"for the {group} above 0 in {above} pairs and below 0 in {below}")
    said.append(f"for the minority larger, intervals apart, in {int(steeper.sum())} pairs")
    ax.set_label(findings.sentences(said))
    return ax
