"""Measure what frozen backbones see: python data/dominoes/measure.py (a minute or two, one core).

Reads data/dominoes/features.npz and the waterdigits of the package. Writes probes.csv (heads
trained on true labels: the label, and the attribute) and gains.csv (the four roles for a few
pairs), each with its provenance beside, and prints the tables of README.md.
"""

from __future__ import annotations

import time
from functools import cache, partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from w2s_tutorial.datasets import frozen
from w2s_tutorial.heads import fit_logistic
from w2s_tutorial.metrics import accuracy, group_accuracy
from w2s_tutorial.pipeline import hard, weak_to_strong
from w2s_tutorial.storage import describe
from w2s_tutorial.sweeps import sweep
from w2s_tutorial.tables import save_result, summarize

HEADS, SEED = 24, 0
FIT = partial(fit_logistic, l2=0.01)
FILES = {"dominoes": frozen.DOMINOES, "waterdigits": frozen.WATERDIGITS}
READ = {"dominoes": frozen.dominoes_features, "waterdigits": frozen.waterdigits_features}
PROBE = {
    "dominoes": {"labeled": 1000, "test": 2000},
    "waterdigits": {"labeled": 240, "test": 400},
}
TRANSFER = {
    "dominoes": {"labeled": 400, "pool": 2000, "test": 2000},
    "waterdigits": {"labeled": 100, "pool": 400, "test": 400},
}
SHARES = (0.05, 0.5)


@cache
def seen(dataset: str) -> frozen.FrozenFeatures:
    return READ[dataset]()


def probe(dataset: str, backbone: str, heads: int = HEADS, seed: int = SEED) -> dict[str, Tensor]:
    """Accuracies (heads,) of heads that learn the label, and of heads that learn the attribute."""
    sizes = PROBE[dataset]
    sets = frozen.draw(
        seen(dataset),
        backbone,
        backbone,
        sizes=sizes,
        minority=dict.fromkeys(sizes, 0.5),
        heads=heads,
        seed=torch.Generator().manual_seed(seed),
    )
    labeled, test = sets["labeled"], sets["test"]
    output = FIT(labeled.strong, labeled.target)(test.strong)
    by_group = group_accuracy(output, test.target, test.group, groups=4)
    attribute = {part: one_hot(sample.group % 2, 2).float() for part, sample in sets.items()}
    told = FIT(labeled.strong, attribute["labeled"])(test.strong)
    return {
        "average": accuracy(output, test.target),
        # Of the four means over heads the lowest, head by head: the lowest of each head's own
        # four would be lower by chance alone.
        "worst group": by_group[:, by_group.mean(0).argmin()],
        "attribute": accuracy(told, attribute["test"]),
    }


def transfer(
    dataset: str,
    weak: str,
    strong: str,
    minority_labeled: float,
    minority_pool: float,
    heads: int = HEADS,
    seed: int = SEED,
    seen_by: frozen.FrozenFeatures | None = None,
) -> dict[str, Tensor]:
    """Accuracies (heads,) of the four roles, and the gain, paired by head.

    `seen_by`: other features of the same images than those stored.
    """
    sets = frozen.draw(
        seen_by or seen(dataset),
        weak,
        strong,
        sizes=TRANSFER[dataset],
        minority={"labeled": minority_labeled, "pool": minority_pool, "test": 0.5},
        heads=heads,
        seed=torch.Generator().manual_seed(seed),
    )
    outcome = weak_to_strong(sets["labeled"], sets["pool"], fit=FIT, pseudo_label=hard)
    test = sets["test"]
    right = {role: accuracy(out, test.target) for role, out in outcome.outputs(test).items()}
    return {**right, "gain": right["student"] - right["weak"]}


def probes(heads: int = HEADS) -> pd.DataFrame:
    """A row for every data set, backbone and kind of accuracy."""
    tables = [
        sweep(probe, {"dataset": [dataset], "backbone": list(seen(dataset).features)}, heads=heads)
        for dataset in READ
    ]
    return summarize(pd.concat(tables), ["dataset", "backbone", "role"])


def gains(heads: int = HEADS) -> pd.DataFrame:
    """A row for every pair, two minority shares and role."""
    raw = [
        sweep(
            transfer,
            {
                "dataset": [dataset],
                "weak": ["cnn"],
                "strong": [name for name in seen(dataset).features if name != "cnn"],
                "minority_labeled": SHARES,
                "minority_pool": SHARES,
            },
            heads=heads,
        )
        for dataset in READ
    ]
    keys = ["dataset", "weak", "strong", "minority_labeled", "minority_pool", "role"]
    return summarize(pd.concat(raw), keys)


def percent(row: pd.Series) -> str:
    return f"{100 * row['mean']:.1f} ± {100 * (row['high'] - row['mean']):.1f}"


def markdown(table: pd.DataFrame, index: list[str], columns: str) -> str:
    """A table with a line for each value of index, in percent with 95 % intervals."""
    cells = table.assign(cell=table.apply(percent, axis=1))
    names = list(dict.fromkeys(cells[columns].astype(str)))
    lines = ["| " + " | ".join([*index, *names]) + " |", "| --- " * (len(index) + len(names)) + "|"]
    for key, rows in cells.groupby(index, sort=False):
        lines.append("| " + " | ".join([*map(str, key), *rows["cell"]]) + " |")
    return "\n".join(lines)


def provenance(start: float, heads: int) -> dict[str, Any]:
    return describe(
        "python data/dominoes/measure.py",
        files=FILES,
        processor_seconds=round(time.process_time() - start),
        seed=SEED,
        heads=heads,
    )


def tables(probed: pd.DataFrame, gained: pd.DataFrame) -> tuple[str, str]:
    """The two tables of README.md."""
    return (
        markdown(probed, ["dataset", "backbone"], "role"),
        markdown(
            gained, ["dataset", "weak", "strong", "minority_labeled", "minority_pool"], "role"
        ),
    )


def main(folder: Path = Path(__file__).parent, heads: int = HEADS) -> None:
    start = time.process_time()
    probed, gained = probes(heads), gains(heads)
    save_result(probed, folder / "probes.csv", provenance(start, heads))
    save_result(gained, folder / "gains.csv", provenance(start, heads))
    print(*tables(probed, gained), sep="\n\n")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
