"""Measure what students of weak molecular networks gain: python data/molecules/measure.py.

Reads the networks and features that make.py left here, and ESOL, FreeSolv and Lipophilicity (the
loaders download them). Writes, each with its provenance beside: measured.csv, a row for every data
set, split, protocol, target and weak network; picks.csv, which network a rule picks, and how good
its student is; mixtures.csv, teachers mixed by weights in the simplex; classes.csv, students that
may use fewer directions of their features. A minute or two of one core.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from roles import PROTOCOLS, Outcome, Parts, Views, deal, errors, outcome, views
from sets import CATALOG
from torch import Tensor

from w2s_tutorial.storage import describe
from w2s_tutorial.tables import save_result
from w2s_tutorial.theory.misfit import choose_teacher, mix_teachers, promise_of_mixtures

HERE = Path(__file__).parent
PUBLISHED = (122, 123, 124)
SEEDS = (*PUBLISHED, *range(125, 142))  # of splits: the published three, and 17 more of the kind
DIRECTIONS = (4, 8, 16, 32, 64, 160)  # that the students of classes.csv may use


def measured(key: dict[str, Any], seen: Views, found: Outcome, parts: Parts) -> pd.DataFrame:
    """A row for every weak network: errors and misfit on pool, validation and test molecules."""
    columns: dict[str, Any] = {**key, "width": list(seen.weak)}
    for part in ("pool", "validation", "test"):
        for name, values in errors(found, getattr(parts, part)).items():
            columns[f"{name}_{part}"] = values.numpy()
    columns["penalty_weak"] = found.penalty_weak.numpy()
    columns["penalty_student"] = found.penalty_student.item()
    return pd.DataFrame(columns)


RULES: dict[str, Callable[[Tensor, Tensor, Tensor], int]] = {
    "weak error - misfit": lambda weak, misfit, student: choose_teacher(weak, misfit),
    "weak error": lambda weak, misfit, student: int(weak.argmin()),
    "largest misfit": lambda weak, misfit, student: int(misfit.argmax()),
    # Who can measure the weak error has labels, and could train and measure every student.
    "error of the student": lambda weak, misfit, student: int(student.argmin()),
}


def picks(table: pd.DataFrame) -> pd.DataFrame:
    """Which weak network each rule picks by the validation molecules, and how its student fares.

    Columns: dataset, seed, protocol, target, rule, width, rank (1: no other network has a better
    student on the test molecules), student (its error there), best (the smallest), mean (a
    random pick).
    """
    rows = []
    for key, each in table.groupby(["dataset", "seed", "protocol", "target"], sort=False):
        roles = ("weak", "misfit", "student")
        told = [torch.tensor(each[f"{role}_validation"].to_numpy()) for role in roles]
        student = each["student_test"].to_numpy()
        for rule, pick in RULES.items():
            at = pick(*told)
            rank = int((student < student[at]).sum()) + 1
            taken = (each["width"].iloc[at], rank, student[at], student.min(), student.mean())
            rows.append((*key, rule, *taken))
    names = ["rule", "width", "rank", "student", "best", "mean"]
    return pd.DataFrame(rows, columns=["dataset", "seed", "protocol", "target", *names])


def mixtures(key: dict[str, Any], found: Outcome, parts: Parts) -> pd.DataFrame:
    """Single teachers and mixed ones: the errors of teacher and student on the test molecules.

    Weights are chosen on the validation molecules, but for the two baselines: equal shares, and
    the single teacher whose student is best on the test molecules, which nobody can know.
    """
    weak, student, label = (
        x[..., parts.validation] for x in (found.weak, found.student, found.label)
    )
    single = torch.eye(len(weak), dtype=torch.float64)
    test = errors(found, parts.test)
    held = errors(found, parts.validation)
    weights = {
        "one, by weak error - misfit": single[choose_teacher(held["weak"], held["misfit"])],
        "mixed, by weak error - misfit": mix_teachers(*promise_of_mixtures(weak, student, label)),
        "mixed, by weak error": mix_teachers(*promise_of_mixtures(weak, weak, label)),
        "mixed, equal shares": torch.full((len(weak),), 1 / len(weak), dtype=torch.float64),
        "one, the best in hindsight": single[int(test["student"].argmin())],
    }
    rows = []
    for teacher, share in weights.items():
        off = [(share @ x - found.label)[parts.test] for x in (found.weak, found.student)]
        used = int((share > 0.01).sum())
        rows.append((teacher, *(float(x.square().mean()) for x in off), used))
    return pd.DataFrame(rows, columns=["teacher", "weak", "student", "used"]).assign(**key)


def classes(key: dict[str, Any], seen: Views, parts: Parts) -> pd.DataFrame:
    """Errors on the test molecules where the student uses the leading directions only."""
    tables = []
    for directions in DIRECTIONS:
        found = outcome(seen._replace(strong=seen.strong[:, :directions]), parts)
        told = errors(found, parts.test)
        columns = {name: told[name].numpy() for name in ("weak", "misfit", "student", "ceiling")}
        row = {**key, "directions": directions, "width": list(seen.weak)}
        tables.append(pd.DataFrame({**row, **columns}))
    return pd.concat(tables)


@cache
def seen_by_all(dataset: str) -> Views:
    return views(dataset, folder=HERE)


def main(folder: Path, seeds: tuple[int, ...]) -> None:
    start = time.process_time()
    made: dict[str, list[pd.DataFrame]] = {"measured": [], "mixtures": [], "classes": []}
    for dataset in CATALOG:
        seen = seen_by_all(dataset)
        for seed in seeds:
            for protocol in PROTOCOLS:
                key = {"dataset": dataset, "seed": seed, "protocol": protocol, "target": "measured"}
                parts = deal(dataset, seed, protocol, len(seen.label))
                found = outcome(seen, parts)
                made["measured"].append(measured(key, seen, found, parts))
                made["mixtures"].append(mixtures(key, found, parts))
                if protocol == "whole":
                    made["classes"].append(classes(key, seen, parts))
                    # The control: a label that the student's class contains.
                    seen_too = seen._replace(label=found.ceiling)
                    key = {**key, "target": "realizable"}
                    found = outcome(seen_too, parts)
                    made["measured"].append(measured(key, seen_too, found, parts))
    tables = {name: pd.concat(rows, ignore_index=True).round(4) for name, rows in made.items()}
    files = [HERE / "features.npz", *sorted(HERE.glob("weak_*.safetensors"))]
    provenance = describe(
        "python data/molecules/measure.py",
        files={file.name: file for file in files},
        processor_seconds=round(time.process_time() - start),
        splits=list(seeds),
    )
    for name, table in {**tables, "picks": picks(tables["measured"]).round(4)}.items():
        save_result(table, folder / f"{name}.csv", provenance)


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fast", action="store_true", help="one split, to see that it runs")
    parser.add_argument("--folder", type=Path, default=HERE, help="where to write")
    asked = parser.parse_args()
    main(asked.folder, SEEDS[:1] if asked.fast else SEEDS)
