"""A small sweep for the tests: it draws, it says which settings ran, and it can be held up."""

from __future__ import annotations

import os
import time
import uuid
from collections import Counter
from pathlib import Path

import torch

from w2s_tutorial.storage import generator_for
from w2s_tutorial.sweeps import sweep

AXES = {"n_pool": [10, 20, 40, 80], "noise": [0.1, 0.5]}
HEADS = 3


def draw(*, n_pool, noise, shift=0.0):
    """Two roles of different dtype, from the setting's own stream."""
    generator = generator_for({"n_pool": n_pool, "noise": noise})
    weak = shift + noise * torch.randn(HEADS, generator=generator, dtype=torch.float64) / n_pool
    return {"weak": weak, "student": weak.float() / 2}


def noted(*, folder, n_pool, noise, shift=0.0):
    """The same, leaving a file for every call; from n_pool = 40 on it waits for the file `go`."""
    place = Path(folder)
    place.joinpath("calls").mkdir(parents=True, exist_ok=True)
    name = f"{n_pool}_{noise}_{os.getpid()}_{uuid.uuid4().hex}"
    place.joinpath("calls", name).touch()
    while n_pool >= 40 and not (place / "go").exists():
        time.sleep(0.01)
    return draw(n_pool=n_pool, noise=noise, shift=shift)


def calls(folder: Path) -> Counter:
    """How often each setting, "n_pool_noise", was run."""
    return Counter(name.rsplit("_", 2)[0] for name in os.listdir(folder / "calls"))


def workers(folder: Path) -> set[int]:
    """The processes that ran settings."""
    return {int(name.split("_")[2]) for name in os.listdir(folder / "calls")}


def noted_sweep(folder: Path):
    return sweep(noted, AXES, store=folder / "store", version="1", folder=str(folder))
