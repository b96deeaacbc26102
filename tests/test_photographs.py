from __future__ import annotations

import io
import tarfile

import numpy as np
import pandas as pd
import pytest
import torch
from helpers_data import real_data, script, serve
from PIL import Image

from w2s_tutorial.datasets.downloads import Dataset, File

photographs = script("spurious/photographs")
ImageFiles, waterbirds = photographs.ImageFiles, photographs.waterbirds
RNG = np.random.default_rng(0)

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
        monkeypatch.setattr(photographs, "WATERBIRDS", Dataset("home", "licence", "who", packed))
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


def picture(path, size=(8, 8), mode="RGB"):
    """A PNG of random pixels; returns them as (3, h, w) in [0, 1]."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1], size[0], 3) if mode == "RGB" else (size[1], size[0])
    image = Image.fromarray(RNG.integers(0, 256, shape, dtype=np.uint8))
    image.save(path)
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1) / 255


def test_images_are_sliced_like_a_tensor(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(5)]
    whole = torch.stack(
        [picture(path, mode="L" if i == 2 else "RGB") for i, path in enumerate(paths)]
    )
    images = ImageFiles(tuple(paths), resize=8, crop=8)
    assert len(images) == 5
    mask = torch.tensor([True, False, False, True, True])
    for examples in (slice(1, 4), slice(None, None, 2), torch.tensor([4, 0, 0]), mask, 3, -1):
        torch.testing.assert_close(images[examples], whole[examples], atol=0, rtol=0)
    assert images[:0].shape == (0, 3, 8, 8)
    torch.testing.assert_close(torch.cat(list(images.split(2))), whole)
    assert [len(batch) for batch in images.split(2)] == [2, 2, 1]


def test_nothing_is_read_before_it_is_asked_for(tmp_path):
    images = ImageFiles((tmp_path / "missing.jpg",))
    assert len(images) == 1
    with pytest.raises(FileNotFoundError, match=r"missing\.jpg"):
        images[0]


def test_the_middle_is_kept_after_resizing(tmp_path):
    pixels = np.zeros((200, 400, 3), np.uint8)
    pixels[50:150, 100:300] = 255  # the middle half of either side
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    one = ImageFiles((tmp_path / "wide.png",), resize=256, crop=224)[0]
    assert one.shape == (3, 224, 224)
    # 256 pixels show the white square from 64 to 192; cropping 16 on each side leaves 48 to 176.
    white = one[0] > 0.5
    assert white.any(0).nonzero().flatten()[[0, -1]].tolist() == [48, 175]
    assert white.any(1).nonzero().flatten()[[0, -1]].tolist() == [48, 175]


@pytest.mark.parametrize("crop", [0, 9])
def test_an_impossible_crop_is_refused(crop):
    with pytest.raises(ValueError, match=rf"crop must lie in 1..resize = 8, got {crop}"):
        ImageFiles((), resize=8, crop=crop)
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        ImageFiles(()).split(0)
