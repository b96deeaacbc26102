"""Settings times heads -> a tidy table; summaries with intervals; results with provenance."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import Tensor


def sweep(
    run: Callable[..., Mapping[str, Tensor]], axes: Mapping[str, Sequence[Any]], **fixed: Any
) -> pd.DataFrame:
    """Call run at every combination of the axes; a row for every setting, key and head.

    Args:
        run: takes one value of each axis, and `fixed`, by keyword; returns name -> (h,) values.
            Names are usually roles.
        axes: axis name -> its values.
        fixed: passed to every call.

    Returns:
        Columns: the axes, `role` (the name), `head`, `value`.

    Raises:
        ValueError: if an axis is empty or a result is not one value per head.
    """
    for name, choices in axes.items():
        if len(choices) == 0:
            raise ValueError(f"axis {name} needs at least 1 value, got 0")
    rows = []
    for setting in product(*axes.values()):
        named = dict(zip(axes, setting, strict=True))
        for role, values in run(**named, **fixed).items():
            if values.dim() != 1:
                shape = tuple(values.shape)
                raise ValueError(f"run must return (h,) values, got {shape} for {role} at {named}")
            column = {"head": np.arange(len(values)), "value": values.detach().cpu().numpy()}
            rows.append(pd.DataFrame({**named, "role": role, **column}))
    return pd.concat(rows, ignore_index=True)


def summarize(table: pd.DataFrame, by: Sequence[str], *, level: float = 0.95) -> pd.DataFrame:
    """Mean over heads with Student's t interval, for each combination of the columns in `by`.

    Args:
        table: with a column `value`, as `sweep` returns it.
        by: columns to keep apart.
        level: coverage of the interval, in (0, 1).

    Returns:
        The columns of `by`, then mean, low, high, heads.

    Raises:
        ValueError: if a value is not finite, or a setting has fewer than 2 heads.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), got {level}")
    if not np.isfinite(table["value"]).all():
        raise ValueError("value must be finite, got NaN or infinity")
    groups = table.groupby(list(by), sort=False)["value"]
    summary = groups.agg(mean="mean", spread="sem", heads="size").reset_index()
    if (summary["heads"] < 2).any():
        raise ValueError("an interval needs at least 2 heads in every setting, got 1")
    half = summary["spread"] * stats.t.ppf((1 + level) / 2, summary["heads"] - 1)
    summary["low"], summary["high"] = summary["mean"] - half, summary["mean"] + half
    return summary[[*by, "mean", "low", "high", "heads"]]


def save_result(table: pd.DataFrame, path: Path | str, provenance: Mapping[str, Any]) -> None:
    """Write a table as CSV and, beside it (.json), how it came about; each file atomically.

    The machine's device, torch and python are added to the provenance given (command, seconds,
    seed, heads, package version and source hash are the caller's to say).
    """
    path = Path(path)
    machine = {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu",
        "rows": len(table),
    }
    _write(path, table.to_csv(index=False))
    _write(path.with_suffix(".json"), json.dumps({**machine, **provenance}, indent=1) + "\n")


def load_result(path: Path | str) -> pd.DataFrame:
    """Read what `save_result` wrote; the provenance is in the table's `attrs`.

    Raises:
        ValueError: if the table has not the rows that its provenance promises.
    """
    path = Path(path)
    table = pd.read_csv(path)
    table.attrs = json.loads(path.with_suffix(".json").read_text())
    if len(table) != table.attrs["rows"]:
        promised = table.attrs["rows"]
        raise ValueError(f"{path.name} should have {promised} rows, got {len(table)}")
    return table


def _write(path: Path, text: str) -> None:
    part = path.with_name(path.name + ".part")
    part.write_text(text)
    os.replace(part, path)
