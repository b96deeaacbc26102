"""The remedy on networks of other seeds: python data/confidence/seeds.py DOMINOES_1 DOMINOES_2.

DOMINOES_K is the features.npz of `data/dominoes/make.py --pretraining K --folder FOLDER`; seed 0 is
the one here, whose rows come from methods.csv. Images, pairs and draws are the same for all seeds,
so that only the networks differ. Writes seeds.csv, a row per seed, pair, regime and method; about
ten minutes of one core. Finished settings are kept in _build/confidence.
"""

from __future__ import annotations

import sys
import time
from functools import partial
from pathlib import Path

import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).parent))
import measure

from w2s_tutorial.datasets import frozen
from w2s_tutorial.storage import describe
from w2s_tutorial.sweeps import sweep
from w2s_tutorial.tables import save_result

METHODS = ("vanilla", "untuned", "strong penalty", "baseline", "same groups")
METHODS += ("same accuracy, groups of the pool",)
REGIMES = measure.REGIMES[:2]
COLUMNS = ["pretraining", *measure.KEYS, "method", "average", "gain"]


def of_seed(seed: int, path: Path, pairs: list[tuple[str, str, str]], store: Path) -> pd.DataFrame:
    """Means over the heads of one seed's networks."""
    measure.READ["dominoes"] = partial(frozen.load, path, frozen.BACKBONES)
    measure.seen.cache_clear()
    axes = {measure.SHARES: REGIMES, measure.PAIR: pairs}
    keys = ("kind", "method", "p", "q", "where")
    version = f"{measure.VERSION}, pretraining {seed}, {path.stat().st_size}"
    options = {"heads": measure.HEADS, "seed": measure.SEED}
    raw = sweep(measure.measure, axes, keys=keys, store=store, version=version, **options)
    return measure.tables(raw)["methods"].assign(pretraining=seed)


def main(paths: list[Path], folder: Path = measure.DATA / "confidence") -> None:
    start, store = time.process_time(), measure.DATA.parent / "_build" / "confidence"
    pairs = [pair for pair in measure.pairs() if pair[0] == "dominoes"]
    here = pd.read_csv(folder / "methods.csv").query("dataset == 'dominoes'")
    here = here[here["minority_labeled"].ne(here["minority_pool"])].assign(pretraining=0)
    found = [of_seed(seed, path, pairs, store) for seed, path in enumerate(paths, start=1)]
    table = pd.concat([here, *found])
    table = table[table["method"].isin(METHODS)][COLUMNS].round(4)
    files = {"methods.csv": folder / "methods.csv", "pretraining 0": frozen.DOMINOES}
    files |= {f"pretraining {seed}": path for seed, path in enumerate(paths, start=1)}
    facts = describe(
        "python data/confidence/seeds.py DOMINOES_1 DOMINOES_2",
        files=files,
        processor_seconds_of_the_last_start=round(time.process_time() - start),
        seed=measure.SEED,
        heads=measure.HEADS,
    )
    save_result(table, folder / "seeds.csv", facts)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main([Path(name) for name in sys.argv[1:]])
