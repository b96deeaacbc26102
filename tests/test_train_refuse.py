"""What the training loop refuses: bad arguments, and losses that are no longer numbers."""

from __future__ import annotations

import pytest
import torch
from training_case import IMAGES, LABELS, SETTINGS, Network, generator, loss

from w2s_tutorial.networks.train import fit


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_broken_loss_stops_and_names_its_step(bad, tmp_path):
    calls = []

    def breaks(network, images, labels):
        calls.append(1)
        return loss(network, images, labels) + (bad if len(calls) == 8 else 0)

    settings = SETTINGS | {"steps": 300, "checkpoint": tmp_path / "c", "checkpoint_every": 10}
    with pytest.raises(FloatingPointError, match=f"loss at step 7 is {bad}"):
        fit(Network(), breaks, (IMAGES, LABELS), seed=generator(), **settings)
    assert len(calls) == 10  # looked at before the broken weights were written
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, r"steps must lie in 1\.\.inf, got 0"),
        ({"batch_size": 41}, r"batch_size must lie in 1\.\.40, got 41"),
        ({"warmup": 12}, r"warmup must lie in 0\.\.11, got 12"),
        ({"micro_batch": 0}, r"micro_batch must lie in 1\.\.inf, got 0"),
        ({"checkpoint_every": 0}, r"checkpoint_every must lie in 1\.\.inf, got 0"),
        ({"stop": 13}, r"stop must lie in 1\.\.12, got 13"),
        ({"lr": 0.0}, r"lr must be above 0, got 0\.0"),
        ({"lr": float("nan")}, r"lr must be above 0, got nan"),
        ({"data": (IMAGES, LABELS[:-1])}, r"one length, got lengths \[39, 40\]"),
        ({"data": ()}, r"one length, got lengths \[\]"),
        ({"loss": lambda *batch: loss(*batch).mean()}, r"loss must return \(8,\), got shape \(\)"),
    ],
)
def test_fit_refuses(change, message):
    arguments = {"loss": loss, "data": (IMAGES, LABELS)} | SETTINGS | change
    with pytest.raises(ValueError, match=message):
        fit(Network(), seed=generator(), **arguments)
