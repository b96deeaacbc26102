"""Five small backbones of different strength and kind, as frozen representations to compare.

They mirror the five of the spurious-correlation paper: a small supervised network, a residual
one, one trained by contrast, one trained to fill in hidden patches, and a larger modern
convolutional one. Each maps images (n, channels, height, width), uint8 or floats in [0, 1], to
features (n, d), and has one more method, which its training needs (see `objectives`).
"""

from __future__ import annotations

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from w2s_tutorial.seeds import Seed, generator_of

PATCH = 4  # side in pixels of the squares that the masked autoencoder sees or has to guess


class Backbone(nn.Module):
    """A network whose forward gives features.

    Attributes:
        width: the number d of features.
        recipe: the arguments of `build` that it came from.
    """

    width: int
    recipe: dict[str, Any]


class Supervised(Backbone):
    """A body trained by labels, with one linear head per task."""

    def __init__(self, body: nn.Sequential, width: int, tasks: Sequence[int]) -> None:
        super().__init__()
        self.body, self.width, self.tasks = body, width, tuple(tasks)
        self.head = nn.Linear(width, sum(tasks))

    def forward(self, images: Tensor) -> Tensor:
        """Features (n, d)."""
        return self.body(centered(images))

    def classify(self, images: Tensor) -> tuple[Tensor, ...]:
        """Outputs (n, c), one for each task."""
        return self.head(self(images)).split(self.tasks, dim=-1)


class Contrastive(Backbone):
    """A body trained to recognise two views of one image, which meet in a projected space."""

    def __init__(self, body: nn.Sequential, width: int) -> None:
        super().__init__()
        self.body, self.width = body, width
        self.projector = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 64))

    def forward(self, images: Tensor) -> Tensor:
        """Features (n, d), from before the projection, which drops what the views disagree in."""
        return self.body(centered(images))

    def project(self, images: Tensor) -> Tensor:
        """Where views are compared: (n, 64)."""
        return self.projector(self(images))


class MaskedAutoencoder(Backbone):
    """A transformer on patches, trained to fill in the three quarters of them that are hidden."""

    def __init__(
        self, in_channels: int, image_size: tuple[int, int], width: int = 96, depth: int = 4
    ) -> None:
        super().__init__()
        if image_size[0] % PATCH or image_size[1] % PATCH:
            raise ValueError(f"image_size must be multiples of {PATCH} for 'mae', got {image_size}")
        self.width = width
        self.patches = (image_size[0] // PATCH) * (image_size[1] // PATCH)
        self.visible = self.patches - 3 * self.patches // 4
        self.embed = nn.Conv2d(in_channels, width, PATCH, stride=PATCH)
        self.position = nn.Parameter(torch.empty(1, self.patches, width))
        self.encoder = nn.Sequential(*transformer(width, depth), nn.LayerNorm(width))
        self.narrow = nn.Linear(width, width // 2)
        self.hidden = nn.Parameter(torch.empty(1, 1, width // 2))
        self.place = nn.Parameter(torch.empty(1, self.patches, width // 2))
        self.decoder = nn.Sequential(
            *transformer(width // 2, 1), nn.Linear(width // 2, in_channels * PATCH**2)
        )

    def forward(self, images: Tensor) -> Tensor:
        """Features (n, d): the mean over all patches, none of them hidden."""
        return self.encoder(self._tokens(images)).mean(1)

    def reconstruct(self, images: Tensor, order: Tensor) -> Tensor:
        """A guess at every patch (n, patches, pixels) from the first `visible` ones of an order.

        Args:
            order: (n, patches), the numbers of each image's patches in some order.
        """
        shown = order[:, : self.visible, None]
        seen = self.narrow(self.encoder(self._tokens(images).take_along_dim(shown, 1)))
        blank = self.hidden.to(seen.dtype).expand(len(images), self.patches, -1)
        return self.decoder(blank.scatter(1, shown.expand_as(seen), seen) + self.place)

    def _tokens(self, images: Tensor) -> Tensor:
        return self.embed(centered(images)).flatten(2).mT + self.position


def _cnn(in_channels: int, image_size: tuple[int, int], tasks: Sequence[int]) -> Backbone:
    """Small and supervised; d = 64. The weakest."""
    return Supervised(_convolutional(in_channels), 64, tasks)


def _resnet(in_channels: int, image_size: tuple[int, int], tasks: Sequence[int]) -> Backbone:
    """Residual and supervised, in the place of ResNet18; d = 128."""
    return Supervised(_residual(in_channels), 128, tasks)


def _simclr(in_channels: int, image_size: tuple[int, int], tasks: Sequence[int]) -> Backbone:
    """The same residual body, but self-supervised by contrast; d = 128. tasks is not used."""
    return Contrastive(_residual(in_channels), 128)


def _mae(in_channels: int, image_size: tuple[int, int], tasks: Sequence[int]) -> Backbone:
    """A small masked autoencoder, in the place of MAE ViT-B/16; d = 96. tasks is not used."""
    return MaskedAutoencoder(in_channels, image_size)


def _convnext(in_channels: int, image_size: tuple[int, int], tasks: Sequence[int]) -> Backbone:
    """Wider and supervised, in the place of ConvNeXt-L; d = 256."""
    return Supervised(_patchwise(in_channels), 256, tasks)


BACKBONES = MappingProxyType({b.__name__[1:]: b for b in (_cnn, _resnet, _simclr, _mae, _convnext)})
"""Name -> builder of the five backbones."""


def build(
    name: str,
    *,
    in_channels: int,
    image_size: tuple[int, int],
    tasks: Sequence[int] = (),
    seed: Seed,
) -> Backbone:
    """A new, untrained backbone, on the CPU.

    Args:
        name: one of BACKBONES.
        image_size: (height, width) in pixels, each at least 8, multiples of 4 for "mae".
        tasks: the number of classes of each labelling it is trained by, at least one labelling
            if it is supervised.
        seed: integer or generator, consumed for the weights.

    Raises:
        ValueError: for an unknown name or sizes that cannot work.
    """
    generator = generator_of(seed)
    network = _assemble(name, in_channels, image_size, tasks).to_empty(device="cpu")
    initialize(network, seed=generator)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def _assemble(
    name: str, in_channels: int, image_size: Sequence[int], tasks: Sequence[int]
) -> Backbone:
    """The structure of a backbone on torch's meta device, with no weights yet."""
    if name not in BACKBONES:
        raise ValueError(f"name must be one of {', '.join(BACKBONES)}, got {name!r}")
    if in_channels < 1:
        raise ValueError(f"in_channels must be at least 1, got {in_channels}")
    if len(image_size) != 2 or min(image_size) < 8:
        raise ValueError(f"image_size must be (height, width) of at least 8, got {image_size}")
    if any(classes < 2 for classes in tasks):
        raise ValueError(f"tasks must be numbers of classes of at least 2, got {tuple(tasks)}")
    if not tasks and name not in ("simclr", "mae"):
        raise ValueError(f"{name!r} is trained by labels: tasks must list at least 1, got none")
    height, width = image_size
    # On the meta device nothing is drawn: torch's layers would use its global generator.
    with torch.device("meta"):
        network = BACKBONES[name](in_channels, (height, width), tasks)
    network.recipe = {
        "name": name,
        "in_channels": in_channels,
        "image_size": [height, width],
        "tasks": list(tasks),
    }
    return network


# Stacks of layers. Convolutional ones map images (n, channels, height, width), at least 8 pixels a
# side, to features (n, d). None looks at other examples (no batch norm) or draws (no dropout).


def _convolutional(in_channels: int, widths: tuple[int, int] = (8, 16)) -> nn.Sequential:
    """Two convolutions, then the strongest response in each quarter of the image: d = 64."""
    first, second = widths
    return nn.Sequential(
        *(nn.Conv2d(in_channels, first, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(first, second, 5, padding=2), nn.ReLU(), nn.AdaptiveMaxPool2d(2)),
        nn.Flatten(),
    )


def _residual(in_channels: int, widths: Sequence[int] = (32, 64, 128)) -> nn.Sequential:
    """A ResNet of one block per width (He et al. 2016, arXiv 1512.03385): d = 128."""
    stem = nn.Conv2d(in_channels, widths[0], 3, padding=1, bias=False)
    stages = [
        _Residual(before, width)
        for before, width in zip((widths[0], *widths[:-1]), widths, strict=True)
    ]
    return nn.Sequential(
        *(stem, _norm(widths[0]), nn.ReLU(), *stages), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )


def _patchwise(in_channels: int, widths: tuple[int, int] = (128, 256)) -> nn.Sequential:
    """A ConvNeXt of two blocks per width (Liu et al. 2022, arXiv 2201.03545): d = 256."""
    first, second = widths
    return nn.Sequential(
        *(nn.Conv2d(in_channels, first, 4, stride=4), _norm(first)),
        *(_ConvNeXtBlock(first), _ConvNeXtBlock(first)),
        *(nn.Conv2d(first, second, 2, stride=2), _norm(second)),
        *(_ConvNeXtBlock(second), _ConvNeXtBlock(second)),
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


class _Residual(nn.Module):
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


class _ConvNeXtBlock(nn.Module):
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
        if isinstance(part, nn.BatchNorm2d):
            part.reset_running_stats()
        for name, weight in part.named_parameters(recurse=False):
            if isinstance(part, nn.LayerNorm | nn.GroupNorm | nn.BatchNorm2d):
                weight.fill_(float(name == "weight"))
            elif weight.dim() == 1:
                weight.zero_()
            elif isinstance(part, nn.Conv2d):
                nn.init.kaiming_normal_(weight, generator=generator)
            elif weight.dim() == 2:
                nn.init.xavier_uniform_(weight, generator=generator)
            else:
                nn.init.normal_(weight, std=0.5, generator=generator)
