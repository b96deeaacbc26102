"""Does it depend on the pre-training's seed? python data/waterdigits/seeds.py (three minutes).

Trains all networks anew from three other seeds, which nothing was chosen by, and measures the
default setting and eight others. Writes seeds.csv and seeds.json and prints the tables.
"""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd
import torch
from make import STEPS, pretrain
from measure import HEADS, composites, provenance, run
from torch import Tensor

from w2s_tutorial.sweeps import sweep
from w2s_tutorial.tables import save_result, summarize

AXES = {
    "pretraining_seed": (1, 2, 3),
    "weak": ("pixels", "tiny", "small", "distracted"),
    "minority_labeled": (0.25, 0.1, 0.5),
    "minority_pool": (0.25, 0.1, 0.5),
}


ROLES = ("weak", "weak on pool", "student", "baseline", "ceiling", "gain")
SHARES = ((0.25, 0.25), (0.25, 0.5), (0.5, 0.5))


def markdown(table: pd.DataFrame) -> str:
    """A row for every pair of minority shares, seed and teacher; in percent."""
    lines = ["| η_ℓ | η_u | seed | teacher | " + " | ".join(ROLES) + " |", "| --- " * 10 + "|"]
    found = table.set_index(["minority_labeled", "minority_pool"])
    for labeled, pool in SHARES:
        rows = found.loc[(labeled, pool)]
        for key, each in rows.groupby(["pretraining_seed", "weak"], sort=False):
            value = each.set_index("role")
            half = value["high"] - value["mean"]
            cells = [f"{100 * value['mean'][r]:.1f} ± {100 * half[r]:.1f}" for r in ROLES]
            lines.append(f"| {labeled} | {pool} | {key[0]} | {key[1]} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main(folder: Path = Path(__file__).parent) -> None:
    start = time.perf_counter()
    features = {
        (seed, name): pretrain(name, steps=STEPS[name], seed=seed)(composites().images)
        for seed in AXES["pretraining_seed"]
        for name in (*AXES["weak"], "strong")
    }

    def rerun(pretraining_seed: int, **setting: object) -> dict[str, Tensor]:
        found = run(
            n_labeled=100,
            n_pool=400,
            views=lambda name: features[pretraining_seed, name],
            **setting,  # type: ignore[arg-type]
        )
        return {name: values for name, values in found.items() if "group" not in name}

    raw = sweep(rerun, AXES)
    table = summarize(raw, by=[*AXES, "role"])
    save_result(table, folder / "seeds.csv", provenance("seeds.py", start, HEADS))
    print(markdown(table))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
