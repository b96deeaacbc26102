"""Training killed and continued: checkpoints that lose nothing and belong to one run."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from training_case import (
    IMAGES,
    LABELS,
    SETTINGS,
    Dropping,
    N,
    Network,
    generator,
    loss,
    noisy,
    weights,
)

from w2s_tutorial.networks import _checkpoints, train
from w2s_tutorial.networks.train import fit

# Forks instead of starting processes: importing torch takes longer than all trials.
KILLS = """
import os, random, signal, sys, time, torch
sys.path.insert(0, "tests")
from training_case import *
from w2s_tutorial.networks.train import fit
torch.set_num_threads(1)

def run(checkpoint, every):
    fitted = fit(Dropping(), loss, (IMAGES, LABELS), seed=0, augment=noisy, steps=60, batch_size=8,
                 lr=0.01, checkpoint=checkpoint, checkpoint_every=every)
    return weights(fitted.network), fitted.losses

folder, trials, moments = sys.argv[1], int(sys.argv[2]), random.Random(0)
start = time.monotonic()
whole = run(f"{folder}/whole", 5)
seconds = time.monotonic() - start
same = part = 0
for trial in range(trials):
    checkpoint, every = f"{folder}/killed{trial}", 4 + trial % 3
    child = os.fork()
    if child == 0:
        run(checkpoint, every)
        os._exit(0)
    time.sleep(seconds * moments.random())
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    part += os.path.exists(checkpoint) or any(name.endswith(".part") for name in os.listdir(folder))
    found = run(checkpoint, every)
    same += all(torch.equal(*pair) for pair in zip(whole, found))
left = [name for name in os.listdir(folder) if name.endswith(".part")]
print(same, part, len(left))
"""


def test_runs_killed_at_random_moments_lose_nothing(tmp_path):
    """Each continues to the same bits, with dropout and augmentation; KILLS=20 tries 20."""
    trials = int(os.environ.get("KILLS", "4"))
    command = [sys.executable, "-c", KILLS, str(tmp_path), str(trials)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    same, part, left = map(int, told.stdout.split())
    assert (same, left) == (trials, 0)
    assert part >= trials / 2  # of them had written something when they were killed


def state(checkpoint: Path) -> dict:
    return torch.load(io.BytesIO(checkpoint.read_bytes()[:-32]), weights_only=True)["state"]


def interrupted_at(step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    progress = train.progress

    def stops(steps, **options):
        for number in progress(steps, **options):
            if number == step:
                monkeypatch.undo()
                raise InterruptedError
            yield number

    monkeypatch.setattr(train, "progress", stops)


@pytest.mark.parametrize("forgotten", ["draws", "order", "optimizer"])
def test_each_saved_part_is_needed(tmp_path, monkeypatch, forgotten):
    """The control of the test above: leave one part out and the bits differ."""
    path = tmp_path / "c"
    settings = SETTINGS | {"augment": noisy, "checkpoint": path, "checkpoint_every": 7}
    run = lambda: fit(Dropping(), loss, (IMAGES, LABELS), seed=generator(), **settings)
    whole = run().network
    path.unlink()
    interrupted_at(9, monkeypatch)
    with pytest.raises(InterruptedError):
        run()
    saved, key = state(path), torch.load(path, weights_only=True)["key"]
    assert saved["done"] == 7
    assert torch.equal(weights(run().network), weights(whole))

    fresh = {
        "draws": generator(5).get_state(),
        "order": saved["order"].flip(0),
        "optimizer": saved["optimizer"] | {"state": {}},
    }
    _checkpoints.save(path, key, saved | {forgotten: fresh[forgotten]})
    assert not torch.equal(weights(run().network), weights(whole))


def test_dropout_is_drawn_anew_and_from_the_seed():
    network, state = Dropping(), torch.get_rng_state()
    run = lambda seed: weights(fit(network, loss, (IMAGES, LABELS), seed=seed, **SETTINGS).network)
    first = run(0)
    torch.randn(3, generator=torch.default_generator)  # nobody's business
    assert torch.equal(run(0), first)
    torch.set_rng_state(state)
    assert not torch.equal(run(1), first)
    assert torch.equal(torch.get_rng_state(), state)


def test_a_finished_run_is_not_repeated(tmp_path, monkeypatch):
    settings = SETTINGS | {"checkpoint": tmp_path / "folder" / "c"}
    run = lambda: fit(Network(), loss, (IMAGES, LABELS), seed=generator(), **settings)
    first = run()
    interrupted_at(0, monkeypatch)
    again = run()
    assert torch.equal(weights(first.network), weights(again.network))
    assert torch.equal(first.losses, again.losses)


def stronger(images, labels, *, generator):
    return noisy(images, labels, generator=generator)


def weighted(network, images, labels, weight=1.0):
    return weight * loss(network, images, labels)


CHANGES = {
    "network": lambda: {"network": Network(shift=1e-6)},
    "images": lambda: {"data": (IMAGES ^ (torch.arange(N) == 7).view(N, 1, 1, 1), LABELS)},
    "labels": lambda: {"data": (IMAGES, 1 - LABELS)},
    "seed": lambda: {"seed": 1},
    "lr": lambda: {"lr": 0.02},
    "steps": lambda: {"steps": 24},
    "another loss": lambda: {"loss": loss},
    "an argument of the loss": lambda: {"loss": partial(weighted, weight=0.5)},
    "a closure": lambda: {"loss": lambda *batch: loss(*batch)},
    "no augmentation": lambda: {"augment": None},
    "another augmentation": lambda: {"augment": stronger},
}


@pytest.mark.parametrize("change", CHANGES)
def test_checkpoint_of_another_run_is_refused(tmp_path, change):
    arguments = {"network": Network(), "loss": partial(weighted, weight=1.0), "seed": 0}
    arguments |= {"data": (IMAGES, LABELS), "augment": noisy, "checkpoint": tmp_path / "c"}
    arguments |= SETTINGS
    fit(**arguments)
    with pytest.raises(ValueError, match="of a run with another network, loss or augmentation"):
        fit(**arguments | CHANGES[change]())
    fit(**arguments)  # the control: unchanged, it is taken


def test_damage_is_noticed_and_names_the_file(tmp_path):
    path, moments = tmp_path / "c", random.Random(0)
    run = lambda: fit(Network(), loss, (IMAGES, LABELS), seed=0, checkpoint=path, **SETTINGS)
    run()
    whole = path.read_bytes()
    damaged = [b"", b"<!doctype html><title>404</title>", whole[:-1], whole[: len(whole) // 2]]
    for _ in range(200):
        flipped = bytearray(whole)
        flipped[moments.randrange(len(whole))] ^= 1 << moments.randrange(8)
        damaged.append(bytes(flipped))
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(ValueError, match=rf"checkpoint {path} \({len(content)} bytes\) is dam"):
            run()
    path.write_bytes(whole)
    run()
    path.unlink()
    path.mkdir()
    with pytest.raises(ValueError, match=f"checkpoint must be a file, got the folder {path}"):
        run()


def test_what_killed_runs_left_is_removed_and_nothing_else(tmp_path):
    mine, others = tmp_path / f".c.{'0' * 32}.part", tmp_path / f".c.d.{'0' * 32}.part"
    mine.touch()
    others.touch()
    fit(Network(), loss, (IMAGES, LABELS), seed=0, checkpoint=tmp_path / "c", **SETTINGS)
    assert sorted(tmp_path.iterdir()) == [others, tmp_path / "c"]


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
    assert state(path)["done"] == 6
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
