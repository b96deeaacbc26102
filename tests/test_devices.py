"""The one line that chooses where a chapter computes."""

from __future__ import annotations

import pytest
import torch

import w2s_tutorial as w2s


def test_a_gpu_where_there_is_one(monkeypatch):
    monkeypatch.delenv("W2S_DEVICE", raising=False)
    for there, name in ((False, "cpu"), (True, "cuda")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert w2s.device() == torch.device(name)
        monkeypatch.setenv("W2S_DEVICE", "cpu")
        assert w2s.device() == torch.device("cpu")
        monkeypatch.setenv("W2S_DEVICE", " ")
        assert w2s.device() == torch.device(name)


@pytest.mark.parametrize("unknown", ["gpu", "cuda:99", "meta", "cpu:x"])
def test_a_device_that_is_not_here(monkeypatch, unknown):
    monkeypatch.setenv("W2S_DEVICE", unknown)
    with pytest.raises(ValueError, match=f"W2S_DEVICE must name a device .* got '{unknown}': "):
        w2s.device()
