"""Arms of an experiment, each kept when it is done. Used by the programs beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd

from w2s_tutorial.storage import replacing

KEY = ["teacher", "run", "arm"]
Jobs = Mapping[tuple[str, int, str], Callable[[], pd.DataFrame]]


def finished(jobs: Jobs, kept: Path, before: Path | None = None) -> pd.DataFrame:
    """The tables of all jobs, one below the other, in the order of the jobs.

    Args:
        jobs: (teacher, run, arm) -> what trains the arm and measures it.
        kept: csv to which a job's table goes as soon as it is done, and where a run that was
            stopped goes on.
        before: csv of an earlier run, whose arms are taken as they are.
    """
    known = [pd.read_csv(path) for path in (kept, before) if path and path.exists()]
    done = {key: table for some in known[::-1] for key, table in some.groupby(KEY)}
    for key, make in jobs.items():
        if key not in done:
            done[key] = _named(make(), key)
            kept.parent.mkdir(parents=True, exist_ok=True)
            with replacing(kept) as partial:
                pd.concat(done.values()).to_csv(partial, index=False)
    return pd.concat([done[key] for key in jobs], ignore_index=True)


def _named(table: pd.DataFrame, key: tuple[str, int, str]) -> pd.DataFrame:
    teacher, run, arm = key
    return table.assign(teacher=teacher, run=run, arm=arm).round(4)
