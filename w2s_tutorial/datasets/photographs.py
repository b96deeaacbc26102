"""Photographs: Waterbirds, whose background misleads, and UTKFace, whose target is an age."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd
import torch
from torch import Tensor

from w2s_tutorial.datasets.archives import unpack
from w2s_tutorial.datasets.catalog import CATALOG
from w2s_tutorial.datasets.downloads import fetch, folder
from w2s_tutorial.datasets.image_files import ImageFiles, LabeledImages, image_folder
from w2s_tutorial.datasets.small_images import check_choice

_WATERBIRDS_GROUPS = {
    "train": (3498, 184, 56, 1057),
    "validation": (467, 466, 133, 133),
    "test": (2255, 2255, 642, 642),
}


def waterbirds(
    split: Literal["train", "validation", "test"],
    *,
    root: Path | None = None,
    quiet: bool = False,
) -> LabeledImages:
    """Waterbirds: label 0 landbird, 1 waterbird; attribute 0 land, 1 water background.

    Groups 0..3 hold 3498, 184, 56, 1057 training images; this is verified on every load.

    Args:
        split: 4,795, 1,199 or 5,794 images.
        root: folder with metadata.csv (or .csv.gz) and the images; default: downloaded.

    Raises:
        ValueError: if the split is unknown, or the table is not that of Waterbirds.
        FileNotFoundError: if root holds no metadata.csv.
        OSError: if the archive is neither there nor to be had, see `downloads.fetch`.
    """
    check_choice("split", split, tuple(_WATERBIRDS_GROUPS))
    root = _waterbirds_root(quiet) if root is None else root
    metadata = root / "metadata.csv"
    if not metadata.is_file():
        metadata = root / "metadata.csv.gz"
    if not metadata.is_file():
        raise FileNotFoundError(f"root must hold metadata.csv, {root} does not")
    original = "img_filename" in pd.read_csv(metadata, nrows=0)
    names = ("img_filename", "place") if original else ("filename", "a")
    number = list(_WATERBIRDS_GROUPS).index(split)
    found = image_folder(metadata, file=names[0], label="y", attribute=names[1], split=number)
    counts = tuple(torch.bincount(found.group, minlength=4).tolist())
    if counts != _WATERBIRDS_GROUPS[split]:
        expected = _WATERBIRDS_GROUPS[split]
        raise ValueError(f"{metadata}: {split} groups must number {expected}, got {counts}")
    return found


def _waterbirds_root(quiet: bool) -> Path:
    unpacked = folder() / "waterbirds" / "unpacked"
    if not unpacked.is_dir():
        unpack(fetch(CATALOG["waterbirds"].files["archive"], quiet=quiet), unpacked)
    # One mirror's archive has the files at its top, the other's in a folder.
    return next((table.parent for table in unpacked.glob("*/metadata.csv")), unpacked)


@dataclass(frozen=True)
class Faces:
    """n photographs of faces.

    Attributes:
        images: n images.
        age: (n,) int64, years.
        gender: (n,) int64, 0 male, 1 female, as annotated.
        race: (n,) int64, 0 White, 1 Black, 2 Asian, 3 Indian, 4 other, as annotated.
        skipped: names of images whose name does not tell all three.
    """

    images: ImageFiles
    age: Tensor
    gender: Tensor
    race: Tensor
    skipped: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.images)


def utkface(root: Path | None = None, *, resize: int = 256, crop: int = 224) -> Faces:
    """UTKFace: aligned faces, age 0..116 years, in the order of their file names.

    Args:
        root: folder of files named AGE_GENDER_RACE_DATE.jpg; default: utkface in the data folder.
            The set has no direct address: its home page is in `catalog.CATALOG`.
        resize, crop: pixels, see `ImageFiles`.

    Raises:
        FileNotFoundError: if no image with such a name is there.
    """
    root = folder() / "utkface" if root is None else root
    files = sorted(path for path in root.glob("*") if path.suffix.lower() in (".jpg", ".jpeg"))
    told = {path: _face(path.name) for path in files}
    kept = [path for path in files if told[path]]
    if not kept:
        page = CATALOG["utkface"].homepage
        raise FileNotFoundError(
            f"root must hold images named AGE_GENDER_RACE_DATE.jpg, {root} has none of them; "
            f"get them from {page}"
        )
    age, gender, race = torch.tensor([told[path] for path in kept]).unbind(1)
    skipped = tuple(path.name for path in files if not told[path])
    return Faces(ImageFiles(tuple(kept), resize, crop), age, gender, race, skipped)


def _face(name: str) -> tuple[int, ...] | None:
    # A few names lack the race, so that the date stands in its place.
    found = re.match(r"(\d{1,3})_([01])_([0-4])_\d{8}", name)
    return tuple(int(part) for part in found.groups()) if found else None
