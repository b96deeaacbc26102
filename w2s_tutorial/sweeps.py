"""Settings times heads -> a tidy table; summaries with intervals; results with provenance."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy import stats
from torch import Tensor

from w2s_tutorial.provenance import machine, save
from w2s_tutorial.settings import finish, keep, load, result_files
from w2s_tutorial.storage import replacing


def sweep(
    run: Callable[..., Mapping[str, Tensor]],
    axes: Mapping[str, Sequence[Any]],
    *,
    store: Path | str | None = None,
    version: str = "",
    **fixed: Any,
) -> pd.DataFrame:
    """Call run at every combination of the axes; a row for every setting, key and head.

    Settings run one after the other in this process, in the order of the table, unless
    `joblib.parallel_config` says otherwise: `parallel_config(n_jobs=-1)` spreads them over the
    processors, `parallel_config(backend="dask")` over a cluster. Wherever they run, the table is
    the same if `run` draws from `settings.generator_for` of its setting. The heads of a setting
    are one call's work; an axis that numbers blocks of heads spreads them as well.

    Args:
        run: takes one value of each axis, and `fixed`, by keyword; returns name -> (h,) values.
            Names are usually roles.
        axes: axis name -> its values.
        store: folder that keeps every finished setting, written by the process that finished it
            (on a cluster, a folder that all machines see). What a sweep finds there it does not
            run again. Needs a `run` that is defined by name in a module.
        version: with a store, the state of run's code; all settings run again when it changes.
        fixed: passed to every call.

    Returns:
        Columns: the axes, `role` (the name), `head`, `value`.

    Raises:
        ValueError: if an axis is empty or its name is taken, a result is not one value per head,
            run draws from a generator that outlives its call although settings are stored or run
            side by side, or `settings.result_files` cannot name the results. What run raises is
            passed on with its setting in a note; settings finished by then are kept.
    """
    from joblib import Parallel, delayed, effective_n_jobs
    from joblib.parallel import get_active_backend

    _check(axes, fixed)
    if store is not None or effective_n_jobs(None) != 1:
        _refuse_shared_generators(run, fixed)
    settings = [dict(zip(axes, values, strict=True)) for values in product(*axes.values())]
    paths: Sequence[Path | None] = [None] * len(settings)
    if store is not None:
        paths = result_files(Path(store).resolve(), run, settings, fixed, version)
    kept = {n: found for n, path in enumerate(paths) if path and (found := load(path)) is not None}
    missing = [n for n in range(len(settings)) if n not in kept]
    unordered = get_active_backend()[0].supports_return_generator
    # All at once, because workers may join a cluster late; singly, so that each is stored.
    finished = Parallel(
        batch_size=1,
        pre_dispatch="all",
        return_as="generator_unordered" if unordered else "list",
    )(delayed(_numbered)(n, run, settings[n], paths[n], **fixed) for n in missing)
    for n, result in finished:
        kept[n], path = result, paths[n]
        if path and not path.exists():  # the worker has a disk of its own
            keep(path, settings[n], result)
    rows = []
    for n, setting in enumerate(settings):
        for role, values in kept[n].items():
            column = {"head": np.arange(len(values)), "value": values}
            rows.append(pd.DataFrame({**setting, "role": role, **column}))
    return pd.concat(rows, ignore_index=True)


def _numbered(n: int, /, *task: Any, **fixed: Any) -> tuple[int, dict[str, np.ndarray]]:
    return n, finish(*task, **fixed)


def _check(axes: Mapping[str, Sequence[Any]], fixed: Mapping[str, Any]) -> None:
    for name, choices in axes.items():
        if len(choices) == 0:
            raise ValueError(f"axis {name} needs at least 1 value, got 0")
        if name in ("role", "head", "value") or name in fixed:
            raise ValueError(f"axis {name} must have another name: this one is taken")


def _refuse_shared_generators(run: Callable[..., Any], fixed: Mapping[str, Any]) -> None:
    seen = dict(fixed)
    if inspect.isfunction(plain := inspect.unwrap(run)):
        around = inspect.getclosurevars(plain)
        seen |= {**around.globals, **around.nonlocals}
    for name, value in seen.items():
        if isinstance(value, torch.Generator):
            raise ValueError(
                f"{name} must not be a generator when settings are stored or run side by side: "
                "results would depend on their order; use generator_for in run"
            )


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

    The machine's device, torch and python are added to the provenance given, which
    `provenance.describe` makes.
    """
    path = Path(path)
    with replacing(path) as partial:
        table.to_csv(partial, index=False)
    facts = {**machine(), "rows": len(table), **provenance}
    save(path.with_suffix(".json"), facts)


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
