"""The code cells of chapters on another device than the CPU, in short mode."""

from __future__ import annotations

import pytest
import torch
from chapter_cells import run
from conftest import ROOT
from standin import standin
from torch import Tensor

CHAPTERS = ["question", "teachers"]


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_runs_on_the_device(monkeypatch, chapter):
    monkeypatch.setenv("W2S_DEVICE", "standin")
    with standin() as device:
        found = {
            name: v
            for name, v in run(ROOT / "book" / f"{chapter}.md").items()
            if isinstance(v, Tensor)
        }
        there = {name for name, value in found.items() if value.device == device}
        found = {name: value.cpu() for name, value in found.items()}
    monkeypatch.setenv("W2S_DEVICE", "cpu")
    expected = run(ROOT / "book" / f"{chapter}.md")
    assert len(there) > 3, "little was computed there"
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-6, atol=1e-9, equal_nan=True)
