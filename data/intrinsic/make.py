"""PGR on real features against label noise: python data/intrinsic/make.py (four minutes, one core).

Teachers and the student `resnet` of Dominoes and waterdigits, from the stored features; examples
are drawn from the rows at hand, and again from a normal distribution with the same covariance, for
which theory must hold. Writes noise.csv with its provenance.

Networks of other pre-training seeds, half an hour of one core each, and then a minute:

    python data/dominoes/make.py --pretraining 1 --folder FOLDER/dominoes_1
    python data/waterdigits/five.py --pretraining 1 --folder FOLDER/waterdigits_1
    python data/intrinsic/make.py --others FOLDER

writes seeds.csv: PGR on real examples in the form "cut" with target "label". Its rows of seed 0 are
those of noise.csv; images and draws are the same for all seeds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from pandas import DataFrame
from torch import Tensor

from w2s_tutorial import overlap
from w2s_tutorial.datasets import frozen
from w2s_tutorial.metrics import bootstrap_interval, pgr
from w2s_tutorial.problems import IntrinsicProblem, Risks
from w2s_tutorial.simulation.examples import gaussian, resampled, simulate_averaged
from w2s_tutorial.storage import describe
from w2s_tutorial.tables import load_result, save_result
from w2s_tutorial.theory import intrinsic

HERE = Path(__file__).parent
STUDENT, TRIALS, SEED = "resnet", 400, 0
NOISE = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
FILES = {"dominoes": frozen.DOMINOES, "waterdigits": frozen.WATERDIGITS}
READ: dict[str, Callable[[], frozen.FrozenFeatures]] = {
    "dominoes": frozen.dominoes_features,
    "waterdigits": frozen.waterdigits_features,
}
TEACHERS = {
    "dominoes": ("cnn", "mae", "simclr", "convnext", "resnet_reads", "mixed"),
    "waterdigits": ("mae", "simclr", "cnn", "convnext", "mixed"),
}


class Form(NamedTuple):
    """How features enter: how many leading directions of either view, labels, and the penalty.

    The pool is four times the labels. Without a penalty the directions' scales do not matter.
    """

    directions: int
    n_labeled: int
    penalty: float


FORMS = {
    "dominoes": {"cut": Form(32, 400, 0), "ridge": Form(64, 400, 1e-2), "thin": Form(64, 200, 0)},
    "waterdigits": {"cut": Form(16, 200, 0), "ridge": Form(64, 200, 1e-2)},
}


@cache
def seen(dataset: str, file: Path | None = None) -> tuple[dict[str, Tensor], Tensor]:
    """All examples with both values of the attribute: views (m, 64), label ±1 (m,).

    file: features of other networks; None: those that are stored.
    """
    names = [name for name in (*TEACHERS[dataset], STUDENT) if name != "mixed"]
    features = frozen.load(file, names) if file else READ[dataset]()
    views = {name: view.flatten(0, 1).double() for name, view in features.features.items()}
    return views, 2.0 * features.label.double().repeat_interleave(2) - 1


def view_of(dataset: str, name: str, d: int, *, scaled: bool, file: Path | None = None) -> Tensor:
    """d leading directions (m, d) of a view; "mixed" has half of them from cnn, half from STUDENT.

    scaled: keep each direction's variance; if not, all are 1.
    """
    if name == "mixed":
        how = {"scaled": scaled, "file": file}
        return torch.cat([view_of(dataset, one, d // 2, **how) for one in ("cnn", STUDENT)], 1)
    view = seen(dataset, file)[0][name]
    return view[:, :d] if scaled else overlap.principal_coordinates(view, d)


def problem_of(
    dataset: str, form: str, teacher: str, target: str, file: Path | None = None
) -> tuple[IntrinsicProblem, Tensor]:
    """The Gaussian problem of a teacher and the student, and the examples in its coordinates.

    target: "label", the ±1 that no view holds as a linear function; or "linear", the best linear
    function of the student's view, which the student could learn without error.
    """
    d, n_labeled, penalty = FORMS[dataset][form]
    how = {"scaled": penalty > 0, "file": file}
    weak, strong = (view_of(dataset, name, d, **how) for name in (teacher, STUDENT))
    label = seen(dataset, file)[1]
    sizes = {"n_labeled": n_labeled, "n_pool": 4 * n_labeled}
    problem = overlap.measured_problem(weak, strong, label, noise=1.0, **sizes)
    if target == "linear":
        basis = problem.strong_axes[0]
        problem = replace(problem, target=basis @ (basis.T @ problem.target))
    return problem, overlap.joint_coordinates(weak, strong, label)


def predicted(problem: IntrinsicProblem, penalty: float, noise: float) -> Risks:
    given = replace(problem, noise=noise)
    if not penalty:
        return intrinsic.risks(given)
    return intrinsic.ridge_risks(given, weak_penalty=penalty, strong_penalty=penalty)


def measure(
    dataset: str,
    form: str,
    teacher: str,
    target: str,
    *,
    trials: int,
    seed: int = SEED,
    kinds: Sequence[str] = ("real", "normal"),
    file: Path | None = None,
) -> list[dict[str, Any]]:
    """A row for each kind of examples at every noise level: PGR, and its interval.

    file: features of other networks than the stored ones.
    """
    problem, rows = problem_of(dataset, form, teacher, target, file)
    penalty, generator = FORMS[dataset][form].penalty, torch.Generator().manual_seed(seed)
    table: list[dict[str, Any]] = []
    latents = {"real": resampled(rows), "normal": gaussian}
    for examples in kinds:
        how = {"weak_penalty": penalty, "strong_penalty": penalty, "latent": latents[examples]}
        clean, noisy = simulate_averaged(problem, trials=trials, seed=generator, **how)
        for noise in NOISE:
            drawn, exact = (
                Risks(*(a + noise * b for a, b in zip(clean, noisy, strict=True))),
                predicted(problem, penalty, noise),
            )
            gap = (drawn.weak, drawn.student, drawn.ceiling)
            low, high = bootstrap_interval(pgr, *gap, seed=generator)
            known = {"dataset": dataset, "form": form, "teacher": teacher, "target": target}
            found = {"mean": pgr(*gap), "low": low, "high": high}
            found["theory"] = pgr(*(r[None] for r in (exact.weak, exact.student, exact.ceiling)))
            found["weak_excess"] = drawn.weak.mean() / exact.weak - 1
            found |= {"d_shared": torch.tensor(problem.d_shared)}
            known |= {"examples": examples, "noise": noise}
            table.append(known | {name: round(float(v), 5) for name, v in found.items()})
    return table


def main(folder: Path = HERE, trials: int = TRIALS) -> DataFrame:
    start = time.process_time()
    table = DataFrame(
        row
        for dataset, forms in FORMS.items()
        for form in forms
        for teacher in TEACHERS[dataset]
        for target in ("label", "linear")
        for row in measure(dataset, form, teacher, target, trials=trials)
    )
    facts = describe(
        "python data/intrinsic/make.py",
        files=FILES,
        processor_seconds=round(time.process_time() - start),
        seed=SEED,
        trials=trials,
    )
    save_result(table, folder / "noise.csv", facts)
    return table


COLUMNS = ["pretraining", "dataset", "teacher", "noise", "mean", "low", "high", "theory"]
COLUMNS += ["weak_excess", "d_shared"]


def others(features: Path, folder: Path = HERE, trials: int = TRIALS) -> DataFrame:
    """The order of teachers with networks of other pre-training seeds; writes seeds.csv.

    Args:
        features: a folder with DATASET_SEED/features.npz of data sets and seeds.

    Raises:
        FileNotFoundError: if there is none.
    """
    start = time.process_time()
    found = sorted(features.glob("*_[0-9]/features.npz"))
    files = {path.parent.name: path for path in found if path.parent.name[:-2] in FILES}
    if not files:
        names = ", ".join(f"{name}_1/features.npz" for name in FILES)
        raise FileNotFoundError(f"{features} must hold features of other networks, as {names}")
    rows = [
        {"pretraining": int(place[-1]), **row}
        for place, file in files.items()
        for teacher in TEACHERS[place[:-2]]
        for row in measure(
            place[:-2], "cut", teacher, "label", trials=trials, kinds=("real",), file=file
        )
    ]
    first = load_result(HERE / "noise.csv").query(
        "form == 'cut' and target == 'label' and examples == 'real'"
    )
    table = pd.concat([first.assign(pretraining=0), DataFrame(rows)], ignore_index=True)
    facts = describe(
        "python data/intrinsic/make.py --others FOLDER",
        files={**files, "noise.csv": HERE / "noise.csv"},
        processor_seconds=round(time.process_time() - start),
        seed=SEED,
        trials=trials,
    )
    save_result(table[COLUMNS], folder / "seeds.csv", facts)
    return table[COLUMNS]


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=TRIALS)
    parser.add_argument("--others", type=Path, metavar="FOLDER", help="features of other networks")
    asked = parser.parse_args()
    if asked.others:
        others(asked.others, trials=asked.trials)
    else:
        main(trials=asked.trials)
