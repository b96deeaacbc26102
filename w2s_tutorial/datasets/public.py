"""Public sets: three of images, two of text; their addresses, licences, whom to cite.

Images are float32 in [0, 1], (n, channels, height, width); labels int64, (n,). A hash is given
only where it was computed from the data or is published. `downloads` tells where files live.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from math import prod

import numpy as np
import torch
from torch import Tensor

from w2s_tutorial.datasets.downloads import Dataset, File, fetch, read

FASHION_CLASSES = (
    *("t-shirt", "trouser", "pullover", "dress", "coat"),
    *("sandal", "shirt", "sneaker", "bag", "ankle boot"),
)
CIFAR10_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)


def _idx(folder: str, mirrors: Sequence[str], *described: tuple[int, str]) -> dict[str, File]:
    """The four idx files; described: bytes to download and MD5 after gunzip of each."""
    names = {
        "train images": "train-images-idx3-ubyte",
        "train labels": "train-labels-idx1-ubyte",
        "test images": "t10k-images-idx3-ubyte",
        "test labels": "t10k-labels-idx1-ubyte",
    }
    return {
        role: File(f"{folder}/{name}", tuple(f"{m}{name}.gz" for m in mirrors), f"md5:{md5}", size)
        for (role, name), (size, md5) in zip(names.items(), described, strict=True)
    }


_CIFAR10 = File(
    "cifar-10-binary.tar.gz",
    ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
    "md5:c32a1d4ab5d03f1284b67883e8d87530",
    170052171,
)
_BATCHES = {f"train {k}": f"data_batch_{k}" for k in range(1, 6)} | {"test": "test_batch"}
_SST2 = File(
    "text/SST-2.zip",
    (
        "https://dl.fbaipublicfiles.com/glue/data/SST-2.zip",
        "https://bj.bcebos.com/dataset/glue/SST.zip",
    ),
    "md5:9f81648d4199384278b86e315dac217c",
)


def _cifar(name: str) -> File:
    path = f"cifar-10-batches-bin/{name}.bin"
    return File(path, archive=_CIFAR10, member=path)


def _sst2(path: str, member: str, sha256: str) -> File:
    return File(f"text/{path}", hash=f"sha256:{sha256}", archive=_SST2, member=f"SST-2/{member}")


CATALOG: dict[str, Dataset] = {
    "mnist": Dataset(
        "http://yann.lecun.com/exdb/mnist/",
        "CC BY-SA 3.0 as usually stated",
        "LeCun, Bottou, Bengio, Haffner (1998), Gradient-based learning applied to document "
        "recognition, Proceedings of the IEEE 86(11)",
        _idx(
            "mnist",
            (
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
            ),
            (9912422, "6bbc9ace898e44ae57da46a324031adb"),
            (28881, "a25bea736e30d166cdddb491f175f624"),
            (1648877, "2646ac647ad5339dbf082846283269ea"),
            (4542, "27ae3e4e09519cfbb04c329615203637"),
        ),
    ),
    "fashion_mnist": Dataset(
        "https://github.com/zalandoresearch/fashion-mnist",
        "MIT",
        "Xiao, Rasul, Vollgraf (2017), Fashion-MNIST, arXiv:1708.07747",
        _idx(
            "fashion_mnist",
            (
                "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
            ),
            (26421880, "f4a8712d7a061bf5bd6d2ca38dc4d50a"),
            (29515, "9018921c3c673c538a1fc5bad174d6f9"),
            (4422102, "8181f5470baa50b63fa0f6fddb340f0a"),
            (5148, "15d484375f8d13e6eb1aabb0c3f46965"),
        ),
    ),
    "cifar10": Dataset(
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        "none stated; the authors ask for the citation",
        "Krizhevsky (2009), Learning multiple layers of features from tiny images, tech report",
        {part: _cifar(name) for part, name in _BATCHES.items()},
    ),
    "sst2": Dataset(
        "https://nlp.stanford.edu/sentiment/",
        "research",
        "Socher et al. (2013), Recursive deep models for semantic compositionality over a "
        "sentiment treebank, EMNLP; split of GLUE, Wang et al. (2019), arXiv:1804.07461",
        {
            "train": _sst2(
                "sst2_train.tsv",
                "train.tsv",
                "48eac26399f8456935f81dd9e3a745c1430adb6c62e233ccfe22db4a0d15d1d1",
            ),
            "validation": _sst2(
                "sst2_dev.tsv",
                "dev.tsv",
                "54a9c12c77e402fc14d6a66a506f24d999f596b0176eb777c972cccc2f9cc4b0",
            ),
        },
    ),
    "tiny_shakespeare": Dataset(
        "https://github.com/karpathy/char-rnn",
        "public domain (the plays); MIT (the repository)",
        "Karpathy (2015), The unreasonable effectiveness of recurrent neural networks, with "
        "char-rnn",
        {
            "text": File(
                "tiny_shakespeare/input.txt",
                (
                    "https://raw.githubusercontent.com/karpathy/char-rnn/"
                    "6f9487a6fe5b420b7ca9afb0d7c078e37c1d1b4e/data/tinyshakespeare/input.txt",
                ),
                "sha256:86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
                1115394,
            )
        },
    ),
}


def mnist(split: str, *, quiet: bool = False) -> tuple[Tensor, Tensor]:
    """MNIST: handwritten digits (n, 1, 28, 28) and labels 0..9; n = 60,000 or 10,000.

    Args:
        split: "train" or "test".
        quiet: no progress bar.

    Raises:
        ValueError: if the split is unknown, or a file is not what it should be.
        OSError: if the files are neither there nor to be had, see `downloads.fetch`.
    """
    return _idx_set("mnist", split, quiet)


def fashion_mnist(split: str, *, quiet: bool = False) -> tuple[Tensor, Tensor]:
    """Fashion-MNIST: clothes (n, 1, 28, 28), labels as in FASHION_CLASSES; raises as `mnist`."""
    return _idx_set("fashion_mnist", split, quiet)


def cifar10(split: str, *, quiet: bool = False) -> tuple[Tensor, Tensor]:
    """CIFAR-10: photographs (n, 3, 32, 32), labels as in CIFAR10_CLASSES; n = 50,000 or 10,000.

    Read from the version for C programs, which needs no unpickling. Raises as `mnist`.
    """
    _check_split(split, ("train", "test"))
    files = [f for part, f in CATALOG["cifar10"].files.items() if part.startswith(split)]
    whole = b"".join(read(fetch(file, quiet=quiet)) for file in files)
    if not whole or len(whole) % 3073:
        raise ValueError(f"CIFAR-10's files must be rows of 3073 bytes, got {len(whole)} bytes")
    rows = torch.frombuffer(bytearray(whole), dtype=torch.uint8).view(-1, 3073)
    if int(rows[:, 0].max()) > 9:
        raise ValueError(f"CIFAR-10's labels must lie in 0..9, got {int(rows[:, 0].max())}")
    return rows[:, 1:].reshape(-1, 3, 32, 32).float().div_(255), rows[:, 0].long()


def sst2(split: str, *, quiet: bool = False) -> tuple[tuple[str, ...], Tensor]:
    """SST-2: phrases of film reviews and labels (n,), 0 negative, 1 positive.

    Args:
        split: "train", n = 67,349, or "validation", n = 872 (what GLUE calls dev; the labels of
            its test set are not public).
        quiet: no progress bar.

    Raises:
        ValueError, OSError: as `mnist`.
    """
    _check_split(split, ("train", "validation"))
    text = read(fetch(CATALOG["sst2"].files[split], quiet=quiet)).decode()
    rows = csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    pairs = [(row["sentence"].strip(), int(row["label"])) for row in rows]
    return tuple(phrase for phrase, _ in pairs), torch.tensor([label for _, label in pairs])


def tiny_shakespeare(*, quiet: bool = False) -> str:
    """Forty thousand lines of Shakespeare's plays, 1,115,394 characters; raises as `mnist`."""
    return read(fetch(CATALOG["tiny_shakespeare"].files["text"], quiet=quiet)).decode()


def _idx_set(name: str, split: str, quiet: bool) -> tuple[Tensor, Tensor]:
    _check_split(split, ("train", "test"))
    files = CATALOG[name].files
    images, labels = (
        _parse_idx(read(fetch(files[f"{split} {part}"], quiet=quiet)), f"{name} {split} {part}")
        for part in ("images", "labels")
    )
    return torch.tensor(images)[:, None].float().div_(255), torch.tensor(labels).long()


def _parse_idx(data: bytes, name: str) -> np.ndarray:
    """The array of unsigned bytes in an idx file, the format of MNIST."""
    if len(data) < 4 or data[:3] != b"\0\0\x08":
        raise ValueError(f"{name} must start with the idx magic 000008, got {data[:3].hex()!r}")
    header = 4 + 4 * data[3]
    if len(data) < header:
        raise ValueError(f"{name} must have a header of {header} bytes, got {len(data)} bytes")
    shape = [int.from_bytes(data[at : at + 4], "big") for at in range(4, header, 4)]
    if len(data) != header + prod(shape):
        need = f"{header + prod(shape)} bytes for shape {tuple(shape)}"
        raise ValueError(f"{name} must have {need}, got {len(data)}")
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def _check_split(split: str, splits: Sequence[str]) -> None:
    if split not in splits:
        raise ValueError(f"split must be one of {', '.join(map(repr, splits))}, got {split!r}")
