"""Who teaches, at equal width and at equal accuracy: python data/photographs/compare.py

Two minutes of one core, and the network's look at seven classes. Six views, each cut to its 24
directions of largest variance, teach EfficientNet-Lite0 (64 directions) four questions about
photographs. Writes views.csv: the four roles, the gain and PGR at every number of labels; the gain
at one accuracy of all teachers, between the numbers of labels; and what each view shares with the
student.
"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from make import HERE, STORE
from pictures import CIFAR10_CLASSES, source
from torch import Tensor
from torch.nn.functional import one_hot
from views import seen, stack

from w2s_tutorial.datasets.frozen import leading
from w2s_tutorial.heads import fit_logistic
from w2s_tutorial.metrics import bootstrap_interval, pgr
from w2s_tutorial.overlap import jackknife_interval, shared_dimension
from w2s_tutorial.pipeline import ROLES, hard, weak_to_strong
from w2s_tutorial.sample import Sample
from w2s_tutorial.storage import describe
from w2s_tutorial.tables import save_result

PAIRS = (("automobile", "truck"), ("airplane", "ship"), ("cat", "dog"), ("deer", "horse"))
TEACHERS = ("pixels", "hog", "stage1", "stage2", "lite0_32", "own")
"""own: the student's own first directions, the control."""
EACH, DIRECTIONS, STUDENT = 1200, 24, 64  # pictures of a class, directions of teacher and student
LABELS, POOL, TEST = (50, 100, 200, 400), 1000, 900
HEADS, SEED, L2 = 20, 0, 0.01


def cut(view: Tensor, directions: int) -> Tensor:
    """Features (n, k) in their directions of largest variance over all pictures of the pair."""
    whole = torch.ones(len(view), dtype=torch.bool)
    return leading(view[:, None], whole, directions)[:, 0].float()


def looked_at(store: Path) -> dict[str, dict[str, Tensor]]:
    """Pair -> view -> features of 1,200 pictures of the first class, then of the second."""
    images, kind = source()
    needed = {name for pair in PAIRS for name in pair}
    each = {}
    for name in needed:
        some = images[kind == CIFAR10_CLASSES.index(name)]
        # Of vehicles the network has seen all pictures: their features are in the store.
        known = some if name in ("automobile", "truck", "ship", "airplane") else some[:EACH]
        each[name] = {view: found[:EACH] for view, found in seen(known, store).items()}
    found = {}
    for pair in PAIRS:
        views = stack([each[name] for name in pair])
        teachers = {name: cut(views[name], DIRECTIONS) for name in TEACHERS if name != "own"}
        student = cut(views["lite0"], STUDENT)
        found["/".join(pair)] = {**teachers, "own": student[:, :DIRECTIONS], "student": student}
    return found


def roles(
    weak: Tensor, strong: Tensor, label: Tensor, labeled: int, heads: int = HEADS
) -> dict[str, Tensor]:
    """Accuracies (heads,) of the four roles; the same pictures for every teacher."""
    stream = torch.Generator().manual_seed(SEED)
    order = torch.rand(heads, len(label), generator=stream).argsort(-1)
    target = one_hot(label, 2).float()

    def sample(first: int, n: int) -> Sample:
        row = order[:, first : first + n]
        return Sample(weak[row], strong[row], target[row])

    known, pool = sample(0, labeled), sample(max(LABELS), POOL)
    test = sample(max(LABELS) + POOL, TEST)
    fit = partial(fit_logistic, l2=L2)
    return weak_to_strong(known, pool, fit=fit, pseudo_label=hard).accuracies(test)


def at_accuracy(accuracy: float, *values: Tensor) -> Tensor:
    """Mean gain (...) where the teacher has an accuracy, on lines between the numbers of labels.

    Args:
        values: for rising numbers of labels the teacher's accuracies (..., h), then the gains.
    """
    means = torch.stack([value.mean(-1) for value in values])
    weak, gain = means.chunk(2)
    # The first step that reaches the accuracy, or the last one, whose line is then continued.
    step = (weak[1:] < accuracy).long().sum(0).clamp(max=len(weak) - 2)[None]
    low, high = weak.gather(0, step)[0], weak.gather(0, step + 1)[0]
    share = (accuracy - low) / (high - low)
    return gain.gather(0, step)[0] * (1 - share) + gain.gather(0, step + 1)[0] * share


def compared(
    pair: str, views: dict[str, Tensor], heads: int = HEADS, teachers: tuple[str, ...] = TEACHERS
) -> list[dict[str, Any]]:
    """A row for every teacher, number of labels and quantity, with a 95 % interval."""
    label = torch.arange(2).repeat_interleave(len(views["student"]) // 2)
    rows: list[dict[str, Any]] = []

    def add(
        teacher: str, labels: int, what: str, mean: Tensor, ends: tuple[Tensor, Tensor]
    ) -> None:
        row = {"pair": pair, "teacher": teacher, "n_labeled": labels, "quantity": what}
        rows.append(row | {"mean": float(mean), "low": float(ends[0]), "high": float(ends[1])})

    found = {
        teacher: [roles(views[teacher], views["student"], label, n, heads) for n in LABELS]
        for teacher in teachers
    }
    for teacher, at in found.items():
        for n, right in zip(LABELS, at, strict=True):
            right["gain"] = right["student"] - right["weak"]
            for what in (*ROLES, "gain"):
                mean = lambda value: value.mean(-1)
                ends = bootstrap_interval(mean, right[what], seed=SEED)
                add(teacher, n, what, right[what].mean(), ends)
            three = [right[role] for role in ("weak", "student", "ceiling")]
            add(teacher, n, "PGR", pgr(*three), bootstrap_interval(pgr, *three, seed=SEED))
        both = views[teacher], views["student"]
        ends = jackknife_interval(shared_dimension, *both, seed=SEED)
        add(teacher, 0, "shared dimension", shared_dimension(*both), ends)
    outside = [teacher for teacher in teachers if teacher != "own"]
    # What the least able teacher reaches with the most labels; the others reach it with fewer.
    level = min(float(found[teacher][-1]["weak"].mean()) for teacher in outside)
    for teacher in outside:
        values = [at["weak"] for at in found[teacher]] + [at["gain"] for at in found[teacher]]
        matched = partial(at_accuracy, level)
        ends = bootstrap_interval(matched, *values, seed=SEED)
        add(teacher, 0, "gain at one accuracy", matched(*values), ends)
        add(teacher, 0, "that accuracy", torch.tensor(level), (torch.tensor(level),) * 2)
    return rows


def main(folder: Path = HERE, store: Path = STORE, heads: int = HEADS) -> None:
    start = time.process_time()
    rows = [row for pair, views in looked_at(store).items() for row in compared(pair, views, heads)]
    told = describe(
        "python data/photographs/compare.py",
        code=[HERE / "compare.py", HERE / "views.py", HERE / "pictures.py"],
        processor_seconds=round(time.process_time() - start),
        seed=SEED,
        heads=heads,
        l2=L2,
        directions=DIRECTIONS,
        student_directions=STUDENT,
        pool=POOL,
        test=TEST,
        pictures_of_each_class=EACH,
    )
    save_result(pd.DataFrame(rows).round(4), folder / "views.csv", told)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
