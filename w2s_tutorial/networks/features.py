"""Frozen backbones: images -> features, computed once and kept by content.

A backbone is any callable that maps images (n, channels, height, width) to features (n, d).
What a feature file is called says what went into it: a hash of the images, of the backbone's
weights and of everything else that was named, so that a stale file is never found.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from w2s_tutorial.progress import progress
from w2s_tutorial.storage import replacing

Backbone = Callable[[Tensor], Tensor]


class Images(Protocol):
    """Images that come batch by batch: a tensor, or files that are read when they are needed."""

    def __len__(self) -> int: ...

    def split(self, size: int, /) -> Iterable[Tensor]: ...


def extract(
    backbone: Backbone,
    images: Tensor | Images,
    *,
    batch_size: int = 512,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float16,
) -> Tensor:
    """Features (n, d) of images, without gradients and with the backbone in evaluation mode.

    A backbone that is an `nn.Module` works on `device`, and is afterwards as it was: same
    device, same training mode in each of its parts.

    Args:
        images: (n, channels, height, width), anywhere; features come back to the same place. Or
            files with such images, read when they are asked for: features then come to
            the CPU.
        batch_size: images per pass; it changes speed and memory, not the features (up to the
            rounding of the device's matrix products).
        dtype: of the result, and on a GPU of the matrix products. float16 halves the store and
            rounds eight times finer than bfloat16 at the same speed.

    Raises:
        ValueError: if there is no image, batch_size is below 1, the backbone does not return
            (n, d), or a feature is NaN or infinite (in dtype: float16 ends at 65504).
    """
    if len(images) == 0 or (isinstance(images, Tensor) and images.dim() != 4):
        came = tuple(images.shape) if isinstance(images, Tensor) else "no file"
        raise ValueError(f"images must be (n, channels, height, width) with n > 0, got {came}")
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    device = torch.device(device)
    lower = device.type == "cuda" and dtype in (torch.float16, torch.bfloat16)
    autocast = torch.autocast(device.type, dtype if lower else None, enabled=lower)
    frozen = _frozen(backbone, device) if isinstance(backbone, nn.Module) else nullcontext()
    batches = -(-len(images) // batch_size)
    with frozen, torch.no_grad(), autocast:
        parts = [
            backbone(batch.to(device, non_blocking=True)).to(dtype)
            for batch in progress(images.split(batch_size), of="batches", total=batches)
        ]
    features = torch.cat(parts).to(images.device if isinstance(images, Tensor) else "cpu")
    if features.dim() != 2 or len(features) != len(images):
        shape = tuple(features.shape)
        raise ValueError(f"backbone must return ({len(images)}, d), got shape {shape}")
    broken = ~features.isfinite().all(-1)
    if broken.any():
        first = int(broken.nonzero()[0])
        raise ValueError(
            f"features must be finite in {dtype}, got NaN or infinity for "
            f"{int(broken.sum())} of {len(images)} images, the first is number {first}"
        )
    return features


@contextmanager
def _frozen(backbone: nn.Module, device: torch.device) -> Iterator[None]:
    modes = [(part, part.training) for part in backbone.modules()]
    home = next((p.device for p in backbone.parameters()), device)
    backbone.to(device).eval()
    try:
        yield
    finally:
        backbone.to(home)
        for part, mode in modes:
            part.training = mode


def cached(make: Callable[[], Tensor], *, key: str, folder: Path | str) -> Tensor:
    """The tensor stored under key in folder; where there is none yet, make() is called and stored.

    A file that is damaged is made anew, with a warning.

    Args:
        key: from `content_key`, over everything that make uses.
        folder: made if it does not exist. Files are npz, read without unpickling.

    Raises:
        ValueError: if key is not a plain file name, or make returns bfloat16, which npz lacks.
    """
    if not re.fullmatch(r"[\w-][\w.-]*", key):
        raise ValueError(f"key must be letters, digits, '_', '-' and '.', got {key!r}")
    path = Path(folder) / f"{key}.npz"
    if path.exists():
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
                return torch.from_numpy(stored["features"])
        except Exception as problem:  # a damaged archive can fail in any part of its reader
            warnings.warn(f"{path} is damaged and is made anew: {problem}", stacklevel=2)
    made = make().cpu()
    if made.dtype == torch.bfloat16:
        raise ValueError("make must return a dtype that npz can hold, got torch.bfloat16")
    with replacing(path) as partial, partial.open("wb") as target:
        np.savez(target, features=made.numpy())
    return made
