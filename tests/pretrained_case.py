"""The files that describe each checkpoint's input, and images to feed it."""

from __future__ import annotations

import torch

IMAGENET = dict(image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])
FILES = {
    "resnet18": ("ConvNextImageProcessorPil", dict(crop_pct=0.875, resample=3, size=224)),
    "clip": ("CLIPImageProcessorPil", dict(crop_size=224, resample=3, size=224)),
    "convnext": ("ConvNextImageProcessorPil", dict(crop_pct=0.875, resample=3, size=224)),
    "dinov2": (
        "BitImageProcessorPil",
        dict(crop_size=dict(height=224, width=224), resample=3, size=dict(shortest_edge=256)),
    ),
    **dict.fromkeys(
        ("dinov2-base", "dinov2-small"),
        (
            "BitImageProcessorPil",
            dict(crop_size=dict(height=224, width=224), resample=3, size=dict(shortest_edge=256)),
        ),
    ),
    "mae": ("ViTImageProcessorPil", dict(resample=2, size=224)),
}
CLIP = dict(
    image_mean=[0.48145466, 0.4578275, 0.40821073], image_std=[0.26862954, 0.26130258, 0.27577711]
)


def file_of(name: str) -> dict:
    return FILES[name][1] | (CLIP if name == "clip" else IMAGENET)


def photographs(height: int, width: int, n: int = 3) -> torch.Tensor:
    """Smooth and sharp structure at many scales, with saturated places."""
    noise = torch.Generator().manual_seed(0)
    scales = [2**k for k in range(1, 7)]
    layers = [
        torch.nn.functional.interpolate(
            torch.rand(n, 3, height // s + 1, width // s + 1, generator=noise), (height, width)
        )
        for s in scales
    ]
    mixed = (torch.stack(layers).mean(0) - 0.5) * 4 + 0.5
    return (mixed.clamp(0, 1) * 255).to(torch.uint8)
