"""Grow students beside weak teachers and alone: python data/growing/make.py.

Takes a quarter of an hour of one core. Writes runs.csv (the cross-entropy of every student on the
test) and teachers.csv (how good the teachers are and how long they took), with provenance. Nothing
is downloaded: the text is what this Python carries. Finished settings are kept in _build/growing: a
run that was stopped goes on there.
"""

from __future__ import annotations

import hashlib
import time
from functools import cache
from pathlib import Path

import pandas as pd
import torch

from w2s_tutorial import growing
from w2s_tutorial.storage import describe
from w2s_tutorial.sweeps import sweep
from w2s_tutorial.tables import save_result

HERE = Path(__file__).parent
STORE = HERE.parents[1] / "_build" / "growing"
VERSION = "1"
SEEDS = 8
GOALS = {"weak": 2.5, "very weak": 2.7, "extremely weak": 3.0}
"""Cross-entropy on the probe at which a teacher is stopped, nats per character."""
SHORT, ALL = (100, 200, 400), (100, 200, 400, 800)
ALONE = ("none", "0", "random")
PLAN = (
    (ALONE, ALL),
    (("weak", "1", "random"), ALL),
    (("weak", "4 to 0", "random"), ALL),
    (("weak", "4", "random"), ALL),
    (("weak", "1 to 0", "random"), ALL),
    (("weak", "4 to 1", "random"), (400, 800)),
    (("very weak", "1", "random"), SHORT),
    (("extremely weak", "1", "random"), (100,)),
)
NAMES = ("teacher", "weight", "start")


@cache
def text() -> growing.Text:
    return growing.windows(growing.help_text())


@cache
def teachers(seed: int) -> dict[float, growing.Stopped]:
    return growing.raise_teacher(text(), list(GOALS.values()), seed=1000 + seed)


def measure(
    teacher: str, weight: str, start: str, steps: int, seeds: int
) -> dict[str, list[float]]:
    """Cross-entropy on the test of one arm's students, by seed: of weights, batches, teacher."""
    numbers = range(seeds)
    taught = teacher != "none" and weight != "0"
    helpers = [teachers(i)[GOALS[teacher]].network for i in numbers] if teacher != "none" else []
    if start == "remapped":
        students = [growing.remap(helper, seed=i) for i, helper in enumerate(helpers)]
    else:
        students = [growing.model("student", seed=i) for i in numbers]
    beside = {"teachers": helpers, "soft": growing.soft_weights(weight, steps)} if taught else {}
    grown = growing.grow(students, text().train, steps=steps, seeds=list(numbers), **beside)
    return {"student": [growing.cross_entropy(network, text().test) for network in grown]}


def raised(seed: int) -> dict[tuple[str, str], float]:
    """What the teachers of one seed can do, and their steps."""
    found = {}
    for quality, goal in GOALS.items():
        network, steps = teachers(seed)[goal]
        found[quality, "steps"] = float(steps)
        found[quality, "probe"] = growing.cross_entropy(network, text().probe)
        found[quality, "test"] = growing.cross_entropy(network, text().test)
    return found


def main() -> None:
    torch.set_num_threads(1)
    start = time.process_time()
    kept = {"store": STORE, "version": VERSION}
    quality = sweep(raised, {"seed": range(SEEDS)}, keys=("teacher", "what"), **kept)
    quality = quality.pivot(index=["teacher", "seed"], columns="what", values="value")
    parts = [
        sweep(measure, {NAMES: [arm], "steps": lengths}, seeds=SEEDS, **kept)
        for arm, lengths in PLAN
    ]
    runs = pd.concat(parts, ignore_index=True).rename(columns={"head": "seed", "value": "test"})
    facts = describe(
        "python data/growing/make.py",
        code=[growing],
        processor_seconds_of_the_last_start=round(time.process_time() - start),
        text_sha256=hashlib.sha256(growing.help_text().encode()).hexdigest(),
        goals=GOALS,
        seeds=SEEDS,
    )
    save_result(runs.drop(columns="role").round(4), HERE / "runs.csv", facts)
    save_result(quality.reset_index().round(4), HERE / "teachers.csv", facts)


if __name__ == "__main__":
    main()
