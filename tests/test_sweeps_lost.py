"""Sweeps on a real Dask cluster whose workers die, or keep their results to themselves."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import wraps
from pathlib import Path

import pandas as pd
import psutil
import pytest
from joblib import parallel_config
from sweep_case import AXES, calls, draw, noted, noted_sweep, workers

from w2s_tutorial import sweeps
from w2s_tutorial.sweeps import sweep


@contextmanager
def forgetful(client):
    """Workers that store nothing for others to see."""

    def forget():
        sweeps._keep = wraps(sweeps._keep)(lambda path, setting, result: None)

    def remember():
        # Not by its name, under which a worker would find the function above.
        sweeps._keep = getattr(sweeps._keep, "__wrapped__", sweeps._keep)

    client.run(forget)
    try:
        yield
    finally:
        client.run(remember)


def test_a_worker_with_a_disk_of_its_own_sends_its_results_back(client, tmp_path):
    def spread():
        with parallel_config(backend="dask", client=client):
            return noted_sweep(tmp_path)

    with forgetful(client), ThreadPoolExecutor(1) as background:
        table = background.submit(spread)
        try:
            patience = time.monotonic() + 120
            while len(list((tmp_path / "store").glob("*.npz"))) < 4:
                assert time.monotonic() < patience, "results are collected as they come"
                time.sleep(0.02)
            assert not table.done(), "the other settings wait for the file"
        finally:
            (tmp_path / "go").touch()
    assert os.getpid() not in workers(tmp_path)
    pd.testing.assert_frame_equal(noted_sweep(tmp_path), table.result())
    assert calls(tmp_path).total() == 8


def mortal(*, folder, n_pool, noise):
    """Whichever worker is the first to run a second setting dies of it."""
    result = noted(folder=folder, n_pool=n_pool, noise=noise)
    own = [name for name in os.listdir(Path(folder, "calls")) if f"_{os.getpid()}_" in name]
    if len(own) == 2:
        with suppress(FileExistsError):
            Path(folder, "dead").mkdir()
            Path(folder, "dead", f"{n_pool}_{noise}_{os.getpid()}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
    return result


def killed(folder: Path) -> Counter:
    """Who died: the setting, once it is certain that the process is gone."""
    names = [path.name.split("_") for path in folder.glob("dead/*")]
    return Counter(f"{n}_{noise}" for n, noise, pid in names if not psutil.pid_exists(int(pid)))


def mortal_sweep(folder: Path) -> Counter:
    """How often each setting ran; the table is that of a sweep in which nobody dies."""
    axes = {**AXES, "noise": [0.1]}
    with parallel_config(backend="dask"):
        table = sweep(mortal, axes, store=folder / "store", version="1", folder=str(folder))
    pd.testing.assert_frame_equal(table, sweep(draw, axes))
    return calls(folder)


EACH_ONCE = Counter(["10_0.1", "20_0.1", "40_0.1", "80_0.1"])


def test_a_killed_worker_costs_only_what_it_was_working_on(client, folder):
    assert mortal_sweep(folder) == EACH_ONCE + killed(folder)
    assert killed(folder).total() == 1


@pytest.fixture
def late(client, folder, monkeypatch):
    """A busy machine: results stay with the workers until one of these is dead."""
    fetch = client._gather

    async def fetch_late(*args, **more):
        while not killed(folder):
            await asyncio.sleep(0.01)
        return await fetch(*args, **more)

    monkeypatch.setattr(client, "_gather", fetch_late)


def test_a_result_that_died_with_its_worker_is_read_and_not_run_again(client, folder, late):
    assert mortal_sweep(folder) == EACH_ONCE + killed(folder)


def test_without_a_store_that_result_would_be_run_again(client, folder, late):
    with forgetful(client):
        ran = mortal_sweep(folder) - EACH_ONCE - killed(folder)
    assert ran.total() == 1
