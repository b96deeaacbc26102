"""What each view sees of the pictures: the student, two of its stages, gradients, pixels.

Computed class by class and kept in a folder, since the network takes a quarter of an hour for all
ten on one core. Used by the other programs here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from w2s_tutorial.networks.efficientnet_lite import EfficientNetLite0, efficientnet_lite0
from w2s_tutorial.networks.features import cached, extract
from w2s_tutorial.storage import content_key

STUDENT, SMALL = 128, 32  # pixels to which the network's input is resized
WIDTHS = {"stage1": 24, "stage2": 40, "lite0": 1280}
CELLS, DIRECTIONS = 8, 9


class Stages(nn.Module):
    """Images -> the means of two early maps and of the last one, side by side (n, 1344)."""

    def __init__(self, network: EfficientNetLite0) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        maps = self.network.maps(self.network.prepared(images))
        return torch.cat([maps[k].mean((2, 3)) for k in (1, 2, 7)], -1)


def gradients(images: Tensor) -> Tensor:
    """Histograms of oriented gradients of grey pictures (n, 3, 32, 32): (n, 1764), no colour.

    A pixel votes by the size of its gradient for the two of nine directions (0 to 180 degrees)
    next to its own, in its cell of 4 x 4 pixels; blocks of 2 x 2 cells, one cell apart, are divided
    by their length, clipped at .2 and divided again (Dalal and Triggs 2005).
    """
    grey = functional.pad(images.float().mean(1, keepdim=True), (1, 1, 1, 1), mode="replicate")
    dx = grey[:, :, 1:-1, 2:] - grey[:, :, 1:-1, :-2]
    dy = grey[:, :, 2:, 1:-1] - grey[:, :, :-2, 1:-1]
    place = torch.atan2(dy, dx).remainder(math.pi) / math.pi * DIRECTIONS
    low = place.floor()
    size, part = (dx.square() + dy.square()).sqrt(), place - low
    votes = grey.new_zeros(len(grey), DIRECTIONS, *dx.shape[2:])
    low = low.long() % DIRECTIONS
    votes.scatter_add_(1, low, size * (1 - part))
    votes.scatter_add_(1, (low + 1) % DIRECTIONS, size * part)
    cells = functional.avg_pool2d(votes, dx.shape[-1] // CELLS)
    blocks = functional.unfold(cells, 2)  # (n, 4 directions, 49)
    for _ in range(2):
        length = (blocks.square().sum(1, keepdim=True) + 1e-6).sqrt()
        blocks = (blocks / length).clamp(max=0.2)
    return (blocks / (blocks.square().sum(1, keepdim=True) + 1e-6).sqrt()).flatten(1)


def pixels(images: Tensor) -> Tensor:
    """Means of 2 x 2 pixels, all colours (n, 768)."""
    return functional.avg_pool2d(images.float() / 255, 2).flatten(1)


def seen(images: Tensor, store: Path) -> dict[str, Tensor]:
    """View -> features (n, d): the network at 128 and at 32 pixels, two stages, hog, pixels."""
    large, small = (_folded(efficientnet_lite0(side)) for side in (STUDENT, SMALL))
    stages = _kept(Stages(large), images, store).split(list(WIDTHS.values()), -1)
    return {
        **dict(zip(WIDTHS, stages, strict=True)),
        "lite0_32": _kept(small, images, store),
        "hog": gradients(images),
        "pixels": pixels(images),
    }


def stack(parts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Views of several classes, one below the other."""
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _folded(network: EfficientNetLite0) -> EfficientNetLite0:
    """The same function with batch norms inside the convolutions: a third of the time is theirs."""
    for part in network.modules():
        if isinstance(getattr(part, "norm", None), nn.BatchNorm2d):
            part.convolution = fuse_conv_bn_eval(part.convolution, part.norm)
            part.norm = nn.Identity()
    return network


def _kept(network: nn.Module, images: Tensor, store: Path) -> Tensor:
    def look() -> Tensor:
        return extract(network, images, batch_size=50, dtype=torch.float32)

    return cached(look, key=content_key(network, images), folder=store)
