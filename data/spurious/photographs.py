"""Photographs on disk with a label and a misleading attribute: Waterbirds, for waterbirds.py.

Images are float32 in [0, 1]; normalising is the backbone's job.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image
from torch import Tensor

from w2s_tutorial.datasets.downloads import Dataset, File, unpacked

# No hash is published: the group counts of the table are verified on every load.
WATERBIRDS = Dataset(
    "https://github.com/kohpangwei/group_DRO",
    "non-commercial research",
    "Sagawa, Koh, Hashimoto, Liang (2020), Distributionally robust neural networks, "
    "arXiv:1911.08731; images from CUB-200-2011 (Wah et al. 2011) and Places (Zhou et al. 2017)",
    {
        "archive": File(
            "waterbirds/waterbird_complete95_forest2water2.tar.gz",
            (
                "https://nlp.stanford.edu/data/dro/waterbird_complete95_forest2water2.tar.gz",
                "https://worksheets.codalab.org/rest/bundles/"
                "0x505056d5cdea4e4eaa0e242cbfe2daa4/contents/blob/",
            ),
        )
    },
)
_GROUPS = {
    "train": (3498, 184, 56, 1057),
    "validation": (467, 466, 133, 133),
    "test": (2255, 2255, 642, 642),
}


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
        low = (self.resize - self.crop) // 2
        with Image.open(file) as opened:
            image = opened.convert("RGB").resize(
                (self.resize, self.resize), Image.Resampling.BILINEAR
            )
        pixels = np.array(image.crop((low, low, low + self.crop, low + self.crop)))
        return torch.from_numpy(pixels).permute(2, 0, 1).float().div_(255)


@dataclass(frozen=True)
class Birds:
    """n photographs; label 0 landbird, 1 waterbird; attribute 0 land, 1 water background."""

    images: ImageFiles
    label: Tensor
    attribute: Tensor

    def __len__(self) -> int:
        return len(self.images)

    @property
    def group(self) -> Tensor:
        """(n,): 2 x label + attribute."""
        return 2 * self.label + self.attribute


def waterbirds(split: str, *, root: Path | None = None, quiet: bool = False) -> Birds:
    """One of Waterbirds' splits; its group counts are verified on every load.

    Args:
        split: "train" (4,795 images), "validation" (1,199) or "test" (5,794).
        root: folder with metadata.csv (or .csv.gz) and the images; default: downloaded.
        quiet: no progress bar.

    Raises:
        ValueError: if the split is unknown, or the table is not that of Waterbirds.
        FileNotFoundError: if root holds no metadata.csv.
        OSError: if the archive is neither there nor to be had, see `downloads.fetch`.
    """
    if split not in _GROUPS:
        raise ValueError(f"split must be one of {', '.join(map(repr, _GROUPS))}, got {split!r}")
    if root is None:
        root = unpacked(WATERBIRDS.files["archive"], "waterbirds/unpacked", quiet=quiet)
        # One mirror's archive has the files at its top, the other's in a folder.
        root = next((table.parent for table in root.glob("*/metadata.csv")), root)
    metadata = next((path for path in sorted(root.glob("metadata.csv*"))), None)
    if metadata is None:
        raise FileNotFoundError(f"root must hold metadata.csv, {root} does not")
    table = pd.read_csv(metadata)
    file, place = ("img_filename", "place") if "img_filename" in table else ("filename", "a")
    missing = [column for column in (file, place, "y", "split") if column not in table]
    if missing:
        raise ValueError(f"{metadata} must have columns {missing}, got {list(table.columns)}")
    rows = table[table["split"] == list(_GROUPS).index(split)]
    label, attribute = (torch.tensor(rows[column].to_numpy()) for column in ("y", place))
    found = Birds(ImageFiles(tuple(root / name for name in rows[file])), label, attribute)
    counts = tuple(torch.bincount(found.group, minlength=4).tolist())
    if counts != _GROUPS[split]:
        expected = _GROUPS[split]
        raise ValueError(f"{metadata}: {split} groups must number {expected}, got {counts}")
    return found
