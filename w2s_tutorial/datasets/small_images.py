"""Image sets that fit into memory: MNIST, Fashion-MNIST, CIFAR-10.

Images are float32 in [0, 1], (n, channels, height, width); labels int64, (n,). Addresses,
licences and citations are in `catalog.CATALOG`; where the files live is told in `downloads`.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Mapping
from math import prod
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from w2s_tutorial.datasets.catalog import CATALOG
from w2s_tutorial.datasets.downloads import File, fetch, read

FASHION_CLASSES = (
    "t-shirt",
    "trouser",
    "pullover",
    "dress",
    "coat",
    "sandal",
    "shirt",
    "sneaker",
    "bag",
    "ankle boot",
)
CIFAR10_CLASSES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)
Split = Literal["train", "test"]


def mnist(split: Split, *, quiet: bool = False) -> tuple[Tensor, Tensor]:
    """MNIST: handwritten digits (n, 1, 28, 28) and labels 0..9; n = 60,000 or 10,000.

    Raises:
        ValueError: if the split is unknown.
        OSError: if the files are neither there nor to be had, see `downloads.fetch`.
    """
    return _idx_set("mnist", split, quiet)


def fashion_mnist(split: Split, *, quiet: bool = False) -> tuple[Tensor, Tensor]:
    """Fashion-MNIST: clothes (n, 1, 28, 28), labels as in FASHION_CLASSES; raises as `mnist`."""
    return _idx_set("fashion_mnist", split, quiet)


def cifar10(split: Split, *, quiet: bool = False) -> tuple[Tensor, Tensor]:
    """CIFAR-10: photographs (n, 3, 32, 32), labels as in CIFAR10_CLASSES; n = 50,000 or 10,000.

    Raises as `mnist`. The official files are Python pickles; they are read without running
    anything that they contain, see `parse_cifar_batch`.
    """
    check_choice("split", split, ("train", "test"))
    files = {name: f for name, f in CATALOG["cifar10"].files.items() if name.startswith(split)}
    batches = [parse_cifar_batch(_content(file, quiet), name) for name, file in files.items()]
    images, labels = (np.concatenate(parts) for parts in zip(*batches, strict=True))
    return torch.from_numpy(images).float().div_(255), torch.from_numpy(labels)


def check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Raise a ValueError that lists the choices if `value` is none of them."""
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}")


def parse_idx(data: bytes, name: str) -> np.ndarray:
    """The array of unsigned bytes in an idx file, the format of MNIST.

    Args:
        data: content of the file, after gunzip.
        name: of the file, for the error.

    Raises:
        ValueError: if the magic number is wrong, or the length is not what the header says.
    """
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise ValueError(f"{name} must start with the idx magic 000008, got {data[:3].hex()!r}")
    header = 4 + 4 * data[3]
    if len(data) < header:
        raise ValueError(f"{name} must have a header of {header} bytes, got {len(data)} bytes")
    shape = [int.from_bytes(data[at : at + 4], "big") for at in range(4, header, 4)]
    if len(data) != header + prod(shape):
        raise ValueError(
            f"{name} must have {header + prod(shape)} bytes for shape {tuple(shape)}, "
            f"got {len(data)}"
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def parse_cifar_batch(data: bytes, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 3, 32, 32) uint8 and labels (n,) int64 of one file of CIFAR-10's Python version.

    The pickle is unpacked with inert stand-ins for the three numpy names that it uses; a pickle
    that asks for anything else is refused before that is called.

    Raises:
        ValueError: if the file is no such pickle, or what it holds is not a batch.
    """
    try:
        batch = _InertUnpickler(io.BytesIO(data), encoding="bytes").load()
    except Exception as error:  # a damaged pickle raises nearly any kind
        raise ValueError(f"{name} is no CIFAR-10 batch: {error}") from error
    if not isinstance(batch, Mapping):
        raise ValueError(f"{name} must hold a dictionary, got {type(batch).__name__}")
    images, labels = batch.get(b"data"), batch.get(b"labels")
    try:
        _, (n, width), kind, by_column, raw = images.state  # type: ignore[union-attr]
        pixels = np.frombuffer(raw, np.uint8).reshape(n, width, order="F" if by_column else "C")
        labels = np.array(labels, dtype=np.int64)
        sound = kind.args[0] in (b"u1", b"|u1", "u1", "|u1") and width == 3072
        sound = sound and labels.shape == (n,) and n > 0 and 0 <= labels.min() <= labels.max() <= 9
    except (AttributeError, IndexError, OverflowError, TypeError, ValueError) as error:
        raise ValueError(f"{name} must hold 'data' and 'labels' as CIFAR-10 does") from error
    if not sound:
        raise ValueError(f"{name} must hold n rows of 3072 unsigned bytes and n labels in 0..9")
    return pixels.reshape(n, 3, 32, 32), labels


class _Inert:
    """Stands for a numpy name in a pickle: records what it is called with and given as state."""

    __slots__ = ("args", "state")

    def __init__(self, *args: Any) -> None:
        self.args, self.state = args, None

    def __call__(self, *args: Any) -> _Inert:
        return _Inert(*args)

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _InertUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        module = module.replace("numpy._core", "numpy.core")  # the name since numpy 2
        allowed = ("numpy.core.multiarray._reconstruct", "numpy.ndarray", "numpy.dtype")
        if f"{module}.{name}" not in allowed:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}, which is not run")
        return _Inert()


def _content(file: File, quiet: bool) -> bytes:
    return read(fetch(file, quiet=quiet))


def _idx_set(name: str, split: str, quiet: bool) -> tuple[Tensor, Tensor]:
    check_choice("split", split, ("train", "test"))
    files = CATALOG[name].files
    images, labels = (
        parse_idx(_content(files[f"{split} {part}"], quiet), f"{name} {split} {part}")
        for part in ("images", "labels")
    )
    pixels = torch.tensor(images)[:, None].float().div_(255)
    return pixels, torch.tensor(labels).long()
