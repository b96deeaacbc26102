"""Grow students beside weak teachers and alone: python data/growing/make.py [FILE].

Takes half an hour of one core. Writes runs.csv (the cross-entropy of every student on
the test), instead.csv (of students alone that were given a teacher's work) and teachers.csv (how
good the teachers are and how long they took), with provenance. Nothing is downloaded: the text is
what this Python carries, or FILE in UTF-8; the tables of a FILE are written beside it. Finished
settings are kept in _build/growing: a run that was stopped goes on there, new arms are added.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from w2s_tutorial import growing
from w2s_tutorial.storage import describe
from w2s_tutorial.sweeps import sweep
from w2s_tutorial.tables import load_result, save_result

HERE = Path(__file__).parent
STORE = HERE.parents[1] / "_build" / "growing"
VERSION = "1"
SEEDS = 8
GOALS = {"weak": 2.5, "very weak": 2.7, "extremely weak": 3.0}
"""Cross-entropy on the probe at which a teacher is stopped, nats per character."""
LENGTHS = (100, 200, 400, 800)
ALONE = ("none", "0", "random")
WEIGHTS = ("1", "4", "4 to 1", "1 to 0", "4 to 0", "1, first quarter", "4, first quarter")
ARMS = (
    ALONE,
    *(("weak", weight, "random") for weight in WEIGHTS),
    ("very weak", "1", "random"),
    ("extremely weak", "1", "random"),
    ("weak", "0", "remapped"),
    ("weak", "1", "remapped"),
)
SETTING = ("teacher", "weight", "start", "steps")
INSTEAD = {"asking": (1, 0), "asking and teacher": (1, 1), "teacher": (0, 1)}
"""Whose work a student alone gets as more steps: shares of the asking and of the training."""


@cache
def words(file: str) -> str:
    return Path(file).read_text("utf-8") if file else growing.help_text()


@cache
def text(file: str) -> growing.Text:
    return growing.windows(words(file))


@cache
def teachers(seed: int, file: str) -> dict[float, growing.Stopped]:
    return growing.raise_teacher(text(file), list(GOALS.values()), seed=1000 + seed)


def judged(networks: Sequence[torch.nn.Module], start: float, file: str) -> dict[str, list[float]]:
    """Cross-entropy of each on the test, and its share of the processor seconds since start."""
    found = [growing.cross_entropy(network, text(file).test) for network in networks]
    share = (time.process_time() - start) / len(networks)
    return {"test": found, "seconds": [share] * len(networks)}


def measure(
    teacher: str, weight: str, start: str, steps: int, seeds: int, file: str
) -> dict[str, list[float]]:
    """One arm's students, by seed: of weights, batches, teacher."""
    began, numbers = time.process_time(), range(seeds)
    taught = teacher != "none" and weight != "0"
    helpers = []
    if teacher != "none":
        helpers = [teachers(i, file)[GOALS[teacher]].network for i in numbers]
    if start == "remapped":
        students = [growing.remap(helper, seed=i) for i, helper in enumerate(helpers)]
    else:
        students = [growing.model("student", seed=i) for i in numbers]
    beside = {"teachers": helpers, "soft": growing.soft_weights(weight, steps)} if taught else {}
    how = {"steps": steps, "seeds": list(numbers), **beside}
    return judged(growing.grow(students, text(file).train, **how), began, file)


def instead(work: str, steps: int, seeds: int, file: str) -> dict[str, list[float]]:
    """Students alone that got a weak teacher's work as more steps, by seed; and these steps."""
    asked, raised = INSTEAD[work]
    own = [teachers(i, file)[GOALS["weak"]].steps * raised for i in range(seeds)]
    worth = [round(growing.steps_worth(steps, taught=asked, teacher_steps=spent)) for spent in own]
    found: dict[str, list[float]] = {name: [0.0] * seeds for name in ("test", "seconds")}
    for total in sorted(set(worth)):
        alike, began = [i for i in range(seeds) if worth[i] == total], time.process_time()
        students = [growing.model("student", seed=i) for i in alike]
        grown = growing.grow(students, text(file).train, steps=total, seeds=alike)
        for name, values in judged(grown, began, file).items():
            for i, value in zip(alike, values, strict=True):
                found[name][i] = value
    return {**found, "worth": [float(total) for total in worth]}


def raised(seed: int, file: str) -> dict[tuple[str, str], float]:
    """What the teachers of one seed can do, their steps, and the seconds that all took."""
    found, began = {}, time.process_time()
    for quality, goal in GOALS.items():
        network, steps = teachers(seed, file)[goal]
        found[quality, "steps"] = float(steps)
        found[quality, "probe"] = growing.cross_entropy(network, text(file).probe)
        found[quality, "test"] = growing.cross_entropy(network, text(file).test)
    seconds = (time.process_time() - began) / len(GOALS)
    return found | {(quality, "seconds"): seconds for quality in GOALS}


def known(path: Path, facts: dict[str, Any]) -> pd.DataFrame:
    """The stored table, if the same code made it from the same text, goals and seeds; else none."""
    told = json.loads(path.with_suffix(".json").read_text("utf-8")) if path.exists() else {}
    names = ("source_sha256", "text_sha256", "goals", "seeds")
    same = all(told.get(name) == facts[name] for name in names)
    return load_result(path) if same else pd.DataFrame(columns=list(SETTING))


def wide(long: pd.DataFrame) -> pd.DataFrame:
    """A column for each `what`, a row for each setting and seed."""
    index = [column for column in long if column not in ("what", "value")]
    return long.pivot(index=index, columns="what", values="value").reset_index()


def main(file: str = "") -> None:
    torch.set_num_threads(1)
    place, named = (Path(file).parent, f"{Path(file).stem}_") if file else (HERE, "")
    sha256 = hashlib.sha256(words(file).encode()).hexdigest()
    command = f"python data/growing/make.py {Path(file).name}".strip()
    facts = describe(command, code=[growing], text_sha256=sha256, goals=GOALS, seeds=SEEDS)
    runs = known(place / f"{named}runs.csv", facts)
    have = set(runs[list(SETTING)].itertuples(index=False, name=None))
    missing = [(*arm, steps) for arm in ARMS for steps in LENGTHS if (*arm, steps) not in have]
    kept = {"store": STORE, "version": f"{VERSION} {sha256}", "file": file}
    many = {"keys": ["what"], "seeds": SEEDS, **kept}
    teaching = sweep(raised, {"seed": range(SEEDS)}, keys=("teacher", "what"), **kept)
    found = {"teachers": wide(teaching.drop(columns="head")), "runs": runs}
    if missing:
        more = wide(sweep(measure, {SETTING: missing}, **many).rename(columns={"head": "seed"}))
        found["runs"] = pd.concat([runs, more] if len(runs) else [more])
    given = sweep(instead, {"work": list(INSTEAD), "steps": LENGTHS}, **many)
    found["instead"] = wide(given.rename(columns={"head": "seed"}))
    for name, table in found.items():
        spent = {"processor_seconds": round(float(table["seconds"].sum()))}
        save_result(table.round(4), place / f"{named}{name}.csv", facts | spent)


if __name__ == "__main__":
    main(*sys.argv[1:])
