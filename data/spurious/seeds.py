"""All pairs, by pre-training seed: python data/spurious/seeds.py DOMINOES_1 WATERDIGITS_1 ...

The files are the features.npz of `data/dominoes/make.py --pretraining K --folder FOLDER` and of
`data/waterdigits/five.py --pretraining K --folder FOLDER`, in this order for K = 1, 2, ...; seed 0
is the one that is stored. Writes seeds.csv with a row for each data set, seed and pair: which form
of the law its gains follow, its gains at the corners, and what either model does with the
attribute. Images, parts and draws are the same for all seeds, so that only networks differ. Some
five minutes of one core; pairs that are finished are kept in _build/spurious.
"""

from __future__ import annotations

import sys
from itertools import permutations
from pathlib import Path
from typing import Any

import measure
import pandas as pd
import torch

from w2s_tutorial.datasets import frozen
from w2s_tutorial.metrics import t_half_width
from w2s_tutorial.shares import fit_law
from w2s_tutorial.storage import describe
from w2s_tutorial.tables import save_result

HERE = Path(__file__).parent
LABELED = (0.05, 0.2, 0.5)
"""Half of the shares of grid.csv: every pair is measured for every seed."""
CORNERS = [(known, pool) for known in (0.05, 0.5) for pool in (0.05, 0.5)]


def features(dataset: str, file: Path) -> frozen.FrozenFeatures:
    """All backbones of a data set, from one file."""
    return frozen.load(file, list(measure.seen(dataset).features))


def row(wide: pd.DataFrame) -> dict[str, float]:
    """One pair: forms of its law, gains at the corners in accuracy, reliance, and the baseline.

    Reliance is the accuracy on the majority less that on the minority: on a test set in which
    every example has either attribute as often, the share of answers that turn with it.
    """
    at = ["minority_labeled", "minority_pool"]
    gain = measure.gains(wide)
    surface = gain["gain_all"].unstack(at).sort_index(axis=1)
    known, pool = (torch.tensor(e, dtype=torch.float64) for e in (LABELED, measure.ETAS))
    values = torch.tensor(surface.to_numpy()).view(-1, len(known), len(pool))
    fitted = fit_law(values, known, pool)
    found = {form: law.explained for form, law in fitted.items()}
    _, found["k"], found["m"] = fitted["free"].slopes.mean(0).tolist()
    means = gain["gain_all"].groupby(level=at).mean()
    found |= {f"gain {known} {pool}": means[known, pool] for known, pool in CORNERS}
    leans = {
        role: (wide[role, "majority"] - wide[role, "minority"]).groupby(level=at).mean()
        for role in ("weak", "student", "baseline", "ceiling")
    }
    rare, even = (0.05, 0.05), (0.05, 0.5)
    found |= {f"{role} relies": leans[role][rare] for role in ("weak", "baseline")}
    found |= {f"student relies {u}": leans["student"][0.05, u] for u in (0.05, 0.5)}
    found["ceiling relies"] = leans["ceiling"][even]
    ahead = gain["ahead_all"].groupby(level=at)
    half = t_half_width(ahead.sem(), ahead.size())
    found |= {"ahead": (ahead.mean() > half).mean(), "behind": (ahead.mean() < -half).mean()}
    return found


def measured(files: dict[tuple[str, int], Path], **changes: Any) -> pd.DataFrame:
    """A row for each data set, seed and ordered pair of two networks. changes: see measure.run."""
    rows, order = [], measure.order()
    changes = {"minority_labeled": LABELED, "fit": ("logistic",)} | changes
    for (dataset, seed), file in files.items():
        seen = features(dataset, file)
        for weak, strong in permutations(seen.features, 2):
            table = measure.run(dataset, [(weak, strong)], seen, **changes)
            key = {"dataset": dataset, "pretraining": seed, "weak": weak, "strong": strong}
            key["order"] = order[dataset, weak, strong]
            rows.append(key | row(measure.by_group(table)))
    return pd.DataFrame(rows).round(4)


def main(given: list[Path], store: Path = measure.DATA.parent / "_build" / "spurious") -> None:
    files = {("dominoes", 0): frozen.DOMINOES, ("waterdigits", 0): frozen.WATERDIGITS}
    for n, file in enumerate(given):
        files["dominoes" if n % 2 == 0 else "waterdigits", n // 2 + 1] = file
    kept = {"store": store, "version": measure.version()}
    facts = describe(
        "python data/spurious/seeds.py DOMINOES_1 WATERDIGITS_1 DOMINOES_2 WATERDIGITS_2",
        files={f"{dataset} {seed}": file for (dataset, seed), file in files.items()},
        seed=measure.SEED,
        heads=measure.HEADS,
    )
    save_result(measured(files, **kept), HERE / "seeds.csv", facts)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main([Path(name) for name in sys.argv[1:]])
