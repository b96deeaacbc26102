"""The four roles on real molecules: eight weak networks teach a strong one, by ridge heads.

For the chapter on misfit. The data sets are downloaded on first use; networks and features lie
here.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from molecular import HERE, WIDTHS, see, strong_features, weak_network
from sets import all_molecules, chembench_split
from torch import Tensor

from w2s_tutorial.heads import fit_ridge_validated
from w2s_tutorial.storage import generator_for

PENALTIES = tuple(10.0 ** (k / 2) for k in range(-12, 7))
"""Of the ridge heads, on the scale of mean squared error + penalty * |weight|^2."""
PROTOCOLS = ("whole", "halves")


class Parts(NamedTuple):
    """Rows of a data set: with labels for the weak head, for the student, and for judging."""

    labeled: Tensor
    pool: Tensor
    validation: Tensor
    test: Tensor


class Views(NamedTuple):
    """A data set: strong features (n, d), weak ones by width (n, width), and labels (n,)."""

    strong: Tensor
    weak: dict[int, Tensor]
    label: Tensor


def views(dataset: str, *, folder: Path | str = HERE) -> Views:
    """What all delivered networks see of a data set, whose strings and labels are downloaded.

    Raises:
        ValueError: if dataset is none of `sets.CATALOG`.
        OSError: if its file is neither there nor to be had, see `datasets.downloads.fetch`.
    """
    strong = strong_features(dataset, folder=folder)
    table = all_molecules(dataset)
    weak = {width: see(weak_network(width, folder=folder), table.smiles) for width in WIDTHS}
    return Views(strong, weak, table.target)


def deal(dataset: str, seed: int, protocol: str, n: int) -> Parts:
    """Rows of each part of a random 80/10/10 split.

    Args:
        dataset: its name, which decides with the seed how the training part is halved.
        seed: of the split, see `sets.chembench_split`.
        protocol: "whole": weak head and student learn on all training molecules, the one from
            their labels, the other from the weak head's answers. "halves": each has one half,
            drawn at random.
        n: molecules in the data set, at least 10.

    Raises:
        ValueError: if protocol is none of the two, or n or seed leaves its range.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol must be one of {PROTOCOLS}, got {protocol!r}")
    split = chembench_split(n, seed=seed)
    train = split["train"]
    if protocol == "whole":
        return Parts(train, train, split["validation"], split["test"])
    generator = generator_for({"dataset": dataset, "split": seed})
    first, second = train[torch.randperm(len(train), generator=generator)].tensor_split(2)
    return Parts(first, second, split["validation"], split["test"])


class Outcome(NamedTuple):
    """Outputs on all n molecules of a data set, in deviations of the labelled part.

    weak and student (h, n), one of each per weak network; baseline, ceiling and label (n,);
    penalty of the weak heads (h,) and of the students, which share it.
    """

    weak: Tensor
    student: Tensor
    baseline: Tensor
    ceiling: Tensor
    label: Tensor
    penalty_weak: Tensor
    penalty_student: Tensor


def outcome(seen: Views, parts: Parts) -> Outcome:
    """Fit all four roles by ridge, with penalties chosen on the validation molecules.

    Each weak head, the baseline and the ceiling choose theirs by the labels there. The students
    choose by the weak heads' answers there, never by labels, and share one penalty, so that the
    student of a mixture of teachers is the mixture of their students.
    """
    labels = seen.label[parts.labeled]
    label = ((seen.label - labels.mean()) / labels.std())[:, None]

    def fit(x: Tensor, target: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
        held = parts.validation
        heads, l2 = fit_ridge_validated(
            x[rows],
            target[None, rows],
            x[held],
            target[None, held],
            l2=[2 * penalty for penalty in PENALTIES],
        )
        return heads(x.double())[0], l2 / 2

    weak, chosen = zip(*(fit(x, label, parts.labeled) for x in seen.weak.values()), strict=True)
    student, penalty = fit(seen.strong, torch.cat(weak, -1), parts.pool)
    baseline, _ = fit(seen.strong, label, parts.labeled)
    ceiling, _ = fit(seen.strong, label, parts.pool)
    return Outcome(
        torch.cat(weak, -1).mT,
        student.mT,
        baseline[:, 0],
        ceiling[:, 0],
        label[:, 0],
        torch.cat(chosen),
        penalty,
    )


def errors(found: Outcome, rows: Tensor) -> dict[str, Tensor]:
    """Mean squared errors (h,) over some molecules, and the misfit there.

    Baseline and ceiling have no weak network in them and are the same h times.

    Args:
        found: from `outcome`.
        rows: (m,) numbers of the molecules.

    Returns:
        weak, misfit, student, baseline, ceiling: each in units of the labelled part's variance.
    """
    weak, student, label = found.weak[:, rows], found.student[:, rows], found.label[rows]
    return {
        "weak": (weak - label).square().mean(-1),
        "misfit": (student - weak).square().mean(-1),
        "student": (student - label).square().mean(-1),
        "baseline": (found.baseline[rows] - label).square().mean().expand(len(weak)),
        "ceiling": (found.ceiling[rows] - label).square().mean().expand(len(weak)),
    }
