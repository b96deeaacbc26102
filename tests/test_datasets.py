from __future__ import annotations

import struct
from contextlib import suppress

import numpy as np
import pytest
import torch
from helpers_data import offer_dataset, real_data, serve
from hypothesis import given
from hypothesis import strategies as st

from w2s_tutorial.datasets.catalog import CATALOG
from w2s_tutorial.datasets.small_images import (
    CIFAR10_CLASSES,
    FASHION_CLASSES,
    cifar10,
    fashion_mnist,
    mnist,
    parse_idx,
)

RNG = np.random.default_rng(0)


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.tobytes()


@pytest.mark.parametrize("shape", [(5,), (4, 28, 28), (0, 28, 28), (2, 3, 1, 2)])
def test_idx_round_trip(shape):
    array = RNG.integers(0, 256, shape, dtype=np.uint8)
    np.testing.assert_array_equal(parse_idx(idx(array), "file"), array)


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
        parse_idx(data, "file")


@given(st.binary(max_size=64), st.booleans())
def test_whatever_the_bytes_idx_is_parsed_or_refused(data, begins_well):
    data = b"\0\0\x08" + data if begins_well else data
    with suppress(ValueError):
        assert idx(parse_idx(data, "file")) == data


@pytest.mark.parametrize(("name", "load"), [("mnist", mnist), ("fashion_mnist", fashion_mnist)])
def test_idx_sets_are_downloaded_and_scaled(monkeypatch, tmp_path, name, load):
    pixels = RNG.integers(0, 256, (6, 28, 28), dtype=np.uint8)
    labels = np.array([1, 2, 3, 4, 5, 9], np.uint8)
    bodies = {"test images": idx(pixels), "test labels": idx(labels)}
    with serve() as web:
        offer_dataset(web, monkeypatch, tmp_path, name, bodies)
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
