"""What the small backbones are trained for: per-example losses, and the augmentations they need.

Losses have the form that `train.fit` takes, (network, *batch) -> (b,); augmentations the form
(*batch, generator=...) -> batch, on the batch's device.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from w2s_tutorial.networks.backbones import (
    PATCH,
    Contrastive,
    MaskedAutoencoder,
    Supervised,
    centered,
)


def classification(network: Supervised, images: Tensor, *labels: Tensor) -> Tensor:
    """Cross-entropy in nats, summed over the tasks: labels (b,) of classes, one for each task."""
    outputs = network.classify(images)
    pairs = zip(outputs, labels, strict=True)
    each = [functional.cross_entropy(output, label, reduction="none") for output, label in pairs]
    return torch.stack(each).sum(0)


def contrast(network: Contrastive, first: Tensor, second: Tensor) -> Tensor:
    """`nt_xent` of the projections of two views of each image."""
    return nt_xent(network.project(first), network.project(second))


def nt_xent(first: Tensor, second: Tensor, *, temperature: float = 0.2) -> Tensor:
    """The normalised-temperature cross-entropy of SimCLR (Chen et al. 2020, arXiv 2002.05709).

    Each view has to recognise the other view of its image among all 2b - 1 other views; the
    similarity is the cosine over the temperature.

    Args:
        first, second: (b, d), the two views, b at least 2.

    Returns:
        (b,): the mean of both views' losses.
    """
    if len(first) < 2:
        raise ValueError(f"a batch must hold at least 2 images to contrast, got {len(first)}")
    views = functional.normalize(torch.cat([first, second]).float(), dim=-1)
    similarity = (views @ views.mT / temperature).float()
    similarity = similarity.masked_fill(
        torch.eye(len(views), device=views.device).bool(), -torch.inf
    )
    partner = torch.arange(len(views), device=views.device).roll(len(first))
    each = functional.cross_entropy(similarity, partner, reduction="none")
    return each.view(2, -1).mean(0)


def reconstruction(network: MaskedAutoencoder, images: Tensor, order: Tensor) -> Tensor:
    """Mean squared error on the hidden patches (He et al. 2022, arXiv 2111.06377), in [-1, 1]."""
    hidden = order[:, network.visible :, None]
    guess = network.reconstruct(images, order).float().take_along_dim(hidden, 1)
    return (guess - patches(images).take_along_dim(hidden, 1)).square().mean((1, 2))


def patches(images: Tensor) -> Tensor:
    """The squares of images (n, channels, height, width) as (n, patches, pixels), row by row."""
    return functional.unfold(centered(images), PATCH, stride=PATCH).mT


def zoomed(
    images: Tensor, *labels: Tensor, generator: torch.Generator, least: float = 0.8
) -> list[Tensor]:
    """Crops of images at random places, stretched to full size; labels pass unchanged.

    Args:
        least: the smallest crop's share of height and of width.

    Returns:
        Float images in [0, 1], then the labels.
    """
    images = images / 255 if images.dtype == torch.uint8 else images
    n, device = len(images), images.device
    size = least + (1 - least) * torch.rand(n, 2, generator=generator, device=device)
    place = (1 - size) * (2 * torch.rand(n, 2, generator=generator, device=device) - 1)
    crop = torch.cat([torch.diag_embed(size), place[:, :, None]], dim=2)
    grid = functional.affine_grid(crop, list(images.shape), align_corners=False)
    # "border": the first pixel of a small crop has its centre outside the image's first centre.
    zoom = functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
    return [zoom, *labels]


def two_views(images: Tensor, *, generator: torch.Generator) -> list[Tensor]:
    """Two crops of each image, with contrast and brightness of their own."""
    views = []
    for _ in range(2):
        (view,) = zoomed(images, generator=generator, least=0.5)
        shape = (2, len(view), 1, 1, 1)
        contrast, brightness = torch.rand(shape, generator=generator, device=view.device)
        views.append(view * (0.6 + 0.8 * contrast) + 0.4 * (brightness - 0.5))
    return views


def shuffled_patches(images: Tensor, *, generator: torch.Generator) -> list[Tensor]:
    """Images, and for each an order of its patches (n, patches), of which the first are shown."""
    n, _, height, width = images.shape
    count = (height // PATCH) * (width // PATCH)
    noise = torch.rand(n, count, generator=generator, device=images.device)
    return [images, noise.argsort(1)]
