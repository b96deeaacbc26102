"""Who learns from one draw, and arms that are kept when they are done."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from w2s_tutorial import whole
from w2s_tutorial.tables import load_result, save_result

HERE = Path(__file__).parent
KEY = ["teacher", "run", "arm"]
SEEN = ("pool", "held", "test")
Jobs = Mapping[tuple[str, int, str], Callable[[], pd.DataFrame]]


def teacher_of(world: whole.Lesson) -> whole.Taught:
    """The teacher itself, sure of every label."""
    return whole.Taught([], {(part, 0): 20 * world.label[part] for part in SEEN})


def solved(features: whole.Lesson, taught_by: str, l2: float) -> whole.Taught:
    """Heads on frozen features, at their optimum."""
    heads = whole.fit_heads(features, taught_by=taught_by, l2=l2)
    x = features.images
    return whole.Taught([], {(part, 0): heads(x[part].double()).float() for part in SEEN})


class Draw:
    """One random draw of all parts, its teacher, and who learns from it.

    Args:
        world: of one run.
        early, late: the body in two parts; only the second moves where only the last layers do.
        whole_body: both.
        width: its number of features.
        l2: penalty of solved heads.
        fit: for `fine_tune`.
    """

    def __init__(
        self,
        world: whole.Lesson,
        *,
        run: int,
        early: Callable[[], nn.Module],
        late: Callable[[], nn.Module],
        whole_body: Callable[[], nn.Module],
        width: int,
        l2: float,
        **fit: Any,
    ) -> None:
        self.world, self.run, self.width, self.l2 = world, run, width, l2
        self.fit = {**fit, "seed": 100 + run}
        self.early, self.bodies = early, {"head": nn.Identity, "last": late, "all": whole_body}

    @cached_property
    def maps(self) -> whole.Lesson:
        """What the part that stays makes of the images."""
        return whole.map_images(self.world, self.early().eval())

    @cached_property
    def features(self) -> whole.Lesson:
        return whole.map_images(self.maps, self.bodies["last"]().eval())

    def taught(self, part: str, *, begin: bool = False, **more: Any) -> whole.Taught:
        """A student of which a part moves: "head", "last" or "all"; or "solved", or the "teacher".

        Args:
            begin: from the solved head.
            more: for `fine_tune`.
        """
        if part == "teacher":
            return teacher_of(self.world)
        if part == "solved":
            return solved(self.features, more["taught_by"], self.l2)
        given = {"head": "features", "last": "maps", "all": "world"}[part]
        student = whole.Whole(self.bodies[part](), self.width, seed=self.run)
        if begin:
            student = student.begin(whole.fit_heads(self.features, l2=self.l2), 0)
        return whole.fine_tune([student], getattr(self, given), **{**self.fit, **more})


def finished(jobs: Jobs, kept: Path, before: Path | None = None, **settings: Any) -> pd.DataFrame:
    """The tables of all jobs, one below the other, in the order of the jobs.

    Args:
        jobs: (teacher, run, arm) -> what trains the arm and measures it.
        kept: csv to which a job's table goes as soon as it is done, and where a run that was
            stopped goes on.
        before: csv of an earlier run, whose arms are taken as they are.
        settings: what decides a job's numbers, as JSON can hold it; the .json beside a csv says
            with which it was made.

    Raises:
        ValueError: if one of the two was made with other settings.
    """
    told = json.loads(json.dumps(settings))
    known = [_made_with(told, path) for path in (kept, before) if path and path.exists()]
    done = {key: table for some in known[::-1] for key, table in some.groupby(KEY)}
    for key, make in jobs.items():
        if key not in done:
            done[key] = _named(make(), key)
            save_result(pd.concat(done.values()), kept, settings)
    return pd.concat([done[key] for key in jobs], ignore_index=True).round(4)


def _made_with(told: Mapping[str, Any], path: Path) -> pd.DataFrame:
    table = load_result(path) if path.with_suffix(".json").exists() else pd.DataFrame()
    if other := [name for name in told if table.attrs.get(name, ...) != told[name]]:
        raise ValueError(
            f"{path} must be made with the settings of this run, it has another"
            f" {' and '.join(other)}: leave it alone by --anew or another --store"
        )
    return table


def _named(table: pd.DataFrame, key: tuple[str, int, str]) -> pd.DataFrame:
    teacher, run, arm = key
    single = dict.fromkeys(table.select_dtypes("float32"), "float64")  # which is rounded as written
    return table.astype(single).assign(teacher=teacher, run=run, arm=arm).round(4)


def arguments(doc: str, runs: int, **more: tuple[int, str]) -> argparse.Namespace:
    """The command line of a program that keeps its arms.

    Args:
        doc: the program's; its first line is shown.
        runs: how many draws, if nothing is said.
        more: name -> default and help of another number that it asks.
    """
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=HERE, help="where to write")
    parser.add_argument("--store", type=Path, default=HERE.parents[1] / "_build" / HERE.name)
    for name, (default, what) in {"runs": (runs, "draws"), **more}.items():
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{what} ({default})")
    parser.add_argument("--anew", action="store_true", help="take nothing from what is stored")
    return parser.parse_args()
