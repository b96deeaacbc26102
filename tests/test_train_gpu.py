"""Training on a GPU: the precision that it gets, and that it learns the same."""

from __future__ import annotations

import warnings
from functools import partial

import pytest
import torch
from training_case import IMAGES, LABELS, SETTINGS, Dropping, Network, generator, loss

from w2s_tutorial.devices import mixed_precision
from w2s_tutorial.networks.many import fit_many
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


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_many_on_a_gpu_are_those_one_by_one(monkeypatch):
    for place in ("train", "many"):
        name = f"w2s_tutorial.networks.{place}.mixed_precision"
        monkeypatch.setattr(name, lambda device: torch.float32)
    networks, settings = (
        [Network(shift=shift) for shift in (0.0, 0.5)],
        dict(steps=12, batch_size=8),
    )
    data = IMAGES, LABELS
    found = fit_many(networks, loss, data, lr=[0.01, 0.02], seeds=[0, 1], device="cuda", **settings)
    for i, lr in enumerate((0.01, 0.02)):
        one = fit(networks[i], loss, data, lr=lr, seed=i, device="cuda", **settings)
        torch.testing.assert_close(found.losses[i], one.losses, rtol=1e-3, atol=1e-4)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_run_continues_with_the_same_dropout(tmp_path):
    run = partial(fit, Dropping(), loss, (IMAGES, LABELS), seed=0, device="cuda", **SETTINGS)
    whole = run()
    run(checkpoint=tmp_path / "c", stop=7)
    again = run(checkpoint=tmp_path / "c")
    torch.testing.assert_close(again.losses, whole.losses, rtol=1e-3, atol=1e-4)
