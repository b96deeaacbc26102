"""Training on a GPU: the precision that it gets, and that it learns the same."""

from __future__ import annotations

import warnings

import pytest
import torch
from training_case import IMAGES, LABELS, Network, generator, loss

from w2s_tutorial.devices import mixed_precision
from w2s_tutorial.networks.train import fit


def test_precision_follows_the_device(monkeypatch):
    assert mixed_precision("cpu") == torch.float32
    monkeypatch.setattr(torch.cuda, "device", lambda device: warnings.catch_warnings())
    asked = []

    def supported(including_emulation=True):
        asked.append(including_emulation)
        return including_emulation  # as a T4 answers

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert mixed_precision("cuda") == torch.float16
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert mixed_precision("cuda:1") == torch.bfloat16
    assert asked == [False]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_gpu_learns_what_the_cpu_learns(monkeypatch, precision):
    monkeypatch.setattr("w2s_tutorial.networks.train.mixed_precision", lambda device: precision)
    settings = dict(steps=300, batch_size=20, lr=0.01)
    chosen = generator()
    result = fit(Network(), loss, (IMAGES, LABELS), seed=chosen, device="cuda", **settings)
    assert result.losses.device.type == "cpu"
    assert next(result.network.parameters()).dtype == torch.float32
    assert result.losses[-20:].mean() < 0.3 * 0.6931
