"""Gain and misfit in the synthetic worlds: python data/misfit/make.py (eight minutes, one core).

Writes panels.csv (a row for every world, panel, task and part: training inputs or fresh ones) and
swap.csv (the same for 2 layers teaching 8 and 8 teaching 2, by examples of pre-training), each with
its provenance. Errors are in units of the labels' variance in their world and part.
"""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd
import torch

import w2s_tutorial
from w2s_tutorial.problems import MisfitProblem, Pretrained
from w2s_tutorial.simulation.misfit import Measured, World, draw_world, measure
from w2s_tutorial.storage import describe
from w2s_tutorial.tables import save_result

HERE = Path(__file__).parent
WORLDS, TASKS = range(5), 100
PANELS = {
    "realizable": MisfitProblem.realizable(),
    "pre-trained": MisfitProblem.pretrained(),
    "perturbed": MisfitProblem.perturbed(),
}
EXAMPLES, SWAP_WORLDS = (25, 100, 400, 2000), range(10)


def rows(found: Measured, pair: World, **where: object) -> pd.DataFrame:
    """A row per task, in units of the mean variance of the labels."""
    unit = found.variance.mean()
    columns = {name: (value / unit).numpy() for name, value in found._asdict().items()}
    losses = {"weak_loss": pair.weak_loss, "strong_loss": pair.strong_loss}
    frame = pd.DataFrame({**where, "task": range(TASKS), **columns, **losses})
    # Before rounding: on training inputs the difference is zero to more digits than are kept.
    difference = ((found.gain - found.misfit) / unit).numpy()
    return frame.assign(difference=difference, unit=float(unit))


def panels() -> pd.DataFrame:
    parts = []
    for seed in WORLDS:
        for panel, problem in PANELS.items():
            generator = torch.Generator().manual_seed(seed)
            world = draw_world(problem, seed=generator)
            parts_of = measure(problem, world, tasks=TASKS, seed=generator)
            for part, found in zip(("training", "fresh"), parts_of, strict=True):
                parts.append(rows(found, world, world=seed, panel=panel, part=part))
    return pd.concat(parts, ignore_index=True)


def swap() -> pd.DataFrame:
    parts = []
    for seed in SWAP_WORLDS:
        for examples in EXAMPLES:
            generator = torch.Generator().manual_seed(seed)
            shallow, deep = Pretrained(2, examples=examples), Pretrained(8, examples=examples)
            one = MisfitProblem(weak=shallow, strong=deep)
            world = draw_world(one, seed=generator, steps=2000, starts=1)
            other = MisfitProblem(weak=deep, strong=shallow)
            turned = world._replace(weak=world.strong, strong=world.weak)
            turned = turned._replace(weak_loss=world.strong_loss, strong_loss=world.weak_loss)
            for teacher, problem, pair in ((2, one, world), (8, other, turned)):
                _, fresh = measure(problem, pair, tasks=TASKS, seed=generator)
                where = {"world": seed, "examples": examples, "teacher": teacher}
                parts.append(rows(fresh, pair, **where))
    return pd.concat(parts, ignore_index=True)


def main() -> None:
    torch.set_num_threads(1)
    for make in (swap, panels):
        start = time.process_time()
        table = make()
        code = Path(w2s_tutorial.__file__).parent / "simulation"
        facts = describe(
            "python data/misfit/make.py",
            files={f"{name}.py": code / f"{name}.py" for name in ("misfit", "_small_networks")},
            processor_seconds=round(time.process_time() - start),
            seeds=sorted(set(table["world"].tolist())),
            heads=TASKS,
        )
        numbers = table.select_dtypes("float").columns
        table[numbers] = table[numbers].map(lambda value: float(f"{value:.5g}"))
        save_result(table, HERE / f"{make.__name__}.csv", facts)


if __name__ == "__main__":
    main()
