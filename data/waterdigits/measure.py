"""Measure waterdigits: python data/waterdigits/measure.py (about two minutes, one core).

Writes measured.csv, with its provenance in measured.json, and prints the table of
README.md. Every number is a mean over heads, each with its own split of the digits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from w2s_tutorial.datasets import frozen, waterdigits
from w2s_tutorial.heads.logistic import fit_logistic
from w2s_tutorial.metrics import accuracy, group_accuracy
from w2s_tutorial.pipeline import hard, weak_to_strong
from w2s_tutorial.storage import describe
from w2s_tutorial.sweeps import sweep
from w2s_tutorial.tables import save_result, summarize

HEADS, SEED, N_TEST = 64, 0, 400
FIT = partial(fit_logistic, l2=0.01)
TEACHERS = ("pixels", "tiny", "small", "distracted")
AXES = ["weak", "n_labeled", "n_pool", "minority_labeled", "minority_pool"]
DEFAULT: dict[str, list] = {
    "weak": [*TEACHERS, "strong"],
    "n_labeled": [100],
    "n_pool": [400],
    "minority_labeled": [0.25],
    "minority_pool": [0.25],
}
SWEEPS = (
    DEFAULT,
    {**DEFAULT, "weak": TEACHERS, "n_pool": [50, 100, 200, 800]},
    {**DEFAULT, "weak": TEACHERS, "n_labeled": [50, 200]},
    {**DEFAULT, "weak": TEACHERS, "minority_labeled": [0.1, 0.5], "minority_pool": [0.1, 0.3, 0.5]},
)


@cache
def composites() -> waterdigits.Composites:
    return waterdigits.compose(seed=torch.Generator().manual_seed(SEED))


@cache
def features(name: str) -> Tensor:
    return waterdigits.backbone(name)(composites().images)


def run(
    weak: str,
    n_labeled: int,
    n_pool: int,
    minority_labeled: float,
    minority_pool: float,
    heads: int = HEADS,
    seed: int = SEED,
    views: Callable[[str], Tensor] = features,
) -> dict[str, Tensor]:
    """Accuracies (heads,) by "role", "role group k", "weak on pool", and two differences by head.

    "weak on pool" is the share of right pseudolabels, "weak" the teacher's share on the test set.
    """
    seen = {name: views(name) for name in (weak, "strong")}
    sets = frozen.draw(
        frozen.FrozenFeatures(seen, composites().label),
        weak,
        "strong",
        sizes={"labeled": n_labeled, "pool": n_pool, "test": N_TEST},
        minority={"labeled": minority_labeled, "pool": minority_pool, "test": 0.5},
        heads=heads,
        seed=seed,
    )
    labeled, pool, test = sets.values()
    outcome = weak_to_strong(labeled, pool, fit=FIT, pseudo_label=hard)
    outputs = outcome.outputs(test)
    right = {role: accuracy(output, test.target) for role, output in outputs.items()}
    groups = {
        f"{role} group {k}": values
        for role, output in outputs.items()
        for k, values in enumerate(group_accuracy(output, test.target, test.group, groups=4).T)
    }
    differences = {
        "gain": right["student"] - right["weak"],
        "beyond baseline": right["student"] - right["baseline"],
    }
    labels = {"weak on pool": accuracy(outcome.weak(pool.weak), pool.target)}
    return {**right, **labels, **groups, **differences}


def markdown(table: pd.DataFrame) -> str:
    """A row for every setting of the first sweep, and of the default teacher.

    Five accuracies, two differences paired by head, accuracy in groups 0 to 3; all in percent.
    """
    standard = pd.Series({axis: values[0] for axis, values in DEFAULT.items() if axis != "weak"})
    at_standard = (table[standard.index] == standard).all(axis=1)
    table = table[at_standard | (table["weak"] == "distracted")]
    right = ["weak", "weak on pool", "student", "baseline", "ceiling"]
    columns = [*right, "gain", "beyond baseline"]
    head = ["teacher", "n", "N", "η_ℓ", "η_u", *right, "student − weak", "student − baseline"]
    head += ["weak by group", "student by group"]
    lines = ["| " + " | ".join(head) + " |", "| --- " * len(head) + "|"]
    for key, rows in table.groupby(AXES, sort=False):
        value = rows.set_index("role")
        cells = [f"{cell}" for cell in key]
        for name in columns:
            mean, half = value["mean"][name], value["high"][name] - value["mean"][name]
            sign = "" if name in right else "+"
            cells.append(f"{100 * mean:{sign}.1f} ± {100 * half:.1f}")
        for role in ("weak", "student"):
            cells.append(
                " ".join(f"{100 * value['mean'][f'{role} group {k}']:.0f}" for k in range(4))
            )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def provenance(script: str, start: float, heads: int) -> dict[str, Any]:
    return describe(
        f"python data/waterdigits/{script}",
        files={waterdigits.WEIGHTS.name: waterdigits.WEIGHTS},
        seconds=round(time.perf_counter() - start),
        seed=SEED,
        heads=heads,
    )


def main(folder: Path = Path(__file__).parent, heads: int = HEADS) -> None:
    start = time.perf_counter()
    raw = pd.concat([sweep(run, axes, heads=heads, seed=SEED) for axes in SWEEPS])
    table = summarize(raw, by=[*AXES, "role"])
    save_result(table.round(6), folder / "measured.csv", provenance("measure.py", start, heads))
    print(markdown(table))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
