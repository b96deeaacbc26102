"""Tidy tables of runs, a row per setting, role and head: checked, summarized, kept with their
origin."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from pandas import DataFrame
from torch import Tensor

from w2s_tutorial._tables import check_table, listed
from w2s_tutorial.metrics import bootstrap_interval, opr, t_half_width
from w2s_tutorial.seeds import Seed, generator_of
from w2s_tutorial.storage import replacing, save_json


def summarize(
    table: DataFrame, by: Sequence[str], *, over: Sequence[str] = (), level: float = 0.95
) -> DataFrame:
    """Mean over heads with Student's t interval, for each combination of the columns in `by`.

    Only heads are pooled: a column that differs inside a group, such as the place or the measure
    of an error, would mix unlike numbers under one interval.

    Args:
        table: with a column `value`, as `sweeps.sweep` returns it.
        by: columns to keep apart.
        over: columns besides `head` that number runs, and are pooled with them.
        level: coverage of the interval, in (0, 1).

    Returns:
        The columns of `by`, then mean, low, high, heads.

    Raises:
        ValueError: if a column is missing, or differs inside a group and is named neither in by
            nor in over; a value is not finite, a setting has fewer than 2 heads, or has one twice
            (where there is a column `head`): copies are no further runs.
    """
    names = [*_settings(by), *listed("over", over)]
    check_table("table", table, finite=["value"], others=names)
    groups = table.groupby([*by], sort=False, dropna=False, observed=True)
    for column in [c for c in table if c not in (*names, "head", "value")]:
        if (groups[[column]].nunique(dropna=False) > 1).any(axis=None):
            raise ValueError(
                f"table has several values of {column} for one {' and '.join(map(str, by))}:"
                " select one, name it in by to keep them apart, or in over to pool them"
            )
    check_table("table", table, key=[*names, "head"] if "head" in table else [])
    summary = groups["value"].agg(mean="mean", spread="sem", heads="size").reset_index()
    if len(single := summary.loc[summary["heads"] < 2, [*by]]):
        where = single.iloc[0].to_dict()
        raise ValueError(f"an interval needs at least 2 heads in every setting, got 1 at {where}")
    half = t_half_width(summary["spread"], summary["heads"], level=level)
    summary["low"], summary["high"] = summary["mean"] - half, summary["mean"] + half
    return summary[[*by, "mean", "low", "high", "heads"]]


def measured_ratio(
    table: DataFrame,
    by: Sequence[str],
    statistic: Callable[..., Tensor],
    roles: Sequence[str],
    *,
    level: float = 0.95,
    seed: Seed,
    **options: Any,
) -> DataFrame:
    """A statistic of several roles at every setting, with a bootstrap interval over heads.

    Args:
        table: as `sweeps.sweep` returns it: columns by, role, head, value.
        by: columns that name a setting.
        statistic: of one tensor (..., h) per role, such as `metrics.pgr`.
        roles: what statistic takes, in this order.
        level: coverage of the interval.
        seed: integer or generator, consumed for the draws of the bootstrap.
        options: of statistic, such as min_gap of `metrics.pgr`.

    Returns:
        The columns of by, then mean (the statistic), low, high.

    Raises:
        ValueError: if a column or role is missing, heads differ between roles, a setting has
            several values of a head, or accuracies are to be divided as if they were risks.
    """
    generator = generator_of(seed)
    _refuse_accuracies(table, statistic)
    check_table("table", table, key=[*_settings(by), "role", "head"], finite=["value"])
    statistic = partial(statistic, **options)
    rows = []
    for setting, part in table.groupby([*by], sort=False, dropna=False, observed=True):
        risks = _columns(part, ["head"], roles)
        low, high = bootstrap_interval(statistic, *risks, level=level, seed=generator)
        rows.append([*setting, *map(float, (statistic(*risks), low, high))])
    return DataFrame(rows, columns=[*by, "mean", "low", "high"])


def exact_ratio(
    table: DataFrame, by: Sequence[str], statistic: Callable[..., Tensor], roles: Sequence[str]
) -> DataFrame:
    """The same statistic where every role has a single, exact value per setting.

    Args:
        table: columns by, role, value.
        by, statistic, roles: see `measured_ratio`.

    Returns:
        The columns of by, then value (the statistic).

    Raises:
        ValueError: as `measured_ratio`.
    """
    _refuse_accuracies(table, statistic)
    check_table("table", table, key=[*_settings(by), "role"], finite=["value"])
    settings = table[[*by]].drop_duplicates().reset_index(drop=True)
    risks = _columns(table, [*by], roles)
    return settings.assign(value=statistic(*(risk[:, None] for risk in risks)).numpy())


def paired_differences(
    table: DataFrame,
    column: str,
    first: Any,
    second: Any,
    *,
    by: Sequence[str] = (),
    unit: str,
    level: float = 0.95,
) -> DataFrame:
    """How much larger `value` is for one choice than for another, paired in all other columns.

    The differences of one unit are averaged, and the interval is Student's t over units: with
    unit="strong" over student networks, each counted once whatever the number of its teachers;
    with by=["strong"] and unit="head" over draws, for each network.

    Args:
        table: columns column, by, unit, value, and others that name a pair.
        column: where the two choices stand, such as "method".
        first, second: values of that column; first minus second is returned.
        by: columns to keep apart.
        unit: column whose values are taken as independent.
        level: coverage of the interval.

    Returns:
        The columns of by, then mean, low, high (NaN for one unit), units.

    Raises:
        ValueError: if a column or choice is missing, or a row of one choice has no partner.
    """
    names = [*listed("by", by), unit]
    rest = [str(c) for c in table if c not in (column, "value")]
    check_table("table", table, key=[*rest, column], finite=["value"], others=names)
    rows = table[table[column].isin([first, second])]
    wide = rows.pivot(index=rest, columns=column, values="value")
    if {first, second} - {*wide} or wide.isna().any().any():
        raise ValueError(f"table must pair {first!r} and {second!r} of {column} in every row")
    gap = (wide[first] - wide[second]).rename("value")
    each = gap.groupby(level=names, sort=False, observed=True).mean().reset_index()
    groups = each.assign(whole=0).groupby([*by, "whole"], sort=False, observed=True)["value"]
    found = groups.agg(mean="mean", spread="sem", units="size").reset_index()
    half = t_half_width(found["spread"], found["units"], level=level)
    found["low"], found["high"] = found["mean"] - half, found["mean"] + half
    return found[[*by, "mean", "low", "high", "units"]]


def _settings(by: Sequence[str]) -> list[str]:
    """The columns that name a setting, beside those that are added to them."""
    names, added = listed("by", by), {"value", "mean", "spread", "low", "high", "heads"}
    if not names or len({*names}) < len(names) or added & {*names}:
        raise ValueError(f"by must name columns, each once and none of {sorted(added)}, got {by}")
    return names


def _refuse_accuracies(table: DataFrame, statistic: Callable[..., Tensor]) -> None:
    # OPR of accuracies lies on the other side of 1, and close to it.
    plain = statistic.func if isinstance(statistic, partial) else statistic
    if plain is opr and "measure" in table and (table["measure"] == "accuracy").any():
        raise ValueError("opr divides errors: select measure 'error_rate', got 'accuracy'")


def _columns(table: DataFrame, rows: list[str], roles: Sequence[str]) -> list[Tensor]:
    """One tensor per role, in the order in which `rows` appear in the table."""
    order = table[rows].drop_duplicates()
    columns = []
    for role in listed("roles", roles):
        one = order.merge(table[table["role"] == role], on=rows, how="left")["value"]
        if one.isna().any():
            raise ValueError(f"table must have {role} for every {' and '.join(rows)}")
        columns.append(torch.tensor(one.to_numpy()))
    return columns


def save_result(table: DataFrame, path: Path | str, provenance: Mapping[str, Any]) -> None:
    """Write a table as CSV and, beside it (.json), how it came about; each file atomically.

    Args:
        table: without its index.
        path: of the CSV.
        provenance: what `storage.describe` makes; rows and a hash of the CSV are added.
    """
    path = Path(path)
    with replacing(path) as partly:
        table.to_csv(partly, index=False)
    save_json(
        path.with_suffix(".json"), {"rows": len(table), "csv_sha256": _hash(path), **provenance}
    )


def load_result(path: Path | str) -> DataFrame:
    """Read what `save_result` wrote; the provenance is in the table's `attrs`.

    Raises:
        ValueError: if the table is not the one that its provenance describes.
    """
    path = Path(path)
    facts = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    if _hash(path) != facts["csv_sha256"]:
        raise ValueError(
            f"{path} is not the table that {path.stem}.json describes, it was changed by hand"
            f" or in transit: fetch it again, or remake it by {facts['command']}"
        )
    table = pd.read_csv(path)
    table.attrs = facts
    return table


def _hash(path: Path) -> str:
    # Git on Windows may have turned the ends of the lines.
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
