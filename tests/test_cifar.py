from __future__ import annotations

import os
import pickle
import struct
from contextlib import suppress

import numpy as np
import pytest
import torch
from helpers_data import offer_dataset, real_data, serve
from hypothesis import given
from hypothesis import strategies as st

from w2s_tutorial.datasets.catalog import CATALOG
from w2s_tutorial.datasets.small_images import cifar10, parse_cifar_batch

RNG = np.random.default_rng(0)


def py2_batch(pixels, labels):
    """A batch as Python 2's cPickle wrote it, opcode by opcode: byte strings, numpy's old name."""

    def text(value):
        return b"U" + bytes([len(value)]) + value

    n, width = pixels.shape
    array = b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\0\x85U\x01b\x87R"
    kind = b"cnumpy\ndtype\n" + text(b"u1") + b"K\0K\x01\x87R"
    kind += b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb"
    raw = pixels.tobytes()
    shape = b"J" + struct.pack("<i", n) + b"J" + struct.pack("<i", width) + b"\x86"
    state = b"(K\x01" + shape + kind + b"\x89" + b"T" + struct.pack("<i", len(raw)) + raw + b"tb"
    listed = b"](" + b"".join(b"K" + bytes([label]) for label in labels) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + state + text(b"labels") + listed + b"u."


PIXELS = RNG.integers(0, 256, (7, 3072), dtype=np.uint8)
LABELS = [3, 0, 9, 1, 1, 4, 5]


def py3_batch(pixels, labels, protocol):
    return pickle.dumps({b"data": pixels, b"labels": labels}, protocol=protocol)


@pytest.mark.parametrize(
    "batch",
    [
        py2_batch,
        lambda pixels, labels: py3_batch(pixels, labels, 4),
        lambda pixels, labels: py3_batch(np.asfortranarray(pixels), labels, 4),
    ],
    ids=["py2", "py3", "by column"],
)
def test_a_cifar_batch_is_read(batch):
    data = batch(PIXELS, LABELS)
    official = pickle.loads(data, encoding="bytes")  # the built file is what it claims to be
    np.testing.assert_array_equal(official[b"data"], PIXELS)
    images, labels = parse_cifar_batch(data, "batch")
    np.testing.assert_array_equal(images, PIXELS.reshape(7, 3, 32, 32))
    np.testing.assert_array_equal(labels, LABELS)


class Payload:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize(
    "call",
    [
        (os.system, "touch {mark}"),
        (open, "{mark}", "w"),
        (eval, "open('{mark}', 'w')"),
        (np.save, "{mark}", 1),
    ],
    ids=["os.system", "open", "eval", "numpy.save"],
)
def test_the_payload_of_a_malicious_pickle_does_not_run(tmp_path, call):
    mark = tmp_path / "ran.npy"
    function, *args = call
    args = [arg.format(mark=mark) if isinstance(arg, str) else arg for arg in args]
    data = pickle.dumps({b"data": Payload(function, *args), b"labels": LABELS})
    with pytest.raises(ValueError, match=r"batch is no CIFAR-10 batch: it asks for \S+, which is"):
        parse_cifar_batch(data, "batch")
    assert not mark.exists()
    opened = pickle.loads(data)[b"data"]  # control: the payload does run where it is let
    if hasattr(opened, "close"):
        opened.close()
    assert mark.exists()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is no CIFAR-10 batch"),
        (py2_batch(PIXELS, LABELS)[:-3000], "is no CIFAR-10 batch"),
        (pickle.dumps([1]), "must hold a dictionary, got list"),
        (pickle.dumps({b"data": 1, b"labels": LABELS}), "must hold 'data' and 'labels'"),
        (py3_batch(PIXELS, None, 4), "must hold 'data' and 'labels'"),
        (py3_batch(PIXELS[:, :10], LABELS, 4), "n rows of 3072 unsigned bytes"),
        (py3_batch(PIXELS.view(np.int8), LABELS, 4), "n rows of 3072 unsigned bytes"),
        (py3_batch(PIXELS, LABELS[1:], 4), "n labels in 0..9"),
        (py3_batch(PIXELS, [10, *LABELS[1:]], 4), "n labels in 0..9"),
        (py3_batch(PIXELS, [-1, *LABELS[1:]], 4), "n labels in 0..9"),
    ],
)
def test_what_is_no_cifar_batch_is_refused(data, message):
    with pytest.raises(ValueError, match=f"batch .*{message}"):
        parse_cifar_batch(data, "batch")


@given(st.binary(max_size=200), st.integers(0, 300))
def test_a_damaged_pickle_is_refused_with_a_value_error(noise, at):
    whole = py2_batch(PIXELS[:1], LABELS[:1])
    damaged = whole[:at] + noise + whole[at + len(noise) :]
    with suppress(ValueError):
        images, labels = parse_cifar_batch(damaged, "batch")  # noise on pixels cannot be told
        assert images.shape == (len(labels), 3, 32, 32)


def test_cifar10_is_put_together_from_its_batches(monkeypatch, tmp_path):
    bodies = {f"train {i}": py2_batch(PIXELS[i : i + 2], LABELS[i : i + 2]) for i in (0, 2, 4)}
    bodies["test 1"] = py2_batch(PIXELS[6:], LABELS[6:])
    with serve() as web:
        offer_dataset(web, monkeypatch, tmp_path, "cifar10", bodies)
        images, labels = cifar10("train", quiet=True)
        held_out, _ = cifar10("test", quiet=True)
    torch.testing.assert_close(images, torch.tensor(PIXELS[:6]).reshape(6, 3, 32, 32) / 255)
    assert labels.tolist() == LABELS[:6]
    assert len(held_out) == 1


def test_real_cifar10(data_folder, monkeypatch):
    real_data(data_folder, monkeypatch, *(file.path for file in CATALOG["cifar10"].files.values()))
    images, labels = cifar10("test")
    assert images.shape == (10_000, 3, 32, 32)
    assert labels.bincount().tolist() == [1000] * 10
