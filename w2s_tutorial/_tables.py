"""What a table and a list of names must be, before they are summarized or shown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from pandas import DataFrame
from pandas.api.types import is_numeric_dtype


def listed(name: str, values: Sequence[str]) -> list[str]:
    """A sequence of names as a list.

    Raises:
        TypeError: for no sequence, or one text, which would be taken for a sequence of letters.
    """
    if isinstance(values, str) or not isinstance(values, Iterable):
        came = f"the text {values!r}" if isinstance(values, str) else repr(values)
        raise TypeError(f"{name} must be a sequence of names, got {came}")
    return [*values]


def check_table(
    name: str,
    table: DataFrame,
    *,
    key: Sequence[str] = (),
    finite: Sequence[str] = (),
    numbers: Sequence[str] = (),
    others: Sequence[str] = (),
) -> None:
    """Refuse a table that would be shown or summarized wrongly.

    Args:
        key: columns whose values together name a row once.
        finite: columns of finite numbers.
        numbers: columns of finite numbers or NaN.
        others: columns of anything.

    Raises:
        TypeError: if it is no table.
        ValueError: if a column is missing or holds something else, the table is empty, or a
            key repeats.
    """
    if not isinstance(table, DataFrame):
        raise TypeError(f"{name} must be a pandas.DataFrame, got {type(table).__name__}")
    if twice := table.columns[table.columns.duplicated()].tolist():
        raise ValueError(f"{name} must name its columns differently, got {twice} twice")
    lacking = [c for c in dict.fromkeys([*key, *finite, *numbers, *others]) if c not in table]
    if lacking:
        raise ValueError(f"{name} must have columns {lacking}, got {list(table.columns)}")
    if table.empty:
        raise ValueError(f"{name} must have at least 1 row, got 0")
    for column in dict.fromkeys([*finite, *numbers]):
        if not is_numeric_dtype(table[column]):
            raise ValueError(f"{name} must hold numbers in {column}, got {table[column].dtype}")
        wrong = np.isinf(table[column]) | (table[column].isna() & (column in finite))
        if wrong.any():
            raise ValueError(
                f"{name} must be finite in {column}, got {table[column][wrong].iloc[0]}"
            )
    if key and (repeated := table.duplicated([*key])).any():
        same = table.loc[repeated, [*key]].iloc[0].to_dict()
        once = " and ".join(map(str, key))
        raise ValueError(f"{name} must have 1 row per {once}, got several for {same}")


def check_intervals(
    table: DataFrame, *, key: Sequence[str] = (), finite: Sequence[str] = ()
) -> None:
    """Refuse, as `check_table` does, a table without mean, low and high, or with low above high.

    An interval may be missing as a whole, as NaN.
    """
    check_table("table", table, key=key, finite=finite, numbers=["mean", "low", "high"])
    crossed = table[(table["low"] > table["high"]) | (table["low"].isna() != table["high"].isna())]
    if len(crossed):
        row = crossed.iloc[0]
        raise ValueError(f"low must not exceed high, got low {row['low']} and high {row['high']}")
