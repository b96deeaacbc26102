"""The strong backbone of waterdigits, fine-tuned whole: python data/whole_networks/small.py.

Writes small.csv (a row per setting, arm, draw and look) and features.csv (what bodies know before
and after), each with how it came about. About four minutes of one core, no download.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

from w2s_tutorial import losses, whole
from w2s_tutorial.confidence.selection import confidence, keep_top, within_classes
from w2s_tutorial.datasets import waterdigits
from w2s_tutorial.datasets.frozen import FrozenFeatures
from w2s_tutorial.heads import fit_logistic
from w2s_tutorial.metrics import accuracy, disagreement
from w2s_tutorial.overlap import principal_coordinates, shared_dimension
from w2s_tutorial.pipeline import hard
from w2s_tutorial.storage import describe
from w2s_tutorial.tables import save_result

HERE = Path(__file__).parent
SIZES = {"labeled": 100, "pool": 400, "held": 100, "test": 400}
FIT: dict[str, Any] = {"steps": 160, "batch_size": 32, "lr": 1e-3, "warmup": 8}
LOOKS = (0, 5, 10, 20, 40, 80, 120)
L2, RUNS, DIRECTIONS = 0.01, 8, 16
LAST = ("body.7", "head")  # the linear layer above the convolutions
EARLY = 20
REGIMES = ((0.05, 0.05), (0.05, 0.5), (0.5, 0.05), (0.5, 0.5))


def auxiliary(output: Tensor, target: Tensor, progress: Tensor) -> Tensor:
    weight = losses.confidence_weight(progress, most=0.5, warm_up=0.2)
    return losses.auxiliary_confidence(output, target, weight)


def forgiving(output: Tensor, target: Tensor, progress: Tensor) -> Tensor:
    return losses.generalized_cross_entropy(0.7)(output, target)


def smooth(output: Tensor, target: Tensor, progress: Tensor) -> Tensor:
    return losses.cross_entropy(output, losses.smoothed(target, 0.1))


def world_of(teacher: str, labeled: float, pool: float, runs: int) -> whole.Lesson:
    """One random draw per run; the held-out pool is like the pool, the test set balanced."""
    composites = waterdigits.compose(seed=0)
    seen = FrozenFeatures(
        {teacher: waterdigits.backbone(teacher)(composites.images)}, composites.label
    )
    shares = {"labeled": labeled, "pool": pool, "held": pool, "test": 0.5}
    return whole.lesson(
        seen, composites.images, teacher, sizes=SIZES, minority=shares, runs=runs, seed=0, l2=L2
    )


def students_of(runs: int, seed: int = 0) -> list[whole.Whole]:
    body = waterdigits.backbone("strong").trainable()
    width = waterdigits.BACKBONES["strong"][1]
    return [whole.Whole(body, width, seed=seed + i) for i in range(runs)]


def still(world: whole.Lesson) -> Iterator[tuple[str, whole.Taught]]:
    """The roles with a frozen body, and a head that is solved."""
    features = whole.map_images(world, students_of(1)[0].body.eval())
    arms = ("frozen head", "weak"), ("ceiling, frozen head", "ceiling")
    for name, role in (*arms, ("baseline, frozen head", "baseline")):
        heads = whole.fit_heads(features, taught_by=role, l2=L2)
        parts = ("pool", "held", "test")
        said = {(part, 0): heads(features.images[part].double()).float() for part in parts}
        yield name, whole.Taught([], said)
    said = {(part, 0): 20 * world.label[part] for part in ("pool", "held", "test")}
    yield "weak", whole.Taught([], said)


def arms(world: whole.Lesson, runs: int) -> Iterator[tuple[str, whole.Taught]]:
    """All students of one world."""
    yield from still(world)
    students = students_of(runs)
    fit = {**FIT, "looks": LOOKS, "seed": 100}

    def teach(some: Sequence[nn.Module], given: whole.Lesson = world, **more: Any) -> whole.Taught:
        return whole.fine_tune(some, given, **{**fit, **more})

    features = whole.map_images(world, students[0].body.eval())
    lone = [whole.Whole(nn.Identity(), s.head.in_features, seed=i) for i, s in enumerate(students)]
    yield "frozen head, same updates", teach(lone, features)
    first = teach(students)
    yield "everything", first
    yield "twin", teach(students_of(runs, seed=50), seed=500)
    yield "ceiling, everything", teach(students, taught_by="ceiling")
    yield "baseline, everything", teach(students, taught_by="baseline")
    yield "last layers", teach([s.free(*LAST) for s in students])
    heads = whole.fit_heads(features, l2=L2)
    yield "head first", teach([s.begin(heads, i) for i, s in enumerate(students)])
    yield "third of the rate", teach(students, lr=FIT["lr"] / 3)
    yield "three times the rate", teach(students, lr=FIT["lr"] * 3)
    yield "label smoothing", teach(students, loss=smooth)
    yield "strong penalty", teach(students, weight_decay=10.0)
    yield "forgiving loss", teach(students, loss=forgiving)
    yield "auxiliary confidence", teach(students, loss=auxiliary)
    again = partial(teach, students, loss=forgiving)
    for name, done in (("retrained, asked late", FIT["steps"]), ("retrained, asked early", EARLY)):
        yield name, again(keep=surest_half(first.outputs["pool", done]))
    yield "retrained, random half", again(keep=halves(runs))


def surest_half(output: Tensor) -> Tensor:
    """The half (r, n) of which students with logits (r, n, 2) are surest, class by class."""
    return keep_top(within_classes(confidence(output), hard(output)), 0.5)


def halves(runs: int) -> Tensor:
    draws = torch.Generator().manual_seed(7)
    return torch.rand(runs, SIZES["pool"], generator=draws).argsort(1) < SIZES["pool"] // 2


def known(world: whole.Lesson, bodies: list[nn.Module], teacher: str) -> pd.DataFrame:
    """What each run's body knows: label, photograph, and what it shares with its teacher's view."""
    view = waterdigits.backbone(teacher)
    kinds = (world.images, world.label, world.target, world.group)
    rows = []
    for run, body in enumerate(bodies):
        one = whole.Lesson(
            *({part: x[run : run + 1] for part, x in kind.items()} for kind in kinds)
        )
        seen = whole.map_images(one, body.eval())
        heads = whole.fit_heads(seen, taught_by="baseline", l2=L2)
        place = {p: one_hot(g % 2, 2).double() for p, g in one.group.items()}
        test, where, half = seen.images["test"].double(), place["test"], SIZES["test"] // 2
        told = fit_logistic(test[:, :half], where[:, :half], l2=L2)
        images = torch.cat([one.images["test"][0], one.images["held"][0]])
        features = torch.cat([seen.images["test"][0], seen.images["held"][0]]).double()
        weak = principal_coordinates(view(images).double(), DIRECTIONS)
        strong = principal_coordinates(features, DIRECTIONS)
        rows.append({
            "run": run,
            "label": float(accuracy(heads(test), one.target["test"].double())),
            "photograph": float(accuracy(told(test[:, half:]), where[:, half:])),
            "shared": float(shared_dimension(weak, strong)),
        })  # fmt: skip
    return pd.DataFrame(rows)


def main(folder: Path = HERE, runs: int = RUNS) -> None:
    start = time.process_time()
    rows, bodies = [], []
    settings: list[tuple[str, float, float]] = [("pixels", 0.25, 0.25), ("distracted", 0.25, 0.25)]
    settings += [("distracted", *regime) for regime in REGIMES]
    for teacher, labeled, pool in settings:
        about: dict[str, Any] = {"teacher": teacher, "labeled": labeled, "pooled": pool}
        world = world_of(teacher, labeled, pool, runs)
        if teacher == "pixels":
            found = list(arms(world, runs))
        else:
            teach = partial(whole.fine_tune, students_of(runs), world, **FIT, seed=100)
            found = [*still(world), ("everything", teach(looks=LOOKS))]
            if labeled == pool == 0.25:
                found.append(("ceiling, everything", teach(taught_by="ceiling")))
        twins = {name: taught for name, taught in found if name in ("everything", "twin")}
        for name, taught in found:
            table = whole.measures(taught, world)
            if name == "everything" and "twin" in twins:
                both = (twins["everything"].outputs, twins["twin"].outputs)
                apart = [
                    disagreement(*(said["held", done] for said in both)) for done in taught.looks
                ]
                table["apart"] = torch.cat(apart).numpy()
            rows.append(table.assign(arm=name, **about))
            if taught.networks and isinstance(taught.networks[0].body, nn.Sequential):
                moved = known(world, [n.body for n in taught.networks], teacher)
                bodies.append(moved.assign(arm=name, **about))
        before = known(world, [s.body for s in students_of(runs)], teacher)
        bodies.append(before.assign(arm="before", **about))
    facts = describe(
        "python data/whole_networks/small.py",
        code=(Path(__file__), Path(str(whole.__file__))),
        processor_seconds=round(time.process_time() - start),
        sizes=SIZES, runs=runs, l2=L2, **FIT,
    )  # fmt: skip
    save_result(pd.concat(rows).round(4), folder / "small.csv", facts)
    save_result(pd.concat(bodies).round(4), folder / "features.csv", facts)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
