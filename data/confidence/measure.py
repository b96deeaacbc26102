"""Measure the remedy and its rivals: python data/confidence/measure.py (ten minutes of one core).

Reads data/dominoes/features.npz, probes.csv and the waterdigits of the package. Writes methods.csv
(a row per pair, regime and method), draws.csv (the average accuracy of each draw), grid.csv (per p
and q), kept.csv (whom selection keeps), rule.csv (what the label-free rule chose) and ahead.csv
(how far a rival is ahead of the untuned cell, per student network), each with its provenance.
Finished settings are kept in _build/confidence: a run that was stopped goes on where it was.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parent))
import controls
import rivals

from w2s_tutorial.confidence import compare
from w2s_tutorial.confidence.synthetic import two_places
from w2s_tutorial.datasets import frozen
from w2s_tutorial.metrics import t_half_width
from w2s_tutorial.sample import Sample
from w2s_tutorial.storage import describe, generator_for
from w2s_tutorial.sweeps import sweep
from w2s_tutorial.tables import save_result

HEADS, SEED, VERSION = 20, 0, "3"
TABLES = ("methods", "draws", "grid", "kept", "rule", "ahead")
DATA = Path(__file__).parents[1]
FILES = (frozen.DOMINOES, DATA / "dominoes" / "probes.csv", frozen.WATERDIGITS)
READ = {"dominoes": frozen.dominoes_features, "waterdigits": frozen.waterdigits_features}
SIZES = {
    "synthetic": {"labeled": 200, "pool": 1000, "validation": 100, "test": 1000},
    "dominoes": {"labeled": 400, "pool": 800, "validation": 200, "test": 800},
    "waterdigits": {"labeled": 100, "pool": 400, "validation": 56, "test": 400},
}
REGIMES = ((0.05, 0.5), (0.5, 0.05), (0.05, 0.05))  # minority shares of labels and pool
PLACE = {"strong": 0.8, "keen": 2.5}  # synthetic students: how clearly they see the place
RIVALS = ("strong penalty", "small loss", "self-training", "co-training", "baseline")
KINDS = ("minority", "right", "minority right", "majority right")
PAIR, SHARES = ("dataset", "weak", "strong"), ("minority_labeled", "minority_pool")
KEYS = [*PAIR, *SHARES]
NONE = math.nan  # p or q of what has none


@cache
def seen(dataset: str) -> frozen.FrozenFeatures:
    return READ[dataset]()


def pairs() -> list[tuple[str, str, str]]:
    """All teachers and students of which the student's probe on true labels is the better one."""
    probes = pd.read_csv(DATA / "dominoes" / "probes.csv").query("role == 'average'")
    listed = [("synthetic", "weak", strong) for strong in PLACE]
    for dataset, rows in probes.groupby("dataset", sort=False):
        order = rows.sort_values("mean")["backbone"].tolist()
        listed += [(str(dataset), w, s) for i, w in enumerate(order) for s in order[i + 1 :]]
    return listed


def sets_of(
    pair: tuple[str, str, str], shares: tuple[float, float], heads: int, generator: torch.Generator
) -> dict[str, Sample]:
    """The five sets that a comparison needs; "balanced" is a second draw of validation examples."""
    dataset, weak, strong = pair
    labeled, pool = shares
    minority = dict(labeled=labeled, pool=pool, validation=labeled, test=0.5)
    sizes, drawn = SIZES[dataset], {"heads": heads, "seed": generator}
    again = {"sizes": {"validation": sizes["validation"]}, "minority": {"validation": 0.5}}
    if dataset == "synthetic":
        drawn["strong_place"] = PLACE[strong]
        sets, balanced = (
            two_places(**what, **drawn) for what in ({"sizes": sizes, "minority": minority}, again)
        )
    else:
        names = (seen(dataset), weak, strong)
        sets = frozen.draw(*names, sizes=sizes, minority=minority, **drawn)
        balanced = frozen.draw(*names, **again, **drawn)
    return {**sets, "balanced": balanced["validation"]}


def measure(
    dataset: str,
    weak: str,
    strong: str,
    minority_labeled: float,
    minority_pool: float,
    heads: int,
    seed: int,
) -> dict[tuple[str, str, float, float, str], Tensor]:
    """All that the tables need: (kind, method, p, q, where) -> (heads,).

    Pairs of a data set share their draws.
    """
    stream = {"dataset": dataset, "regime": f"{minority_labeled} {minority_pool}"}
    generator = generator_for(stream, seed=seed)
    shares = (minority_labeled, minority_pool)
    taught = compare.teach(sets_of((dataset, weak, strong), shares, heads, generator))
    remedy = compare.remedy(taught)
    methods = remedy.methods | rivals.compare_rivals(taught)
    methods |= rivals.compare_told_groups(taught)
    methods |= controls.compare_controls(taught, seed=generator)
    groups = {("methods", name, NONE, NONE): each for name, each in methods.items()}
    groups |= {("grid", "", p, q): each for (p, q), each in remedy.cells.items()}
    found = {(*key, str(g)): each[:, g] for key, each in groups.items() for g in range(4)}
    for (p, kind), share in controls.kept_shares(taught).items():
        found["kept", "", p, NONE, kind] = share
    chosen = {"doubt": remedy.doubt, "rule_p": remedy.p, "rule_q": remedy.q}
    return found | {("rule", "", NONE, NONE, name): v for name, v in chosen.items()}


def interval(values: np.ndarray, name: str) -> dict[str, float]:
    """Mean and Student's t interval over the heads that have a value."""
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return {name: np.nan, f"{name}_low": np.nan, f"{name}_high": np.nan}
    mean, half = values.mean(), t_half_width(values.std(ddof=1) / len(values) ** 0.5, len(values))
    return {name: mean, f"{name}_low": mean - half, f"{name}_high": mean + half}


def judged(groups: np.ndarray, vanilla: np.ndarray) -> dict[str, float]:
    """Average and worst group, and how much better than vanilla, paired by head.

    The test groups are equal, so the average is that of the groups; the worst group is the one
    with the lowest mean over heads.
    """
    average, base = groups.mean(1), vanilla.mean(1)
    worst, base_worst = (v[:, v.mean(0).argmin()] for v in (groups, vanilla))
    return {
        **interval(average, "average"),
        **interval(worst, "worst"),
        **interval(average - base, "gain"),
        **interval(worst - base_worst, "worst_gain"),
    }


def groups_of(part: pd.DataFrame) -> np.ndarray:
    """(heads, 4) accuracies of a method."""
    return part.pivot(index="head", columns="where", values="value").to_numpy()


def ahead(draws: pd.DataFrame) -> pd.DataFrame:
    """Rivals minus the untuned cell on Dominoes, paired by head, for each student network.

    The pairs of a data set share their draws, so a student's teachers are averaged within a head.
    """
    real = draws[draws["dataset"] == "dominoes"]
    heads = [column for column in draws if column.isdigit()]
    lines = []
    for key, part in real.groupby(["dataset", "strong", *SHARES], sort=False):
        of = dict(zip(["dataset", "strong", *SHARES], key, strict=True))
        by = part.groupby("method")[heads].mean()
        for name in RIVALS:
            far = interval((by.loc[name] - by.loc["untuned"]).to_numpy(), "mean")
            ends = {"low": far["mean_low"], "high": far["mean_high"]}
            lines.append({**of, "method": name, "mean": far["mean"], **ends})
    columns = ["dataset", "strong", *SHARES, "method", "mean", "low", "high"]
    return pd.DataFrame(lines, columns=columns)


def tables(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The six tables, from the sweep's."""
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in TABLES[:-1]}
    for key, part in table.groupby(KEYS, sort=False):
        of, kinds = dict(zip(KEYS, key, strict=True)), dict(list(part.groupby("kind")))
        methods = {n: groups_of(v) for n, v in kinds["methods"].groupby("method", sort=False)}
        vanilla = methods["vanilla"]
        for name, groups in methods.items():
            rows["methods"].append({**of, "method": name, **judged(groups, vanilla)})
            heads = {str(head): value for head, value in enumerate(groups.mean(1))}
            rows["draws"].append({**of, "method": name, **heads})
        for (p, q), cell in kinds["grid"].groupby(["p", "q"], sort=False):
            values = judged(groups_of(cell), vanilla)
            shown = {k: v for k, v in values.items() if not k.startswith("worst_gain")}
            rows["grid"].append({**of, "p": p, "q": q, **shown})
        for p, cell in kinds["kept"].groupby("p"):
            row = {**of, "p": p}
            for kind in KINDS:
                share = cell[cell["where"] == kind]["value"].to_numpy()
                row |= interval(share, kind.replace(" ", "_"))
            rows["kept"].append(row)
        chosen: dict[str, float] = {}
        for name, cell in kinds["rule"].groupby("where"):
            chosen |= interval(cell["value"].to_numpy(), str(name))
        rows["rule"].append({**of, **chosen})
    found = {name: pd.DataFrame(lines) for name, lines in rows.items()}
    found["ahead"] = ahead(found["draws"])
    return {name: each.round(4) for name, each in found.items()}


def main(
    folder: Path = DATA / "confidence",
    heads: int = HEADS,
    which: Callable[[], list[tuple[str, str, str]]] = pairs,
    store: Path = DATA.parent / "_build" / "confidence",
) -> None:
    start = time.process_time()
    axes = {SHARES: REGIMES, PAIR: which()}
    keys = ("kind", "method", "p", "q", "where")
    table = sweep(measure, axes, keys=keys, store=store, version=VERSION, heads=heads, seed=SEED)
    facts = describe(
        "python data/confidence/measure.py",
        files={path.name: path for path in FILES},
        processor_seconds_of_the_last_start=round(time.process_time() - start),
        seed=SEED,
        heads=heads,
    )
    for name, rows in tables(table).items():
        save_result(rows, folder / f"{name}.csv", facts)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
