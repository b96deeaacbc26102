"""The order of teachers with networks from three pre-training seeds.

    python data/dominoes/make.py --pretraining 1 --folder FOLDER/dominoes_1
    python data/waterdigits/five.py --pretraining 1 --folder FOLDER/waterdigits_1
    python data/intrinsic/seeds.py FOLDER

The first two are for seed 2 as well, half an hour of one core in all; the last takes a minute. It
writes seeds.csv: PGR on real examples in the form "cut" with target "label", as in noise.csv, from
which the rows of seed 0 are. Images and draws are the same for all seeds; teachers and student are
trained anew.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).parent))
import make

from w2s_tutorial.storage import describe
from w2s_tutorial.tables import load_result, save_result

SEEDS = (1, 2)
COLUMNS = ["pretraining", "dataset", "teacher", "noise", "mean", "low", "high", "theory"]
COLUMNS += ["weak_excess", "d_shared"]


def main(features: Path, folder: Path = make.HERE, trials: int = make.TRIALS) -> pd.DataFrame:
    """features: a folder with DATASET_SEED/features.npz of every data set and seed."""
    start = time.process_time()
    files = {
        f"{name}_{seed}": features / f"{name}_{seed}" / "features.npz"
        for name in make.FILES
        for seed in SEEDS
    }
    rows = [
        {"pretraining": int(place[-1]), **row}
        for place, file in files.items()
        for teacher in make.TEACHERS[place[:-2]]
        for row in make.measure(
            place[:-2], "cut", teacher, "label", trials=trials, kinds=("real",), file=file
        )
    ]
    first = load_result(make.HERE / "noise.csv").query(
        "form == 'cut' and target == 'label' and examples == 'real'"
    )
    table = pd.concat([first.assign(pretraining=0), pd.DataFrame(rows)], ignore_index=True)
    facts = describe(
        "python data/intrinsic/seeds.py FOLDER",
        files={**files, "noise.csv": make.HERE / "noise.csv"},
        processor_seconds=round(time.process_time() - start),
        seed=make.SEED,
        trials=trials,
    )
    save_result(table[COLUMNS], folder / "seeds.csv", facts)
    return table[COLUMNS]


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
