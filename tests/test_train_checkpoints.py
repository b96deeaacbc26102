"""Training killed and continued: checkpoints that lose nothing and belong to one run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from training_case import IMAGES, LABELS, SETTINGS, Network, generator, loss, noisy, weights

from w2s_tutorial.networks.train import fit

VICTIM = """
import sys, time, torch
sys.path.insert(0, "tests")
from training_case import *
from w2s_tutorial.networks.train import fit
torch.set_num_threads(1)

calls = []

def stalls(*batch):
    calls.append(1)
    if len(calls) == int(sys.argv[2]):
        time.sleep(600)
    return loss(*batch)

result = fit(Network(), stalls, (IMAGES, LABELS), seed=generator(), augment=noisy, steps=60,
             batch_size=8, lr=0.01, checkpoint=sys.argv[1], checkpoint_every=7)
torch.save([weights(result.network), result.losses], sys.argv[1] + ".result")
"""


def victim(checkpoint: Path, stall_at: int) -> subprocess.Popen:
    command = [sys.executable, "-c", VICTIM, str(checkpoint), str(stall_at)]
    return subprocess.Popen(command, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"})


def test_a_killed_run_continues_bit_for_bit(tmp_path):
    uninterrupted, killed = tmp_path / "uninterrupted", tmp_path / "killed"
    assert victim(uninterrupted, -1).wait() == 0

    # Step 33 is in the middle of the seventh epoch of 5 steps, and the last checkpoint before it,
    # at 28, in the middle of the sixth.
    process = victim(killed, 33)
    deadline = time.monotonic() + 120
    done = lambda: torch.load(killed, weights_only=True)["done"] if killed.exists() else 0
    while done() < 28 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert done() == 28
    assert victim(killed, -1).wait() == 0

    for expected, found in zip(
        torch.load(f"{uninterrupted}.result", weights_only=True),
        torch.load(f"{killed}.result", weights_only=True),
        strict=True,
    ):
        assert torch.equal(expected, found)


def stop_at(step: int):
    calls = []

    def stops(*batch):
        calls.append(1)
        if len(calls) > step:
            raise InterruptedError
        return loss(*batch)

    return stops


@pytest.mark.parametrize("forgotten", ["draws", "order", "optimizer"])
def test_each_saved_part_is_needed(tmp_path, forgotten):
    """The control of the test above: leave one part out and the bits differ."""
    path = tmp_path / "c"
    settings = SETTINGS | {"augment": noisy, "checkpoint": path, "checkpoint_every": 7}
    run = lambda loss: fit(Network(), loss, (IMAGES, LABELS), seed=generator(), **settings)
    whole = run(loss).network
    path.unlink()
    with pytest.raises(InterruptedError):
        run(stop_at(9))
    saved = torch.load(path, weights_only=True)
    assert torch.equal(weights(run(loss).network), weights(whole))

    fresh = {
        "draws": generator(5).get_state(),
        "order": saved["order"].flip(0),
        "optimizer": saved["optimizer"] | {"state": {}},
    }
    torch.save(saved | {forgotten: fresh[forgotten]}, path)
    assert not torch.equal(weights(run(loss).network), weights(whole))


def test_a_finished_run_is_not_repeated(tmp_path):
    settings = SETTINGS | {"checkpoint": tmp_path / "folder" / "c"}
    first = fit(Network(), loss, (IMAGES, LABELS), seed=generator(), **settings)
    again = fit(Network(), stop_at(0), (IMAGES, LABELS), seed=generator(), **settings)
    assert torch.equal(weights(first.network), weights(again.network))
    assert torch.equal(first.losses, again.losses)


@pytest.mark.parametrize("change", ["network", "images", "labels", "seed", "lr", "steps"])
def test_checkpoint_of_another_run_is_refused(tmp_path, change):
    settings = SETTINGS | {"checkpoint": tmp_path / "c"}
    network, images, labels, seed = Network(), IMAGES, LABELS, 0
    fit(network, loss, (images, labels), seed=generator(seed), **settings)
    if change == "network":
        network.linear.bias.data[0] += 1e-6
    elif change == "images":
        images = images ^ (torch.arange(images.numel()) == 77).view_as(images)
    elif change == "labels":
        labels = 1 - labels
    elif change == "seed":
        seed = 1
    else:
        settings[change] *= 2
    with pytest.raises(ValueError, match="is of a run with another network, other data"):
        fit(network, loss, (images, labels), seed=generator(seed), **settings)


def test_a_crash_while_writing_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    path = tmp_path / "c"
    settings = SETTINGS | {"checkpoint": path, "checkpoint_every": 3}
    save, count = torch.save, []

    def crash_at_the_third(what, where):
        count.append(1)
        save(what, where)
        if len(count) == 3:
            half = where.read_bytes()[: where.stat().st_size // 2]
            where.write_bytes(half)
            raise InterruptedError

    monkeypatch.setattr(torch, "save", crash_at_the_third)
    with pytest.raises(InterruptedError):
        fit(Network(), loss, (IMAGES, LABELS), seed=generator(), **settings)
    assert torch.load(path, weights_only=True)["done"] == 6
    assert list(tmp_path.iterdir()) == [path]


def test_a_run_that_stops_early_keeps_the_whole_schedule(tmp_path):
    checkpoint, settings = tmp_path / "c", SETTINGS | {"warmup": 3}
    whole = fit(Network(), loss, (IMAGES, LABELS), seed=generator(), **settings)

    def continued(stop: int) -> torch.Tensor:
        again = settings | {"checkpoint": checkpoint, "stop": stop}
        fitted = fit(Network(), loss, (IMAGES, LABELS), seed=generator(), **again)
        assert torch.equal(fitted.losses, whole.losses[:stop])
        return weights(fitted.network)

    early = continued(7)
    assert torch.equal(early, continued(7))  # nothing left to do
    assert not torch.equal(early, weights(whole.network))
    assert torch.equal(continued(SETTINGS["steps"]), weights(whole.network))
    with pytest.raises(ValueError, match="stop must be at least the checkpoint's 12, got 7"):
        continued(7)
