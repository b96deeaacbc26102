"""Stacks of layers from which `backbones` builds: convolutional, residual, ConvNeXt, transformer.

The convolutional ones map images (n, channels, height, width), at least 8 pixels a side, to
features (n, d). None looks at other examples (no batch norm) or draws at random (no dropout).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from w2s_tutorial.seeds import Seed, generator_of


def convolutional(in_channels: int, widths: tuple[int, int] = (8, 16)) -> nn.Sequential:
    """Two convolutions, then the strongest response in each quarter of the image: d = 64."""
    first, second = widths
    return nn.Sequential(
        *(nn.Conv2d(in_channels, first, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(first, second, 5, padding=2), nn.ReLU(), nn.AdaptiveMaxPool2d(2)),
        nn.Flatten(),
    )


def residual(in_channels: int, widths: Sequence[int] = (32, 64, 128)) -> nn.Sequential:
    """A ResNet of one block per width (He et al. 2016, arXiv 1512.03385): d = 128."""
    stem = nn.Conv2d(in_channels, widths[0], 3, padding=1, bias=False)
    stages = [
        Residual(before, width)
        for before, width in zip((widths[0], *widths[:-1]), widths, strict=True)
    ]
    return nn.Sequential(
        *(stem, _norm(widths[0]), nn.ReLU(), *stages), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )


def convnext(in_channels: int, widths: tuple[int, int] = (128, 256)) -> nn.Sequential:
    """A ConvNeXt of two blocks per width (Liu et al. 2022, arXiv 2201.03545): d = 256."""
    first, second = widths
    return nn.Sequential(
        *(nn.Conv2d(in_channels, first, 4, stride=4), _norm(first)),
        *(ConvNeXtBlock(first), ConvNeXtBlock(first)),
        *(nn.Conv2d(first, second, 2, stride=2), _norm(second)),
        *(ConvNeXtBlock(second), ConvNeXtBlock(second)),
        *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(second)),
    )


def transformer(width: int, depth: int) -> list[nn.Module]:
    """Pre-norm attention blocks on tokens (n, t, width)."""
    return [
        nn.TransformerEncoderLayer(
            width, 4, 4 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        for _ in range(depth)
    ]


class Residual(nn.Module):
    """Two convolutions around which the input passes; halves height and width."""

    def __init__(self, before: int, width: int) -> None:
        super().__init__()
        self.change = nn.Sequential(
            *(nn.Conv2d(before, width, 3, stride=2, padding=1, bias=False), _norm(width)),
            nn.ReLU(),
            *(nn.Conv2d(width, width, 3, padding=1, bias=False), _norm(width)),
        )
        self.pass_by = nn.Sequential(
            nn.Conv2d(before, width, 1, stride=2, bias=False), _norm(width)
        )

    def forward(self, x: Tensor) -> Tensor:
        return (self.pass_by(x) + self.change(x)).relu()


class ConvNeXtBlock(nn.Module):
    """A wide look at each channel alone, then a mix of the channels at each place."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.look = nn.Conv2d(width, width, 7, padding=3, groups=width)
        self.mix = nn.Sequential(
            *(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU()),
            nn.Linear(4 * width, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        # Channels go last for the linear layers: no copy where they lie last in memory already.
        return x + self.mix(self.look(x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def centered(images: Tensor) -> Tensor:
    """Images as floats in [-1, 1], from uint8 or from floats in [0, 1]."""
    return images.float() / 127.5 - 1 if images.dtype == torch.uint8 else images * 2 - 1


def _norm(width: int) -> nn.GroupNorm:
    return nn.GroupNorm(8, width)


@torch.no_grad()
def initialize(network: nn.Module, *, seed: Seed) -> None:
    """Set every weight: norms to 1, biases to 0, the rest drawn to keep the signal's size.

    Convolutions by He et al. (2015), matrices by Glorot and Bengio (2010), and what belongs to no
    layer (positions, mask tokens) with deviation 0.5:
    smaller ones drown in the tokens they are added to.
    """
    generator = generator_of(seed)
    for part in network.modules():
        for name, weight in part.named_parameters(recurse=False):
            if isinstance(part, nn.LayerNorm | nn.GroupNorm):
                weight.fill_(float(name == "weight"))
            elif weight.dim() == 1:
                weight.zero_()
            elif isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(weight, generator=generator)
            elif weight.dim() == 2:
                nn.init.xavier_uniform_(weight, generator=generator)
            else:
                nn.init.normal_(weight, std=0.5, generator=generator)
