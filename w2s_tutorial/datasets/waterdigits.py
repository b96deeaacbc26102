"""Waterdigits: real digits over real photographs, small enough to need no download.

A digit image (one of the 1,797 that come with scikit-learn, 8 x 8 pixels) is enlarged and laid
over a patch of one of scikit-learn's two sample photographs. The label, odd or even, comes from
the digit; the photograph is the spurious attribute: as in Waterbirds, group = 2 * label +
photograph, and in the minority (groups 1 and 2) the two disagree. Every digit exists over both
photographs, so that any minority share can be had exactly, by choosing.

    digits = compose(seed=0)
    views = {name: backbone(name)(digits.images) for name in ("distracted", "strong")}
    seen = frozen.FrozenFeatures(views, digits.label)
    sets = frozen.draw(
        seen, "distracted", "strong", sizes={"labeled": 100, "pool": 400, "test": 400},
        minority={"labeled": 0.25, "pool": 0.25, "test": 0.5}, heads=64, seed=0,
    )

No backbone has seen any of these digits, or any of these parts of the photographs. They were
trained to see the clean digit through the photograph: data/waterdigits tells how and why.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits, load_sample_images
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, pad

from w2s_tutorial.seeds import Seed, generator_of
from w2s_tutorial.storage import load_tensors

WEIGHTS = Path(__file__).parent / "waterdigits.safetensors"
PRETRAINING = slice(0, 386)  # a change of hand, no writer is on both sides: data/waterdigits
DOWNSTREAM = slice(386, 1797)
SIDE = 16
"""Pixels along a side of a composite image."""
BACKBONES: dict[str, tuple[int, int]] = {
    "pixels": (0, 192),
    "tiny": (4, 8),
    "small": (8, 16),
    "distracted": (8, 16),
    "strong": (16, 32),
}
"""Width (channels of the first layer; 0: no network) and number of features of each backbone."""

_STRIP = 32  # pixels: pre-training and downstream take turns in vertical strips this wide
_SHADE, _INK = 0.7, 0.7  # photographs are darkened, and white ink lets them through


@dataclass(frozen=True)
class Composites:
    """n digits, each over both photographs.

    Attributes:
        images: (n, 2, 3, 16, 16) in [0, 1]; [:, 0] over china.jpg, [:, 1] over flower.jpg.
        digit: (n,) int64, 0..9.
    """

    images: Tensor
    digit: Tensor

    @property
    def label(self) -> Tensor:
        """(n,) int64: 0 even, 1 odd."""
        return self.digit % 2

    def __len__(self) -> int:
        return len(self.digit)


def compose(*, seed: Seed) -> Composites:
    """All 1,411 digits that no backbone was trained on, each over a patch of both photographs.

    Args:
        seed: integer or generator, consumed for where each digit stands, and for the patches.
    """
    generator = generator_of(seed)
    digits, digit = digit_images()
    ink = place(digits[DOWNSTREAM], seed=generator)
    both = [
        lay_over(ink, torch.full((len(ink),), photograph), downstream=True, seed=generator)
        for photograph in (0, 1)
    ]
    return Composites(torch.stack(both, 1), digit[DOWNSTREAM])


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


class Backbone(nn.Module):
    """A frozen network that was trained to see the clean digit through the photograph."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int, features: int) -> None:
        """Untrained, with the sizes that `BACKBONES` lists."""
        super().__init__()
        self.encoder = _encoder(width, features)
        self.decoder = nn.Linear(features, 64)
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("deviation", torch.ones(features))
        self.float()  # as the images are, whatever torch's default type is

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Features (..., d) of images (..., 3, 16, 16), standardised on the pre-training digits.

        Raises:
            ValueError: if the images have another shape.
        """
        features = (self.encoder(_one_batch(images)) - self.mean) / self.deviation
        return features.view(*images.shape[:-3], -1)

    def trainable(self) -> nn.Sequential:
        """A copy that can be trained on: images (n, 3, 16, 16) -> the same features (n, d)."""
        layers = copy.deepcopy(self.encoder).requires_grad_(True)
        return nn.Sequential(*layers, _Standardised(self.mean, self.deviation))

    @torch.no_grad()
    def clean(self, images: Tensor) -> Tensor:
        """The clean digits (..., 8, 8) that the network believes to see in (..., 3, 16, 16)."""
        digits = self.decoder(self.encoder(_one_batch(images)))
        return digits.view(*images.shape[:-3], 8, 8)


class _Standardised(nn.Module):
    mean: Tensor
    deviation: Tensor

    def __init__(self, mean: Tensor, deviation: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.clone())
        self.register_buffer("deviation", deviation.clone())

    def forward(self, features: Tensor) -> Tensor:
        return (features - self.mean) / self.deviation


def backbone(name: str) -> Backbone:
    """A pre-trained backbone: images (..., 3, 16, 16) -> features (..., d).

    From weak to strong: "pixels" (192 averages of 2 x 2 pixels), "tiny" (8 features), "small"
    (16), "strong" (32). "distracted" is "small", trained to tell the photograph as well.

    Raises:
        ValueError: if the name is none of them.
    """
    if name not in BACKBONES:
        raise ValueError(f"name must be one of {', '.join(BACKBONES)}, got {name!r}")
    network = Backbone(*BACKBONES[name])
    stored, _ = load_tensors(WEIGHTS)
    network.load_state_dict({key: stored[f"{name}.{key}"] for key in network.state_dict()})
    return network.eval().requires_grad_(False)


def _one_batch(images: Tensor) -> Tensor:
    if images.dim() < 4 or images.shape[-3:] != (3, SIDE, SIDE):
        raise ValueError(f"images must be (..., n, 3, 16, 16), got shape {tuple(images.shape)}")
    return images.flatten(0, -4)


def _encoder(width: int, features: int) -> nn.Sequential:
    if width == 0:
        return nn.Sequential(nn.AvgPool2d(2), nn.Flatten())
    return nn.Sequential(
        *(nn.Conv2d(3, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(width, 2 * width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(2 * width * (SIDE // 4) ** 2, features)),
    )
