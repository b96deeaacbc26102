"""The pictures of waterdigits: ink in the shape of a digit, laid over a patch of a photograph."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from sklearn.datasets import load_digits, load_sample_images
from torch import Tensor
from torch.nn.functional import avg_pool2d, interpolate, pad

from w2s_tutorial.seeds import Seed, generator_of

SIDE = 16
"""Pixels along a side of a composite image."""

_STRIP = 32  # pixels: pre-training and downstream take turns in vertical strips this wide
_SHADE, _INK = 0.7, 0.7  # photographs are darkened, and white ink lets them through


@cache
def digit_images() -> tuple[Tensor, Tensor]:
    """All 1,797 digits, (n, 8, 8) in [0, 1], and what they show, (n,)."""
    bundle = load_digits()
    return torch.from_numpy(bundle.images / 16).float(), torch.from_numpy(bundle.target).long()


@cache
def photographs() -> Tensor:
    """china.jpg and flower.jpg at half their size: (2, 3, 213, 320) in [0, 1]."""
    photos = np.stack(load_sample_images().images)
    return avg_pool2d(torch.from_numpy(photos).permute(0, 3, 1, 2).float() / 255, 2)


def place(digits: Tensor, *, seed: Seed) -> Tensor:
    """Digits (n, 8, 8) at 14 x 14 pixels, up to 1 pixel off the centre: ink (n, 1, 16, 16)."""
    generator = generator_of(seed)
    n = len(digits)
    large = interpolate(digits[:, None], size=14, mode="bilinear", align_corners=False)
    corner = torch.randint(3, (2, n), generator=generator)
    return _windows(pad(large, (2, 2, 2, 2)), torch.arange(n), corner[0], corner[1])


def lay_over(ink: Tensor, photograph: Tensor, *, downstream: bool, seed: Seed) -> Tensor:
    """White ink (n, 1, 16, 16) over random patches of the photographs (n,): (n, 3, 16, 16).

    The photographs are cut into vertical strips; downstream patches come from every other one,
    pre-training patches from the rest, and no patch crosses an edge.
    """
    generator = generator_of(seed)
    n, photos = len(ink), photographs()
    first = torch.arange(int(downstream), photos.shape[-1] // _STRIP, 2) * _STRIP
    strip = first[torch.randint(len(first), (n,), generator=generator)]
    left = strip + torch.randint(_STRIP - SIDE + 1, (n,), generator=generator)
    top = torch.randint(photos.shape[-2] - SIDE + 1, (n,), generator=generator)
    patch = _windows(photos, photograph, top, left)
    return patch * _SHADE * (1 - _INK * ink) + _INK * ink


def _windows(maps: Tensor, which: Tensor, top: Tensor, left: Tensor) -> Tensor:
    """16 x 16 windows of maps (m, channels, height, width): (n, channels, 16, 16)."""
    step = torch.arange(SIDE)
    rows, columns = top[:, None, None] + step[:, None], left[:, None, None] + step
    return maps.permute(0, 2, 3, 1)[which[:, None, None], rows, columns].permute(0, 3, 1, 2)
