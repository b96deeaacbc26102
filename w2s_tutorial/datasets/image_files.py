"""Images in folders and archives, as float32 in [0, 1]; normalising is the backbone's job.

Folders stay on disk, and images are read when asked for; an archive of small images is read whole.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from w2s_tutorial.datasets.archives import contents
from w2s_tutorial.datasets.small_images import check_choice


@dataclass(frozen=True)
class ImageFiles:
    """n images on disk that can be sliced like a tensor (n, 3, crop, crop).

    An index gives one image (3, crop, crop); a slice, an index tensor or a mask a batch. Images
    are resized to resize x resize pixels (bilinear; sides may change their ratio, as in
    group_DRO and WILDS), then the middle crop x crop pixels are kept.
    """

    files: tuple[Path, ...]
    resize: int = 256
    crop: int = 224

    def __post_init__(self) -> None:
        if not 1 <= self.crop <= self.resize:
            raise ValueError(f"crop must lie in 1..resize = {self.resize}, got {self.crop}")

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, examples: int | slice | Tensor) -> Tensor:
        chosen = torch.arange(len(self))[examples]
        if chosen.dim() == 0:
            return self._read(self.files[int(chosen)])
        batch = [self._read(self.files[at]) for at in chosen.tolist()]
        return torch.stack(batch) if batch else torch.empty(0, 3, self.crop, self.crop)

    def split(self, size: int) -> Iterator[Tensor]:
        """Batches of `size` images, the last one smaller, one at a time in memory."""
        if size < 1:
            raise ValueError(f"size must be at least 1, got {size}")
        return (self[at : at + size] for at in range(0, len(self), size))

    def _read(self, file: Path) -> Tensor:
        from PIL import Image

        low = (self.resize - self.crop) // 2
        with Image.open(file) as opened:
            image = opened.convert("RGB").resize(
                (self.resize, self.resize), Image.Resampling.BILINEAR
            )
        pixels = np.array(image.crop((low, low, low + self.crop, low + self.crop)))
        return torch.from_numpy(pixels).permute(2, 0, 1).float().div_(255)


@dataclass(frozen=True)
class LabeledImages:
    """n images on disk with a label and a (possibly spurious) attribute.

    Attributes:
        images: n images.
        label, attribute: (n,) int64, numbered by the order of label_names, attribute_names.
        label_names, attribute_names: values of the two columns, sorted, over all splits.
    """

    images: ImageFiles
    label: Tensor
    attribute: Tensor
    label_names: tuple[Any, ...]
    attribute_names: tuple[Any, ...]

    def __len__(self) -> int:
        return len(self.images)

    @property
    def group(self) -> Tensor:
        """(n,): label x number of attributes + attribute."""
        return self.label * len(self.attribute_names) + self.attribute


def image_folder(
    metadata: Path,
    *,
    file: str = "file",
    label: str = "label",
    attribute: str = "attribute",
    split_column: str = "split",
    split: Any,
    root: Path | None = None,
    resize: int = 256,
    crop: int = 224,
) -> LabeledImages:
    """One split of an image folder that a CSV table describes, such as BFFHQ, ImageNet-9, CelebA.

    Args:
        metadata: the table (CSV, may be compressed), one row per image.
        file, label, attribute, split_column: names of its columns.
        split: the value of `split_column` to keep.
        root: folder that the file names start from; default: the table's.
        resize, crop: pixels, see `ImageFiles`.

    Raises:
        ValueError: if a column is missing, a cell is empty, or no row has this split.
    """
    table = pd.read_csv(metadata)
    columns = [file, label, attribute, split_column]
    missing = [column for column in columns if column not in table]
    if missing:
        raise ValueError(f"{metadata} must have columns {missing}, got {list(table.columns)}")
    if table[columns].isna().any(axis=None):
        empty = int(table[columns].isna().any(axis=1).to_numpy().argmax())
        raise ValueError(f"{metadata} must have no empty cell in {columns}, row {empty} has one")
    check_choice("split", split, tuple(sorted(table[split_column].unique().tolist())))
    rows = table[table[split_column] == split]
    files = tuple((root or metadata.parent) / str(name) for name in rows[file])
    numbered, names = {}, {}
    for column in (label, attribute):
        names[column] = tuple(sorted(table[column].unique().tolist()))
        numbered[column] = torch.tensor([names[column].index(value) for value in rows[column]])
    return LabeledImages(
        images=ImageFiles(files, resize, crop),
        label=numbered[label],
        attribute=numbered[attribute],
        label_names=names[label],
        attribute_names=names[attribute],
    )


def image_archive(archive: Path, *, split: str) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """Images (n, 3, h, w), labels (n,) and class names of a tar or zip of SPLIT/CLASS/IMAGE files.

    Nothing is unpacked to disk. Images are ordered by their names, classes too.

    Raises:
        ValueError: if there is no image of this split, or their sizes differ.
    """
    from PIL import Image

    images = {}
    for name, content in contents(archive):
        parts = PurePosixPath(name).parts
        if len(parts) == 3 and parts[0] == split:
            with Image.open(io.BytesIO(content)) as opened:
                images[parts[1], parts[2]] = np.array(opened.convert("RGB"))
    sizes = sorted({image.shape[:2] for image in images.values()})
    if len(sizes) != 1:
        raise ValueError(f"{archive} must have images of one size in {split}/, got sizes {sizes}")
    order = sorted(images)
    classes = tuple(sorted({label for label, _ in order}))
    pixels = torch.from_numpy(np.stack([images[key] for key in order])).permute(0, 3, 1, 2)
    labels = torch.tensor([classes.index(label) for label, _ in order])
    return pixels.float().div_(255), labels, classes
