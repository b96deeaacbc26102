"""PGR, OPR and other ratios of roles, for every setting of a sweep."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from pandas import DataFrame
from torch import Tensor

from w2s_tutorial.figures.findings import check_table
from w2s_tutorial.metrics import bootstrap_interval
from w2s_tutorial.seeds import Seed, generator_of


def measured_ratio(
    table: DataFrame,
    by: Sequence[str],
    statistic: Callable[..., Tensor],
    roles: Sequence[str],
    *,
    level: float = 0.95,
    seed: Seed,
) -> DataFrame:
    """A statistic of several roles at every setting, with a bootstrap interval over heads.

    Args:
        table: as `sweeps.sweep` returns it: columns by, role, head, value.
        by: columns that name a setting.
        statistic: of one tensor (..., h) per role, such as `metrics.pgr`.
        roles: what statistic takes, in this order.
        level: coverage of the interval.
        seed: integer or generator, consumed for the draws of the bootstrap.

    Returns:
        The columns of by, then mean (the statistic), low, high.

    Raises:
        ValueError: if a column or role is missing, or heads differ between roles.
    """
    generator = generator_of(seed)
    check_table("table", table, key=[*by, "role", "head"], finite=["value"])
    rows = []
    for setting, part in table.groupby(list(by), sort=False):
        risks = _columns(part, ["head"], roles)
        low, high = bootstrap_interval(statistic, *risks, level=level, seed=generator)
        rows.append([*setting, *map(float, (statistic(*risks), low, high))])
    return DataFrame(rows, columns=[*by, "mean", "low", "high"])


def exact_ratio(
    table: DataFrame,
    by: Sequence[str],
    statistic: Callable[..., Tensor],
    roles: Sequence[str],
) -> DataFrame:
    """The same statistic where every role has a single, exact value per setting.

    Args:
        table: columns by, role, value.
        by, statistic, roles: see `measured_ratio`.

    Returns:
        The columns of by, then value (the statistic).

    Raises:
        ValueError: if a column or role is missing, or a setting has several values of a role.
    """
    check_table("table", table, key=[*by, "role"], finite=["value"])
    settings = table[list(by)].drop_duplicates().reset_index(drop=True)
    risks = _columns(table, list(by), roles)
    return settings.assign(value=statistic(*(risk[:, None] for risk in risks)).numpy())


def _columns(table: DataFrame, rows: list[str], roles: Sequence[str]) -> list[Tensor]:
    """One tensor per role, in the order in which `rows` appear in the table."""
    order = table[rows].drop_duplicates()
    columns = []
    for role in roles:
        one = order.merge(table[table["role"] == role], on=rows, how="left")["value"]
        if one.isna().any():
            raise ValueError(f"table must have {role} for every {' and '.join(rows)}")
        columns.append(torch.tensor(one.to_numpy()))
    return columns
