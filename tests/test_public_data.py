from __future__ import annotations

import re
import struct
from contextlib import suppress

import numpy as np
import pytest
import torch
from helpers_data import offered, real_data, serve
from hypothesis import given
from hypothesis import strategies as st

from w2s_tutorial.datasets.downloads import File, fetch
from w2s_tutorial.datasets.public import (
    CATALOG,
    CIFAR10_CLASSES,
    FASHION_CLASSES,
    _parse_idx,
    cifar10,
    fashion_mnist,
    mnist,
    sst2,
    tiny_shakespeare,
)

RNG = np.random.default_rng(0)
HEX = {"md5": 32, "sha256": 64, "none": 0}  # digits of a hash


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


@pytest.mark.parametrize("shape", [(5,), (4, 28, 28), (0, 28, 28), (2, 3, 1, 2)])
def test_idx_round_trip(shape):
    array = RNG.integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(_parse_idx(idx(array), "file"), array)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "file must start with the idx magic 000008, got ''"),
        (b"\0\0\x0d\x01\0\0\0\0", "file must start with the idx magic 000008, got '00000d'"),
        (b"\x89PNG----", "magic 000008, got '89504e'"),
        (b"\0\0\x08\x03\0\0\0\x01", "file must have a header of 16 bytes, got 8 bytes"),
        (idx(np.zeros((2, 3), np.uint8))[:-1], r"must have 18 bytes for shape \(2, 3\), got 17"),
        (idx(np.zeros((2, 3), np.uint8)) + b"\0", r"must have 18 bytes .* got 19"),
    ],
)
def test_a_file_that_is_no_idx_file_is_refused(data, message):
    with pytest.raises(ValueError, match=message):
        _parse_idx(data, "file")


@given(st.binary(max_size=64), st.booleans())
def test_whatever_the_bytes_idx_is_parsed_or_refused(data, begins_well):
    data = b"\0\0\x08" + data if begins_well else data
    with suppress(ValueError):
        assert idx(_parse_idx(data, "file")) == data


@pytest.mark.parametrize(("name", "load"), [("mnist", mnist), ("fashion_mnist", fashion_mnist)])
def test_idx_sets_are_downloaded_and_scaled(monkeypatch, tmp_path, name, load):
    pixels = RNG.integers(0, 256, (6, 28, 28), dtype=np.uint8)
    labels = np.array([1, 2, 3, 4, 5, 9], np.uint8)
    bodies = {"test images": idx(pixels), "test labels": idx(labels)}
    with serve() as web:
        monkeypatch.setitem(CATALOG, name, offered(web, monkeypatch, tmp_path, bodies))
        images, found = load("test", quiet=True)
    assert images.dtype == torch.float32
    torch.testing.assert_close(images, torch.tensor(pixels)[:, None] / 255, atol=0, rtol=0)
    assert found.tolist() == labels.tolist()
    assert found.dtype == torch.int64


@pytest.mark.parametrize("load", [mnist, fashion_mnist, cifar10])
def test_an_unknown_split_is_refused(load):
    with pytest.raises(ValueError, match="split must be one of 'train', 'test', got 'valid'"):
        load("valid")


@pytest.mark.parametrize(
    ("name", "load", "mean"), [("mnist", mnist, 0.1307), ("fashion_mnist", fashion_mnist, 0.2860)]
)
def test_real_idx_sets(data_folder, monkeypatch, name, load, mean):
    real_data(data_folder, monkeypatch, *(file.path for file in CATALOG[name].files.values()))
    images, labels = load("train")
    assert images.shape == (60_000, 1, 28, 28)
    # The published mean pixel, given to four digits.
    assert abs(images.mean().item() - mean) < 5.1e-5
    assert labels.bincount().tolist() == (
        [6000] * 10
        if name == "fashion_mnist"
        else [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    )
    images, labels = load("test")
    assert images.shape == (10_000, 1, 28, 28)
    assert labels.shape == (10_000,)


def test_class_names():
    assert len(FASHION_CLASSES) == len(CIFAR10_CLASSES) == 10
    assert (FASHION_CLASSES[4], FASHION_CLASSES[3]) == ("coat", "dress")


def test_cifar10_is_read_from_rows_of_label_and_planes(monkeypatch, tmp_path):
    rows = RNG.integers(0, 256, (7, 3073), dtype=np.uint8)
    rows[:, 0] %= 10
    bodies = {"train 1": rows[:3].tobytes(), "train 2": rows[3:].tobytes(), "test": b"x" * 5}
    with serve() as web:
        monkeypatch.setitem(CATALOG, "cifar10", offered(web, monkeypatch, tmp_path, bodies))
        images, labels = cifar10("train", quiet=True)
        with pytest.raises(ValueError, match="must be rows of 3073 bytes, got 5 bytes"):
            cifar10("test", quiet=True)
    assert labels.tolist() == rows[:, 0].tolist()
    # Red plane first, each plane row by row.
    assert images.shape == (7, 3, 32, 32)
    assert images[4, 2, 31, 5] == torch.tensor(rows[4, 1 + 2 * 1024 + 31 * 32 + 5] / 255).float()


def test_cifar10_labels_are_checked(monkeypatch, tmp_path):
    with serve() as web:
        bodies = {"test": bytes([10]) + b"x" * 3072}
        monkeypatch.setitem(CATALOG, "cifar10", offered(web, monkeypatch, tmp_path, bodies))
        with pytest.raises(ValueError, match=r"labels must lie in 0\.\.9, got 10"):
            cifar10("test", quiet=True)


def test_sst2_is_read_line_by_line(monkeypatch, tmp_path):
    body = "sentence\tlabel\n\"quoted start \t1\nno , not 'that' \t0\n"
    with serve() as web:
        dataset = offered(web, monkeypatch, tmp_path, {"train": body.encode()})
        monkeypatch.setitem(CATALOG, "sst2", dataset)
        phrases, labels = sst2("train", quiet=True)
    assert phrases == ('"quoted start', "no , not 'that'")
    assert labels.tolist() == [1, 0]


@pytest.mark.parametrize(("split", "n"), [("train", 67_349), ("validation", 872)])
def test_real_sst2(data_folder, monkeypatch, split, n):
    files = CATALOG["sst2"].files.values()
    real_data(data_folder, monkeypatch, *(file.path for file in files))
    phrases, labels = sst2(split)
    assert len(phrases) == n
    assert labels.shape == (n,)
    assert labels.unique().tolist() == [0, 1]
    assert all(phrases)


def test_sst2_has_no_public_test_labels():
    with pytest.raises(ValueError, match="split must be one of 'train', 'validation', got 'test'"):
        sst2("test")


def test_tiny_shakespeare_is_one_text_and_nothing_else(monkeypatch, tmp_path):
    body = "First Citizen:\nBefore we proceed any further, hear me speak.\n"
    with serve() as web:
        dataset = offered(web, monkeypatch, tmp_path, {"text": body.encode()})
        monkeypatch.setitem(CATALOG, "tiny_shakespeare", dataset)
        assert tiny_shakespeare(quiet=True) == body
    other = tmp_path / "other"
    place = other / "tiny_shakespeare" / "input.txt"
    place.parent.mkdir(parents=True)
    place.write_text(body)
    monkeypatch.undo()
    monkeypatch.setenv("W2S_DATA", str(other))
    monkeypatch.setenv("W2S_OFFLINE", "1")
    with pytest.raises(FileNotFoundError, match="tiny_shakespeare"):
        tiny_shakespeare(quiet=True)


def test_real_tiny_shakespeare(data_folder, monkeypatch):
    files = CATALOG["tiny_shakespeare"].files.values()
    real_data(data_folder, monkeypatch, *(file.path for file in files))
    text = tiny_shakespeare()
    assert len(text) == 1_115_394
    assert len(set(text)) == 65


def test_the_table_is_complete_and_well_formed():
    unverified = []
    for name, dataset in CATALOG.items():
        assert dataset.homepage, name
        assert dataset.licence, name
        assert re.search(r"\((19|20)\d\d\)", dataset.citation), name
        for file in dataset.files.values():
            source = file.archive or file
            assert all(re.match("https?://", url) for url in source.urls), file
            assert source.urls, file
            assert not file.path.startswith("/")
            for described in {file, source} - {None}:
                algorithm, value = (described.hash or "none:").split(":")
                assert re.fullmatch(f"[0-9a-f]{{{HEX[algorithm]}}}", value)
            unverified += [] if file.hash or source.hash else [file.path]
    assert unverified == []


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "sst2"])
def test_real_files_are_used_where_they_lie(data_folder, monkeypatch, name):
    files: list[File] = list(CATALOG[name].files.values())
    root = real_data(data_folder, monkeypatch, *(file.path for file in files))
    for file in files:
        assert fetch(file).parent == (root / file.path).parent
