from __future__ import annotations

import io
import tarfile

import numpy as np
import pandas as pd
import pytest
import torch
from helpers_data import real_data, serve
from PIL import Image

from w2s_tutorial.datasets.catalog import CATALOG, Dataset
from w2s_tutorial.datasets.downloads import File
from w2s_tutorial.datasets.photographs import utkface, waterbirds

COUNTS = {
    "train": (3498, 184, 56, 1057),
    "validation": (467, 466, 133, 133),
    "test": (2255, 2255, 642, 642),
}


def metadata(header="original"):
    """A table with the published group counts, in one of the two headers in use."""
    groups = [
        (s, g)
        for s, counts in enumerate(COUNTS.values())
        for g in range(4)
        for _ in range(counts[g])
    ]
    split, group = np.array(groups).T
    name = [f"birds/{i}.jpg" for i in range(len(split))]
    if header == "original":
        columns = {"img_id": range(len(split)), "img_filename": name, "y": group // 2}
        columns |= {"split": split, "place": group % 2, "place_filename": name}
    else:
        columns = {"id": range(len(split)), "filename": name, "split": split}
        columns |= {"y": group // 2, "a": group % 2}
    return pd.DataFrame(columns)


def jpeg(color):
    stream = io.BytesIO()
    Image.new("RGB", (300, 200), color).save(stream, "JPEG")
    return stream.getvalue()


@pytest.mark.parametrize("header", ["original", "short"])
@pytest.mark.parametrize("split", COUNTS)
def test_both_headers_of_waterbirds_are_read(tmp_path, header, split):
    metadata(header).to_csv(tmp_path / "metadata.csv", index=False)
    birds = waterbirds(split, root=tmp_path)
    assert tuple(birds.group.bincount().tolist()) == COUNTS[split]
    torch.testing.assert_close(birds.group, 2 * birds.label + birds.attribute)
    assert birds.images.files[0].parent == tmp_path / "birds"


def test_another_table_is_not_taken_for_waterbirds(tmp_path):
    table = metadata()
    table.loc[0, "y"] = 1  # one landbird on land of the training set becomes a waterbird on land
    table.to_csv(tmp_path / "metadata.csv", index=False)
    with pytest.raises(ValueError, match=r"train groups must number .*got \(3497, 184, 57, 1057\)"):
        waterbirds("train", root=tmp_path)
    assert len(waterbirds("test", root=tmp_path)) == 5794
    with pytest.raises(FileNotFoundError, match=r"root must hold metadata\.csv"):
        waterbirds("train", root=tmp_path / "elsewhere")
    with pytest.raises(ValueError, match="split must be one of 'train', 'validation', 'test'"):
        waterbirds("val", root=tmp_path)


@pytest.mark.parametrize("top", ["waterbird_complete95_forest2water2/", ""])
def test_waterbirds_is_downloaded_and_unpacked_once(monkeypatch, tmp_path, top):
    monkeypatch.setenv("W2S_DATA", str(tmp_path))
    monkeypatch.delenv("W2S_OFFLINE", raising=False)
    body = io.BytesIO()
    files = {"metadata.csv": metadata().to_csv(index=False).encode(), "birds/0.jpg": jpeg("red")}
    with tarfile.open(fileobj=body, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(top + name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    with serve() as web:
        url = web.offer("/birds.tar.gz", body.getvalue())
        packed = {"archive": File("waterbirds/birds.tar.gz", (url,))}
        monkeypatch.setitem(CATALOG, "waterbirds", Dataset("home", "licence", "who", packed))
        birds = waterbirds("train", quiet=True)
        waterbirds("test", quiet=True)
        assert web.requested == ["/birds.tar.gz"]
    assert birds.images[:1].shape == (1, 3, 224, 224)
    red = birds.images[0].mean((1, 2))
    assert red[0] > 0.95
    assert red[1:].max() < 0.05


@pytest.mark.parametrize("split", COUNTS)
def test_the_real_table_of_waterbirds(data_folder, monkeypatch, split):
    root = real_data(data_folder, monkeypatch, "waterbirds/metadata.csv")
    birds = waterbirds(split, root=root / "waterbirds")
    assert tuple(birds.group.bincount().tolist()) == COUNTS[split]


def test_faces_tell_their_age_by_name(tmp_path):
    good = ["100_1_4_20170112213500903.jpg.chip.jpg", "1_0_2_20161219140530307.jpg.chip.jpg"]
    bad = [
        "61_1_20170109150557335.jpg.chip.jpg",
        "30_1_7_20170109150557335.jpg",
        "portrait.jpg",
        "20_2_1_20170109150557335.jpg",
    ]
    for name in [*good, *bad]:
        (tmp_path / name).write_bytes(jpeg("blue"))
    (tmp_path / "notes.txt").write_text("no image")
    faces = utkface(tmp_path, resize=32, crop=28)
    assert len(faces) == 2
    told = torch.stack([faces.age, faces.gender, faces.race], 1)
    assert told.tolist() == [[100, 1, 4], [1, 0, 2]]
    assert faces.skipped == tuple(sorted(bad))
    assert faces.images[:].shape == (2, 3, 28, 28)


def test_faces_that_are_not_there_have_an_address(monkeypatch, tmp_path):
    monkeypatch.setenv("W2S_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=r"has none of them; get them from https://"):
        utkface()
