"""The cache of features: made once, checked when read, never unpickled."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from features_case import IMAGES

from w2s_tutorial.networks.features import cached


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64, torch.int64])
def test_cached_makes_once(tmp_path, dtype):
    calls = []

    def make():
        calls.append(1)
        return (100 * IMAGES).flatten(1).to(dtype)

    first = cached(make, key="k", folder=tmp_path / "new")
    second = cached(make, key="k", folder=tmp_path / "new")
    assert len(calls) == 1
    assert first.dtype == second.dtype == dtype
    assert torch.equal(first, second)
    cached(make, key="other", folder=tmp_path / "new")
    assert len(calls) == 2
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["k.npz", "other.npz"]


@pytest.mark.filterwarnings("ignore:.*is damaged and is made anew")
def test_no_damaged_byte_goes_unseen(tmp_path):
    make = lambda: torch.arange(12.0).view(3, 4)
    cached(make, key="k", folder=tmp_path)
    path = tmp_path / "k.npz"
    sound = path.read_bytes()
    remade = 0
    for position in range(len(sound)):
        damaged = bytearray(sound)
        damaged[position] ^= 0x40
        path.write_bytes(damaged)
        assert torch.equal(cached(make, key="k", folder=tmp_path), make()), position
        remade += path.read_bytes() != bytes(damaged)
    assert remade > len(sound) / 2  # the rest are time stamps and paddings, which carry nothing


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half of", b"\x80\x04\x95 a pickle"])
def test_damaged_file_is_made_anew_and_said(tmp_path, content):
    (tmp_path / "k.npz").write_bytes(content)
    with pytest.warns(UserWarning, match="damaged and is made anew"):
        assert torch.equal(cached(lambda: IMAGES, key="k", folder=tmp_path), IMAGES)
    assert torch.equal(cached(lambda: IMAGES * 0, key="k", folder=tmp_path), IMAGES)


def test_nothing_is_unpickled(tmp_path):
    np.savez(tmp_path / "k.npz", features=np.array([{"an": "object"}], dtype=object))
    with pytest.warns(UserWarning, match="allow_pickle=False"):
        cached(lambda: IMAGES, key="k", folder=tmp_path)


@pytest.mark.parametrize("key", ["", "../up", "a/b", ".hidden", "a b"])
def test_cached_refuses_a_key_that_is_no_file_name(tmp_path, key):
    with pytest.raises(ValueError, match="key must be letters"):
        cached(lambda: IMAGES, key=key, folder=tmp_path)


def test_cached_refuses_bfloat16(tmp_path):
    with pytest.raises(ValueError, match=r"npz can hold, got torch\.bfloat16"):
        cached(lambda: IMAGES.bfloat16(), key="k", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
