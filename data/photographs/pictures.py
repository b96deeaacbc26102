"""Small photographs of ten kinds of things, and how blue their borders are.

"cifar10-jpeg" is half of CIFAR-10 (2,500 training and 500 test pictures of each class), packed as
JPEG of quality 75: lossy, and not CIFAR-10. Whoever has it not can take 3,000 pictures of each
class of the real set (`source("cifar10")`): the numbers are then others. Used by the other
programs here.
"""

from __future__ import annotations

import tarfile
from itertools import combinations
from typing import IO, cast

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from w2s_tutorial.datasets.downloads import File, fetch
from w2s_tutorial.datasets.frozen import PARTS
from w2s_tutorial.datasets.public import CIFAR10_CLASSES, cifar10

ARCHIVE = File(
    "cifar10_jpeg/cifar10_jpeg_half.tar.xz",
    hash="sha256:b8efc3d579622b43f69cec66589f66e2171ca6e50592db1d5db9cbc9df88ebf6",
)
EACH, SIDE = 3000, 32  # pictures of a class, pixels
VEHICLES = ("airplane", "automobile", "ship", "truck")
BORDER = 4  # pixels
LEAST_MINORITY = 1400
SIZES = dict(zip(PARTS, (1000, 2800, 200, 2000), strict=True))


def source(name: str = "cifar10-jpeg") -> tuple[Tensor, Tensor]:
    """Pictures (30000, 3, 32, 32) uint8, 3,000 of each class, class by class; classes (30000,)."""
    kind = torch.arange(len(CIFAR10_CLASSES)).repeat_interleave(EACH)
    if name == "cifar10":
        images, label = cifar10("train")
        rows = [(label == k).nonzero().flatten()[:EACH] for k in range(len(CIFAR10_CLASSES))]
        return (images[torch.cat(rows)] * 255).round().byte(), kind
    with tarfile.open(fetch(ARCHIVE)) as packed:
        stored = {
            member.name: np.asarray(
                Image.open(cast(IO[bytes], packed.extractfile(member))).convert("RGB")
            )
            for member in packed
            if member.name.endswith(".jpg")
        }
    # Training pictures come before test pictures, both in the order of their names.
    order = sorted(stored, key=lambda path: (path.split("/")[-2], path.startswith("test"), path))
    images = torch.from_numpy(np.stack([stored[path] for path in order]))
    return images.permute(0, 3, 1, 2).contiguous(), kind


def blueness(images: Tensor) -> Tensor:
    """Mean blue minus mean red of the outermost pixels (n,), in grey levels."""
    rim = torch.ones(SIDE, SIDE, dtype=torch.bool)
    rim[BORDER:-BORDER, BORDER:-BORDER] = False
    seen = images[:, :, rim].double().mean(-1)
    return seen[:, 2] - seen[:, 0]


def threshold(blue: Tensor, kind: Tensor, pair: tuple[str, str], quantile: float = 0.5) -> float:
    """The blueness below which so large a part of a pair's pictures lies."""
    rows = torch.isin(kind, torch.tensor([CIFAR10_CLASSES.index(name) for name in pair]))
    return float(blue[rows].quantile(quantile))


def pairs(blue: Tensor, kind: Tensor) -> pd.DataFrame:
    """Two vehicles or two animals, the pair whose borders tell most first.

    Columns: first, the class whose borders are less often blue, label 0; second, label 1;
    threshold; share of blue borders in each; their difference, which is the correlation of label
    and border; minority, pictures whose border is of the other class's kind; allowed.
    """
    rows = []
    for a, b in combinations(CIFAR10_CLASSES, 2):
        if (a in VEHICLES) != (b in VEHICLES):
            continue
        limit = threshold(blue, kind, (a, b))
        share = {
            name: float((blue[kind == CIFAR10_CLASSES.index(name)] > limit).double().mean())
            for name in (a, b)
        }
        first, second = sorted(share, key=lambda name: share[name])
        few = round(EACH * (1 - share[second] + share[first]))
        told = {"first": first, "second": second, "threshold": limit}
        told |= {"first_blue": share[first], "second_blue": share[second]}
        told |= {"correlation": share[second] - share[first], "minority": few}
        rows.append(told | {"allowed": few >= LEAST_MINORITY})
    return pd.DataFrame(rows).sort_values("correlation", ascending=False, ignore_index=True)


def dealt(label: Tensor, attribute: Tensor, *, seed: int) -> Tensor:
    """Part of each picture (n,): every group is dealt out in the proportions of SIZES."""
    generator = torch.Generator().manual_seed(seed)
    ends = torch.tensor(list(SIZES.values())).cumsum(0) / sum(SIZES.values())
    part, group = torch.empty_like(label), 2 * label + attribute
    for g in range(4):
        rows = (group == g).nonzero().flatten()
        rows = rows[torch.randperm(len(rows), generator=generator)]
        place = (torch.arange(len(rows)) + 0.5) / len(rows)
        part[rows] = torch.searchsorted(ends, place, right=True)
    return part
