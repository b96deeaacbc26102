"""Measure what students of weak molecular networks gain: python data/molecules/measure.py.

Reads the networks and features that make.py left here, and ESOL, FreeSolv and Lipophilicity (the
loaders download them). Writes measured.csv (a row for every data set, split, protocol and weak
network), picks.csv (which network a rule picks, and how good its student is) and ensembles.csv
(mixtures of weak networks), each with its provenance beside. A few minutes of one core.
"""

from __future__ import annotations

import hashlib
import time
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import torch

import w2s_tutorial
from w2s_tutorial.molecules import PROTOCOLS, Views, deal, errors, outcome, views
from w2s_tutorial.networks.molecule_features import DATASETS
from w2s_tutorial.sweeps import save_result

HERE = Path(__file__).parent
PUBLISHED = (122, 123, 124)
SEEDS = tuple(range(122, 142))  # the three published splits, and 17 more of the same kind


@cache
def seen_by_all(dataset: str) -> Views:
    return views(dataset, folder=HERE)


def measured(dataset: str, seed: int, protocol: str) -> pd.DataFrame:
    """A row for every weak network."""
    seen = seen_by_all(dataset)
    parts = deal(dataset, seed, protocol, len(seen.label))
    found = outcome(seen, parts)
    columns: dict[str, Any] = {"dataset": dataset, "seed": seed, "protocol": protocol}
    columns["width"] = list(seen.weak)
    for part in ("pool", "validation", "test"):
        for name, values in errors(found, getattr(parts, part)).items():
            columns[f"{name}_{part}"] = values.numpy()
    columns["penalty_weak"] = found.penalty_weak.numpy()
    columns["penalty_student"] = found.penalty_student.item()
    return pd.DataFrame(columns)


def picks(table: pd.DataFrame) -> pd.DataFrame:
    """Which weak network each rule picks by the validation molecules, and how its student fares.

    Columns: dataset, seed, protocol, rule, width, rank (1: no other network has a better student
    on the test molecules), student (its error there), best (the smallest).
    """
    rows = []
    rules = {
        "weak error - misfit": lambda t: t["weak_validation"] - t["misfit_validation"],
        "weak error": lambda t: t["weak_validation"],
        "misfit": lambda t: -t["misfit_validation"],
        "student's label error": lambda t: t["student_validation"],
        "widest": lambda t: -t["width"],
    }
    for key, each in table.groupby(["dataset", "seed", "protocol"], sort=False):
        for name, rule in rules.items():
            taken = each.loc[rule(each).idxmin()]
            rank = int((each["student_test"] < taken["student_test"]).sum()) + 1
            best = each["student_test"].min()
            rows.append((*key, name, taken["width"], rank, taken["student_test"], best))
    names = ["dataset", "seed", "protocol", "rule", "width", "rank", "student", "best"]
    return pd.DataFrame(rows, columns=names)


def provenance(start: float) -> dict[str, Any]:
    files = [HERE / "features.npz", *sorted(HERE.glob("weak_*.npz"))]
    return {
        "command": "python data/molecules/measure.py",
        "date": datetime.now(UTC).date().isoformat(),
        "processor_seconds": round(time.process_time() - start),
        "package": w2s_tutorial.__version__,
        "sha256": {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files},
    }


def main(folder: Path = HERE, seeds: tuple[int, ...] = SEEDS) -> None:
    start = time.process_time()
    settings = [(d, s, p) for d in DATASETS for s in seeds for p in PROTOCOLS]
    table = pd.concat([measured(*setting) for setting in settings], ignore_index=True)
    save_result(table.round(6), folder / "measured.csv", provenance(start))
    save_result(picks(table).round(6), folder / "picks.csv", provenance(start))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
