"""What a finished table says, in words: the sentences below figures and inside prose."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pandas import DataFrame, Series

ROLES = ("weak", "student", "baseline", "ceiling")


def number(value: float) -> str:
    """Three significant digits, or a whole number with commas from 1,000 on.

    >>> number(0.71234), number(12345.6), number(-0.5), number(999.9)
    ('0.712', '12,346', '-0.5', '1,000')
    """
    return f"{value:,.0f}" if abs(value) >= 999.5 else f"{value:.3g}"


def interval(row: Series) -> str:
    """The row's mean with its interval, if it has one.

    >>> interval(Series({"mean": 0.7, "low": 0.65, "high": 0.752}))
    '0.7 (0.65 to 0.752)'
    """
    if np.isnan(row["low"]):
        return number(row["mean"])
    return f"{number(row['mean'])} ({number(row['low'])} to {number(row['high'])})"


def course(rows: DataFrame, x: str, role: str) -> str:
    """How a role's value moves from the first setting to the last.

    It rises or falls only if the two intervals are disjoint, and it peaks or dips between
    them only if the interval there is disjoint from both.

    Args:
        rows: the role's rows, sorted by x; columns x, mean, low, high.
    """
    bounds = rows.assign(
        low=rows["low"].fillna(rows["mean"]), high=rows["high"].fillna(rows["mean"])
    )
    first, last = bounds.iloc[0], bounds.iloc[-1]
    start = f"{interval(rows.iloc[0])} at {number(first[x])}"
    if len(rows) == 1:
        return f"{role} is {start}"
    moves = {
        f"{role} rises from": last["low"] > first["high"],
        f"{role} falls from": last["high"] < first["low"],
    }
    verb = next((words for words, true in moves.items() if true), f"{role} goes from")
    said = f"{verb} {start} to {interval(rows.iloc[-1])} at {number(last[x])}"
    top, bottom = bounds.iloc[bounds["mean"].argmax()], bounds.iloc[bounds["mean"].argmin()]
    if top["low"] > max(first["high"], last["high"]):
        said += f", with a peak of {number(top['mean'])} at {number(top[x])}"
    if bottom["high"] < min(first["low"], last["low"]):
        said += f", with a dip to {number(bottom['mean'])} at {number(bottom[x])}"
    return said


def sentences(parts: Sequence[str]) -> str:
    """Each part as a sentence."""
    return " ".join(f"{part[:1].upper()}{part[1:]}." for part in parts)
