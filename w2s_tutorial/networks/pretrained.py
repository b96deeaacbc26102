"""Published backbones: the five of the spurious-correlation chapter's paper, and smaller ones.

They come through Hugging Face transformers, each with the preprocessing that it was trained
with, written on tensors: it runs on the device, in batches, and needs neither PIL nor torchvision.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Preprocessing:
    """Resize, crop the centre, normalise.

    Attributes:
        short_side: of the resized image in pixels, its shape kept; None squeezes the whole image
            into the crop's square instead.
        crop: side of the square that is kept, in pixels.
        mean, std: of the three channels, on the scale [0, 1].
        mode: "bicubic" or "bilinear", both averaging over what they shrink.
    """

    short_side: int | None
    crop: int
    mean: tuple[float, float, float] = IMAGENET_MEAN
    std: tuple[float, float, float] = IMAGENET_STD
    mode: str = "bicubic"

    def __call__(self, images: Tensor) -> Tensor:
        """Images (n, 3, height, width), uint8 or floats in [0, 1] -> floats (n, 3, crop, crop).

        Raises:
            ValueError: if there are not 3 channels.
        """
        if images.dim() != 4 or images.shape[1] != 3:
            raise ValueError(f"images must be (n, 3, height, width), got {tuple(images.shape)}")
        images = images.float() if images.dtype == torch.uint8 else images * 255
        height, width = images.shape[2:]
        target = (self.crop, self.crop)
        if self.short_side:
            # The long side is cut to whole pixels, not rounded, as the checkpoints' own code does.
            short = min(height, width)
            target = (self.short_side * height // short, self.short_side * width // short)
        # Along the width, then along the height, in whole grey levels both times and half a level
        # up: so PIL prepares the images that the checkpoints were trained on.
        for step in ((height, target[1]), target):
            if step != tuple(images.shape[2:]):
                images = functional.interpolate(images, step, mode=self.mode, antialias=True)
                images = (images + 0.5).floor().clamp(0, 255)
        top, left = ((side - self.crop) // 2 for side in images.shape[2:])
        images = images[:, :, top : top + self.crop, left : left + self.crop]
        mean, std = (images.new_tensor(value)[:, None, None] for value in (self.mean, self.std))
        return (images / 255 - mean) / std


@dataclass(frozen=True)
class Checkpoint:
    """A published model: where it is, its class in transformers, its input, and its features.

    Attributes:
        width: number d of features.
        read: (model, pixels (n, 3, s, s)) -> features (n, d).
    """

    address: str
    model: str
    preprocessing: Preprocessing
    width: int
    read: Callable[[Any, Tensor], Tensor]


def _pooled(model: Any, pixels: Tensor) -> Tensor:
    return model(pixels).pooler_output.flatten(1)


def _embedded(model: Any, pixels: Tensor) -> Tensor:
    return model(pixels).image_embeds


def _first_token(model: Any, pixels: Tensor) -> Tensor:
    # Even when it hides nothing the model shuffles the patches, by random numbers unless it is
    # given some; rising ones keep the order.
    patches = (pixels.shape[-1] // model.config.patch_size) ** 2
    order = torch.arange(float(patches), device=pixels.device).expand(len(pixels), -1)
    return model(pixels, noise=order).last_hidden_state[:, 0]


CHECKPOINTS = MappingProxyType(
    {
        "resnet18": Checkpoint(
            "microsoft/resnet-18", "ResNetModel", Preprocessing(256, 224), 512, _pooled
        ),
        "clip": Checkpoint(
            "openai/clip-vit-base-patch32",
            "CLIPVisionModelWithProjection",
            Preprocessing(224, 224, CLIP_MEAN, CLIP_STD),
            512,
            _embedded,
        ),
        "convnext": Checkpoint(
            "facebook/convnext-large-224", "ConvNextModel", Preprocessing(256, 224), 1536, _pooled
        ),
        "dinov2": Checkpoint(
            "facebook/dinov2-large", "Dinov2Model", Preprocessing(256, 224), 1024, _pooled
        ),
        "dinov2-base": Checkpoint(
            "facebook/dinov2-base", "Dinov2Model", Preprocessing(256, 224), 768, _pooled
        ),
        "dinov2-small": Checkpoint(
            "facebook/dinov2-small", "Dinov2Model", Preprocessing(256, 224), 384, _pooled
        ),
        "mae": Checkpoint(
            "facebook/vit-mae-base",
            "ViTMAEModel",
            Preprocessing(None, 224, mode="bilinear"),
            768,
            _first_token,
        ),
    }
)
"""Name -> published model. CLIP's features are those of the space that it shares with text."""


class Pretrained(nn.Module):
    """Preprocessing, model and choice of features as one backbone: images -> (n, width)."""

    def __init__(self, name: str, model: Any) -> None:
        super().__init__()
        self.checkpoint = CHECKPOINTS[name]
        self.model = model
        if name == "mae":
            model.config.mask_ratio = 0.0  # as a frozen representation it sees every patch

    def extra_repr(self) -> str:
        """What the printed module, and so `features.content_key`, says of the preprocessing."""
        return f"{self.checkpoint.address}, {self.checkpoint.preprocessing}"

    def forward(self, images: Tensor) -> Tensor:
        """Features (n, width) of images (n, 3, height, width), uint8 or floats in [0, 1]."""
        return self.checkpoint.read(self.model, self.checkpoint.preprocessing(images))


def pretrained(name: str, **options: Any) -> Pretrained:
    """A published backbone by name, downloaded on first use, in evaluation mode on the CPU.

    Args:
        name: one of CHECKPOINTS, or its address on the hub, such as "facebook/dinov2-small":
            "resnet18" (d = 512), "clip" (512), "convnext" (1536), "dinov2" (1024), "dinov2-base"
            (768), "dinov2-small" (384) or "mae" (768).
        options: for the `from_pretrained` of transformers: `cache_dir`, `revision`.

    Raises:
        ValueError: for another name.
        ModuleNotFoundError: if transformers is not installed.

    Warns:
        UserWarning: if the checkpoint's description of its preprocessing is not the one here.
    """
    at = {checkpoint.address: known for known, checkpoint in CHECKPOINTS.items()}
    name = at.get(name, name)
    if name not in CHECKPOINTS:
        known = ", ".join(f"{k} ({v.address})" for k, v in CHECKPOINTS.items())
        raise ValueError(f"name must be one of {known}, got {name!r}")
    import transformers

    checkpoint = CHECKPOINTS[name]
    told, _ = transformers.image_processing_utils.BaseImageProcessor.get_image_processor_dict(
        checkpoint.address, **options
    )
    _compare(checkpoint, told)
    model = getattr(transformers, checkpoint.model).from_pretrained(checkpoint.address, **options)
    return Pretrained(name, model).eval()


def _compare(checkpoint: Checkpoint, told: dict[str, Any]) -> None:
    """Warn of a checkpoint whose preprocessor_config.json differs from our table."""
    ours = checkpoint.preprocessing
    resample = {"bilinear": 2, "bicubic": 3}[ours.mode]
    squeezed = None if ours.short_side else ours.crop
    here = (ours.short_side, squeezed, ours.crop, ours.mean, ours.std, resample)
    colours = tuple(told["image_mean"]), tuple(told["image_std"])
    if here != (*_sides(told, keeps_shape=bool(ours.short_side)), *colours, told["resample"]):
        warnings.warn(
            f"{checkpoint.address} now describes another preprocessing than {ours}: {told}",
            stacklevel=3,
        )


def _sides(told: dict[str, Any], *, keeps_shape: bool) -> tuple[object, object, object]:
    """Short side after resizing (None: squeezed), side it is squeezed to (None: not), crop.

    keeps_shape: what a size means that is one number only.
    """

    def square(size: Any) -> object:
        if isinstance(size, int):
            return size
        height, width = size["height"], size["width"]
        return height if height == width else (height, width)

    size, crop = told["size"], told.get("crop_size")
    if isinstance(size, dict):
        keeps_shape = "shortest_edge" in size
    side = size["shortest_edge"] if isinstance(size, dict) and keeps_shape else square(size)
    if crop is None or told.get("do_center_crop") is False:
        crop = side
        if keeps_shape and isinstance(side, int):
            # The ConvNeXt family calls the crop "size", and says by how much the resized is larger.
            side = int(side / told.get("crop_pct", 224 / 256))
    return (side, None, square(crop)) if keeps_shape else (None, side, square(crop))
