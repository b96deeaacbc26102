"""Networks that were trained to see the clean digit through the photograph, frozen.

data/waterdigits/make.py trains them; its README.md tells how and why.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from w2s_tutorial.datasets.digit_scenes import SIDE

WEIGHTS = Path(__file__).parents[2] / "data" / "waterdigits" / "weights.npz"
BACKBONES: dict[str, tuple[int, int]] = {
    "pixels": (0, 192),
    "tiny": (4, 8),
    "small": (8, 16),
    "distracted": (8, 16),
    "strong": (16, 32),
}
"""Width (channels of the first layer; 0: no network) and number of features of each backbone."""


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

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """Features (..., d) of images (..., 3, 16, 16), standardised on the pre-training digits.

        Raises:
            ValueError: if the images have another shape.
        """
        features = (self.encoder(_one_batch(images)) - self.mean) / self.deviation
        return features.view(*images.shape[:-3], -1)

    @torch.no_grad()
    def clean(self, images: Tensor) -> Tensor:
        """The clean digits (..., 8, 8) that the network believes to see in (..., 3, 16, 16)."""
        digits = self.decoder(self.encoder(_one_batch(images)))
        return digits.view(*images.shape[:-3], 8, 8)


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
    with np.load(WEIGHTS, allow_pickle=False) as stored:
        state = {key: torch.from_numpy(stored[f"{name}.{key}"]) for key in network.state_dict()}
    network.load_state_dict(state)
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
