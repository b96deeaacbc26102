"""Every pair of frozen backbones at every mixture: python data/spurious/measure.py

About a quarter of an hour of one core. Reads data/dominoes/features.npz and probes.csv and the
waterdigits of the package; writes grid.csv (the four roles of all ordered pairs over the shares
of labelled set and pool), sizes.csv (some pairs at other set sizes) and law.csv (the law of the
squared mismatch, fitted to each pair), each with its provenance beside. What was measured before
is kept in _build/spurious and not measured again.
"""

from __future__ import annotations

import time
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

import w2s_tutorial
from w2s_tutorial import shares
from w2s_tutorial.datasets import frozen
from w2s_tutorial.metrics import t_half_width
from w2s_tutorial.storage import content_key, describe
from w2s_tutorial.tables import load_result, save_result

HERE, DATA = Path(__file__).parent, Path(__file__).parents[1]
PACKAGE = Path(w2s_tutorial.__file__).parent
HEADS, SEED = 20, 0
ETAS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
"""From the share of Waterbirds, 240 of 4,795 training images, to balance. Composed sets have no
share of their own, so that one is taken over for both."""
READ = {"dominoes": frozen.dominoes_features, "waterdigits": frozen.waterdigits_features}
FILES = (frozen.DOMINOES, DATA / "dominoes" / "probes.csv", frozen.WATERDIGITS)
SIZES = {"dominoes": (400, 1200, 2000), "waterdigits": (100, 400, 400)}
OTHER_SIZES = {
    "dominoes": ((100, 400, 1600), (300, 1200, 4800)),
    "waterdigits": ((40, 100, 240), (100, 400, 680)),
}
VARIED = {
    "dominoes": [("mae", "resnet"), ("cnn", "resnet"), ("cnn", "resnet_reads")],
    "waterdigits": [("mae", "resnet"), ("cnn", "resnet")],
}
"""The weakest teacher of the strongest student, and the pairs that gains.csv began with."""
MEASURE = {"logistic": "accuracy", "ridge": "squared_error"}
L2 = {"logistic": 0.01, "ridge": 0.02}
CELL = ["weak", "strong", "fit", "n_labeled", "n_pool", "minority_labeled", "minority_pool"]


@cache
def seen(dataset: str) -> frozen.FrozenFeatures:
    return READ[dataset]()


def order() -> dict[tuple[str, str, str], str]:
    """(data set, weak, strong) -> "up", "down", "level" or "same": true-label probes decide.

    Up means that the strong backbone's interval lies above the weak one's: average accuracy of
    heads trained on true labels of balanced sets, measured before any pair was.
    """
    probes = load_result(DATA / "dominoes" / "probes.csv")
    average = probes[probes["role"] == "average"].set_index(["dataset", "backbone"])
    found = {}
    for dataset in READ:
        for weak, strong in product(average.loc[dataset].index, repeat=2):
            w, s = average.loc[(dataset, weak)], average.loc[(dataset, strong)]
            words = "up" if s["low"] > w["high"] else "down" if s["high"] < w["low"] else "level"
            found[dataset, weak, strong] = "same" if weak == strong else words
    return found


def run(
    dataset: str,
    pairs: list[tuple[str, str]],
    seen_by: frozen.FrozenFeatures | None = None,
    **changes: Any,
) -> pd.DataFrame:
    """The package's grid with this script's settings, each fit with its penalty.

    `seen_by`: other features of the same images than those stored.
    """
    n, pool, test = SIZES[dataset]
    settings: dict[str, Any] = {"minority_labeled": ETAS, "minority_pool": ETAS, "fit": shares.FITS}
    settings |= {"n_labeled": (n,), "n_pool": (pool,), "n_test": test, "heads": HEADS} | changes
    view, fits = seen_by or seen(dataset), settings.pop("fit")
    return pd.concat(
        [shares.grid(view, pairs, seed=SEED, fit=(f,), l2=L2[f], **settings) for f in fits]
    )


def by_group(table: pd.DataFrame) -> pd.DataFrame:
    """A row per cell and head: columns (role, where); where adds majority and minority."""
    rows = table[table["measure"] == table["fit"].map(MEASURE)]
    wide = rows.pivot(index=[*CELL, "head"], columns=["role", "where"], values="value")
    for role in ("weak", "student", "baseline", "ceiling"):
        wide[role, "majority"] = (wide[role, "0"] + wide[role, "3"]) / 2
        wide[role, "minority"] = (wide[role, "1"] + wide[role, "2"]) / 2
        error = wide.index.get_level_values("fit") == "ridge"
        worst = wide[[(role, g) for g in "0123"]].max(axis=1)
        wide[role, "worst"] = np.where(error, worst, wide.get((role, "worst"), worst))
    return wide.sort_index(axis=1)


def gains(wide: pd.DataFrame) -> pd.DataFrame:
    """What a student is better than its teacher, and `ahead` than the baseline, paired by head."""
    sign = np.where(wide.index.get_level_values("fit") == "ridge", -1, 1)
    places = ("all", "majority", "minority", "worst")
    better = {f"gain_{p}": sign * (wide["student", p] - wide["weak", p]) for p in places}
    ahead = {"ahead_all": sign * (wide["student", "all"] - wide["baseline", "all"])}
    return pd.DataFrame(better | ahead, index=wide.index)


def summary(wide: pd.DataFrame) -> pd.DataFrame:
    """Means over heads; gains with half of their 95 % interval; four decimals."""
    roles = wide.groupby(level=CELL, sort=False).mean()
    shown = {
        f"{role}_all": roles[role, "all"] for role in ("weak", "student", "baseline", "ceiling")
    }
    shown["student_worst"] = roles["student", "worst"]
    grouped = gains(wide).groupby(level=CELL, sort=False)
    half = t_half_width(grouped.sem(), grouped.size().iloc[0])
    for name, mean in grouped.mean().items():
        shown |= {str(name): mean, f"{name}_half": half[name]}
    return pd.DataFrame(shown).round(4).reset_index()


def law(wide: pd.DataFrame) -> pd.DataFrame:
    """The law fitted to each pair and fit, on average, for majority and for minority."""
    rows = []
    for (weak, strong, fit), part in gains(wide).groupby(
        level=["weak", "strong", "fit"], sort=False
    ):
        for where in ("all", "majority", "minority"):
            surface = part[f"gain_{where}"].unstack(["minority_labeled", "minority_pool"])
            values = torch.tensor(surface.sort_index(axis=1).to_numpy())
            shares_ = torch.tensor(ETAS)
            fitted = shares.fit_law(values.view(-1, len(ETAS), len(ETAS)), shares_, shares_)
            row = {"weak": weak, "strong": strong, "fit": fit, "where": where}
            slopes = torch.cat([fitted["square"].slopes, fitted["free"].slopes[:, 1:]], 1)
            halves = t_half_width(slopes.std(0) / len(slopes) ** 0.5, len(slopes))
            for n, name in enumerate(("steepness", "curvature", "interaction")):
                row |= {name: float(slopes[:, n].mean()), f"{name}_half": float(halves[n])}
            explained = {name: fitted[name].explained for name in ("square", "free")}
            rows.append(row | {"explained": explained["square"], "freely": explained["free"]})
    return pd.DataFrame(rows).round(4)


def measured(store: Path | None = None, **changes: Any) -> dict[str, pd.DataFrame]:
    """The three tables; ridge leaves out who teaches itself. changes: see `run`; also pairs."""
    kept = {"store": store, "version": version()} if store else {}
    pairs = changes.pop("pairs", None)
    corners = {"minority_labeled": (0.05, 0.5), "minority_pool": (0.05, 0.5), "fit": ("logistic",)}
    tables: dict[str, list[pd.DataFrame]] = {"grid": [], "sizes": [], "law": []}
    for dataset in reversed(READ):
        n, pool = OTHER_SIZES[dataset]
        sizes = kept | corners | {"n_labeled": n, "n_pool": pool} | changes
        every = pairs or list(product(seen(dataset).features, repeat=2))
        others = [pair for pair in every if len(set(pair)) == 2]
        other = by_group(run(dataset, VARIED[dataset], **sizes))
        fits = [(every, "logistic"), (others, "ridge")]
        parts = [run(dataset, which, fit=(fit,), **kept, **changes) for which, fit in fits]
        wide = by_group(pd.concat(parts))
        grid = summary(wide).drop(columns=["n_labeled", "n_pool"])
        for name, table in ("grid", grid), ("sizes", summary(other)), ("law", law(wide)):
            table.insert(0, "dataset", dataset)
            told = zip(table["dataset"], table["weak"], table["strong"], strict=True)
            table.insert(3, "order", [order()[key] for key in told])
            tables[name].append(table)
    return {name: pd.concat(parts, ignore_index=True) for name, parts in tables.items()}


def version() -> str:
    """What the stored settings depend on, besides their arguments."""
    solvers = [f"heads/{path.name}" for path in sorted((PACKAGE / "heads").glob("*.py"))]
    code = ["shares.py", "metrics.py", "pipeline.py", *solvers]
    return content_key(*((PACKAGE / name).read_bytes() for name in code))


def provenance(seconds: float) -> dict[str, Any]:
    return describe(
        "python data/spurious/measure.py",
        files={path.name: path for path in FILES},
        processor_seconds=round(seconds),
        seed=SEED,
        heads=HEADS,
    )


def main(folder: Path = HERE, store: Path = DATA.parent / "_build" / "spurious") -> None:
    spent = store / "seconds.txt"  # of earlier runs, which this one goes on from
    before = float(spent.read_text()) if spent.exists() else 0.0
    try:
        tables = measured(store)
    finally:
        store.mkdir(parents=True, exist_ok=True)
        spent.write_text(str(before + time.process_time()))
    for name, table in tables.items():
        save_result(table, folder / f"{name}.csv", provenance(float(spent.read_text())))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
