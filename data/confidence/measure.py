"""Measure the remedy and its rivals: python data/confidence/measure.py (ten minutes of one core).

Reads data/dominoes/features.npz, probes.csv and the waterdigits of the package. Writes methods.csv
(a row per pair, regime and method), grid.csv (per p and q), kept.csv (whom selection keeps) and
rule.csv (what the label-free rule chose), each with its provenance. Finished settings are kept in
_build/confidence: a run that was stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from w2s_tutorial.confidence.compare import Comparison
from w2s_tutorial.confidence.synthetic import two_places
from w2s_tutorial.datasets import frozen
from w2s_tutorial.metrics import t_half_width
from w2s_tutorial.sample import Sample
from w2s_tutorial.storage import describe, generator_for
from w2s_tutorial.sweeps import sweep
from w2s_tutorial.tables import save_result

HEADS, SEED, VERSION = 20, 0, "2"
DATA = Path(__file__).parents[1]
FILES = (frozen.DOMINOES, DATA / "dominoes" / "probes.csv", frozen.WATERDIGITS)
READ = {"dominoes": frozen.dominoes_features, "waterdigits": frozen.waterdigits_features}
SIZES = {
    "synthetic": {"labeled": 200, "pool": 1000, "validation": 100, "test": 1000},
    "dominoes": {"labeled": 400, "pool": 800, "validation": 200, "test": 800},
    "waterdigits": {"labeled": 100, "pool": 400, "validation": 56, "test": 400},
}
REGIMES = ("0.05 0.5", "0.5 0.05", "0.05 0.05")  # minority shares of labels and pool
PLACE = {"strong": 0.8, "keen": 2.5}  # synthetic students: how clearly they see the place
KINDS = ("minority", "right", "minority right", "majority right")
KEYS = ["dataset", "weak", "strong", "minority_labeled", "minority_pool"]


@cache
def seen(dataset: str) -> frozen.FrozenFeatures:
    return READ[dataset]()


def pairs() -> list[str]:
    """All teachers and students of which the student's probe on true labels is the better one."""
    probes = pd.read_csv(DATA / "dominoes" / "probes.csv").query("role == 'average'")
    listed = [f"synthetic weak {strong}" for strong in PLACE]
    for dataset, rows in probes.groupby("dataset", sort=False):
        order = rows.sort_values("mean")["backbone"].tolist()
        listed += [f"{dataset} {w} {s}" for i, w in enumerate(order) for s in order[i + 1 :]]
    return listed


def sets_of(pair: str, regime: str, heads: int, generator: torch.Generator) -> dict[str, Sample]:
    """The five sets that a comparison needs; "balanced" is a second draw of validation examples."""
    dataset, weak, strong = pair.split()
    minority_labeled, minority_pool = map(float, regime.split())
    minority = dict(
        labeled=minority_labeled, pool=minority_pool, validation=minority_labeled, test=0.5
    )
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


def measure(pair: str, regime: str, heads: int, seed: int) -> Mapping[str, Tensor]:
    """All that a comparison records, (heads,) each. Pairs of a data set share their draws."""
    generator = generator_for({"dataset": pair.split()[0], "regime": regime}, seed=seed)
    comparison = Comparison(sets_of(pair, regime, heads, generator))
    comparison.remedy()
    comparison.rivals()
    comparison.told_groups()
    comparison.reasons(generator)
    return comparison.results


def interval(values: np.ndarray, name: str) -> dict[str, float]:
    """Mean and Student's t interval over the heads that have a value."""
    values = values[np.isfinite(values)]
    if len(values) < 2:
        return {name: np.nan, f"{name}_low": np.nan, f"{name}_high": np.nan}
    mean, half = values.mean(), t_half_width(values.std(ddof=1) / len(values) ** 0.5, len(values))
    return {name: mean, f"{name}_low": mean - half, f"{name}_high": mean + half}


def by_method(found: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Method -> (heads, 4) accuracies of the groups."""
    names = dict.fromkeys(key.split("/")[0] for key in found if "/" in key)
    return {n: np.stack([found[f"{n}/group {g}"] for g in range(4)], 1) for n in names}


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


def tables(table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The four tables, from the sweep's."""
    rows: dict[str, list[dict[str, Any]]] = {"methods": [], "grid": [], "kept": [], "rule": []}
    for (pair, regime), part in table.groupby(["pair", "regime"], sort=False):
        key = dict(zip(KEYS, [*pair.split(), *map(float, regime.split())], strict=True))
        found = {role: v["value"].to_numpy(float) for role, v in part.groupby("role", sort=False)}
        methods = by_method(found)
        for name, groups in methods.items():
            values = judged(groups, methods["vanilla"])
            if name.startswith("grid"):
                _, p, q = name.split()
                kept = {k: v for k, v in values.items() if not k.startswith("worst_gain")}
                rows["grid"].append({**key, "p": float(p), "q": float(q), **kept})
            else:
                rows["methods"].append({**key, "method": name, **values})
        for p in sorted({name.split()[1] for name in found if name.startswith("kept")}, key=float):
            row = {**key, "p": float(p)}
            for kind in KINDS:
                row |= interval(found[f"kept {p} {kind}"], kind.replace(" ", "_"))
            rows["kept"].append(row)
        chosen: dict[str, float] = {}
        for name in ("doubt", "rule p", "rule q"):
            chosen |= interval(found[name], name.replace(" ", "_"))
        rows["rule"].append({**key, **chosen})
    return {name: pd.DataFrame(lines).round(4) for name, lines in rows.items()}


def main(
    folder: Path = DATA / "confidence",
    heads: int = HEADS,
    which: Callable[[], list[str]] = pairs,
    store: Path = DATA.parent / "_build" / "confidence",
) -> None:
    axes = {"regime": REGIMES, "pair": which()}
    table = sweep(measure, axes, store=store, version=VERSION, heads=heads, seed=SEED)
    facts = describe(
        "python data/confidence/measure.py",
        files={file.name: file for file in FILES},
        seed=SEED,
        heads=heads,
    )
    for name, rows in tables(table).items():
        save_result(rows, folder / f"{name}.csv", facts)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
