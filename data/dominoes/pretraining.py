"""The same gains with networks of other seeds: python data/dominoes/pretraining.py FILE_1 FILE_2.

FILE_K is the features.npz of `make.py --pretraining K --folder FOLDER`; seed 0 is the one here.
Writes pretraining.csv, about twenty seconds of one core. Images, parts and draws of heads are the
same for all seeds, so that only the networks differ. All pairs at more mixtures:
data/spurious/seeds.py.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).parent))
import measure

from w2s_tutorial.datasets import frozen
from w2s_tutorial.storage import describe
from w2s_tutorial.sweeps import sweep
from w2s_tutorial.tables import save_result, summarize

AXES = ("strong", "minority_labeled", "minority_pool")


def gains(path: Path | str, students: list[str], heads: int = measure.HEADS) -> pd.DataFrame:
    """The four roles and the gain of students of `cnn`, from one file of features."""
    seen = frozen.load(path, frozen.BACKBONES)
    values = (students, measure.SHARES, measure.SHARES)

    def run(**setting: object) -> object:
        return measure.transfer("dominoes", "cnn", heads=heads, seen_by=seen, **setting)

    raw = sweep(run, dict(zip(AXES, values, strict=True)))
    return summarize(raw, [*AXES, "role"])


def main(paths: list[Path], folder: Path = Path(__file__).parent) -> None:
    start, files = time.process_time(), dict(enumerate([frozen.DOMINOES, *paths]))
    students = [name for name in frozen.BACKBONES if name != "cnn"]
    found = [gains(file, students).assign(pretraining=seed) for seed, file in files.items()]
    table = pd.concat(found, ignore_index=True)
    facts = describe(
        "python data/dominoes/pretraining.py FILE_1 FILE_2",
        files={f"pretraining {seed}": file for seed, file in files.items()},
        processor_seconds=round(time.process_time() - start),
        seed=measure.SEED,
        heads=measure.HEADS,
    )
    save_result(table[["pretraining", *table.columns[:-1]]], folder / "pretraining.csv", facts)
    shown = table[table["role"] == "gain"].assign(
        cell=lambda rows: rows.apply(measure.percent, axis=1)
    )
    print(shown.pivot(index=[*AXES], columns="pretraining", values="cell").to_string())


if __name__ == "__main__":
    torch.set_num_threads(1)
    main([Path(name) for name in sys.argv[1:]])
