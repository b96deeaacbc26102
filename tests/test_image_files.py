from __future__ import annotations

import io
import tarfile

import numpy as np
import pandas as pd
import pytest
import torch
from helpers_data import real_data
from PIL import Image

from w2s_tutorial.datasets.image_files import ImageFiles, image_archive, image_folder

RNG = np.random.default_rng(0)


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


def test_a_folder_and_its_table(tmp_path):
    rows = [("a/1.png", "cat", "snow", 7), ("2.png", "dog", "sand", 7), ("3.png", "cat", "mud", 8)]
    truth = [picture(tmp_path / row[0]) for row in rows]
    table = pd.DataFrame(rows, columns=["path", "kind", "ground", "fold"])
    table.to_csv(tmp_path / "table.csv", index=False)
    names = {"file": "path", "label": "kind", "attribute": "ground", "split_column": "fold"}
    found = image_folder(tmp_path / "table.csv", **names, split=7, resize=8, crop=8)
    torch.testing.assert_close(found.images[:], torch.stack(truth[:2]), atol=0, rtol=0)
    assert (found.label_names, found.attribute_names) == (("cat", "dog"), ("mud", "sand", "snow"))
    assert found.label.tolist() == [0, 1]
    assert found.attribute.tolist() == [2, 1]
    assert found.group.tolist() == [2, 4]
    assert len(image_folder(tmp_path / "table.csv", **names, split=8)) == 1

    with pytest.raises(ValueError, match="split must be one of 7, 8, got 'train'"):
        image_folder(tmp_path / "table.csv", **names, split="train")
    with pytest.raises(ValueError, match=r"must have columns \['label', 'split'\], got"):
        image_folder(tmp_path / "table.csv", file="path", attribute="ground", split=7)
    table.loc[1, "ground"] = None
    table.to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(ValueError, match=r"no empty cell in .* row 1 has one"):
        image_folder(tmp_path / "table.csv", **names, split=7)


@pytest.mark.parametrize("crop", [0, 9])
def test_an_impossible_crop_is_refused(crop):
    with pytest.raises(ValueError, match=rf"crop must lie in 1..resize = 8, got {crop}"):
        ImageFiles((), resize=8, crop=crop)
    with pytest.raises(ValueError, match="size must be at least 1, got 0"):
        ImageFiles(()).split(0)


def pack(path, files):
    with tarfile.open(path, "w:xz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


def test_an_archive_of_small_images(tmp_path):
    truth, files = {}, {}
    for name in ("train/dog/2", "train/cat/9", "train/dog/1", "test/cat/1"):
        truth[name] = picture(tmp_path / "one.png")
        files[f"{name}.png"] = (tmp_path / "one.png").read_bytes()
    images, labels, names = image_archive(pack(tmp_path / "a.tar.xz", files), split="train")
    assert names == ("cat", "dog")
    assert labels.tolist() == [0, 1, 1]
    expected = [truth[name] for name in ("train/cat/9", "train/dog/1", "train/dog/2")]
    torch.testing.assert_close(images, torch.stack(expected), atol=0, rtol=0)
    with pytest.raises(ValueError, match=r"must have images of one size in dev/, got sizes \[\]"):
        image_archive(tmp_path / "a.tar.xz", split="dev")
    picture(tmp_path / "one.png", size=(9, 8))
    files["test/cat/2.png"] = (tmp_path / "one.png").read_bytes()
    with pytest.raises(ValueError, match=r"got sizes \[\(8, 8\), \(8, 9\)\]"):
        image_archive(pack(tmp_path / "b.tar.xz", files), split="test")


def test_a_real_archive_of_small_images(data_folder, monkeypatch):
    path = "cifar10_jpeg/cifar10_jpeg_half.tar.xz"
    images, labels, names = image_archive(
        real_data(data_folder, monkeypatch, path) / path, split="test"
    )
    assert images.shape == (5000, 3, 32, 32)
    assert labels.bincount().tolist() == [500] * 10
    assert names[:2] == ("airplane", "automobile")
    assert 0.4 < images.mean() < 0.5  # CIFAR-10's mean pixel is 0.473
