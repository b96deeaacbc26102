"""Sweeps on a real Dask cluster and on joblib's processes, and the page that shows how."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import pytest
import torch
from conftest import ROOT
from distributed import Client, LocalCluster
from joblib import parallel_config
from joblib.externals.loky import get_reusable_executor
from sweep_case import AXES, calls, draw, noted, noted_sweep

from w2s_tutorial.settings import keep
from w2s_tutorial.sweeps import sweep

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "book" / "clusters.md").read_text(), re.S)
STUDY, LAPTOP, DASK, SLURM, RAY = BLOCKS


@pytest.fixture(scope="module")
def cluster():
    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    with LocalCluster(**options, dashboard_address=None) as cluster, Client(cluster) as client:
        yield client


@pytest.fixture
def client(cluster):
    """Both workers are up: with one alone, joblib would run everything in this process."""
    cluster.wait_for_workers(2, timeout=120)
    return cluster


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "go").touch()
    return tmp_path


def workers(folder: Path) -> set[int]:
    return {int(name.split("_")[2]) for name in os.listdir(folder / "calls")}


def test_a_cluster_makes_the_same_table(client, folder):
    with parallel_config(backend="dask"):
        table = noted_sweep(folder)
        assert workers(folder) <= set(client.run(os.getpid).values())
        pd.testing.assert_frame_equal(table, sweep(draw, AXES))
        pd.testing.assert_frame_equal(noted_sweep(folder), table)
    assert calls(folder).total() == len(calls(folder)) == 8
    pd.testing.assert_frame_equal(noted_sweep(folder), table)
    assert calls(folder).total() == 8, "what a cluster stored is found without one"


def fragile(*, folder, n_pool, noise):
    result = noted(folder=folder, n_pool=n_pool, noise=noise)
    if n_pool == 40 and noise == 0.5:
        raise ZeroDivisionError("no pool")
    return result


def test_an_error_on_a_worker_names_its_setting(client, folder):
    with (
        parallel_config(backend="dask"),
        pytest.raises(ZeroDivisionError, match="no pool") as error,
    ):
        sweep(fragile, AXES, store=folder / "store", version="1", folder=str(folder))
    assert "run failed at {'n_pool': 40, 'noise': 0.5}" in error.value.__notes__
    assert calls(folder)["40_0.5"] == 1


def test_a_worker_with_a_disk_of_its_own_sends_its_results_back(client, tmp_path):
    def share(really):
        from w2s_tutorial import settings

        settings.keep = keep if really else lambda path, setting, result: None

    def spread():
        with parallel_config(backend="dask", client=client):
            return noted_sweep(tmp_path)

    client.run(share, False)
    with ThreadPoolExecutor(1) as background:
        table = background.submit(spread)
        try:
            patience = time.monotonic() + 120
            while len(list((tmp_path / "store").glob("*.npz"))) < 4:
                assert time.monotonic() < patience, "results are collected as they come"
                time.sleep(0.02)
            assert not table.done(), "the other settings wait for the file"
        finally:
            (tmp_path / "go").touch()
    client.run(share, True)
    assert os.getpid() not in workers(tmp_path)
    pd.testing.assert_frame_equal(noted_sweep(tmp_path), table.result())
    assert calls(tmp_path).total() == 8


def test_a_generator_in_a_closure_is_refused_where_it_would_be_copied(client):
    generator = torch.Generator().manual_seed(0)

    def run(n):
        return {"weak": torch.randn(n, generator=generator)}

    with (
        parallel_config(backend="dask"),
        pytest.raises(ValueError, match="generator must not be a generator"),
    ):
        sweep(run, {"n": [2, 3]})


def mortal(*, folder, n_pool, noise):
    result = noted(folder=folder, n_pool=n_pool, noise=noise)
    if n_pool == 40 and calls(Path(folder))["40_0.1"] == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return result


def test_a_killed_worker_loses_no_setting(client, folder):
    with parallel_config(backend="dask"):
        axes = {**AXES, "noise": [0.1]}
        table = sweep(mortal, axes, store=folder / "store", version="1", folder=str(folder))
    pd.testing.assert_frame_equal(table, sweep(draw, axes))
    ran = calls(folder)
    assert set(ran) == {"10_0.1", "20_0.1", "40_0.1", "80_0.1"}
    assert ran["40_0.1"] == 2
    # Seen once on a busy machine, cause unknown: a setting beside the killed one ran twice as well.
    assert max(ran.values()) <= 2


# The page -------------------------------------------------------------------------------------


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A folder with the page's module in it, and the table that a serial sweep makes of it."""
    (tmp_path / "study.py").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")
    monkeypatch.delitem(sys.modules, "study", raising=False)
    import study

    return sweep(study.measure, study.AXES, trials=64)


def test_the_page_on_one_machine(study):
    try:
        shown: dict = {}
        exec(LAPTOP, shown)
    finally:
        get_reusable_executor().shutdown()
    pd.testing.assert_frame_equal(shown["results"], study)
    assert len(list(Path("results").glob("*.npz"))) == 9


def test_the_page_on_a_cluster(study, client):
    shown: dict = {}
    exec(DASK.replace("tcp://scheduler:8786", client.scheduler.address), shown)
    shown["client"].close()
    pd.testing.assert_frame_equal(shown["results"], study)


@pytest.mark.parametrize("block", [SLURM, RAY])
def test_what_needs_a_cluster_is_at_least_python(block):
    compile(block, "page", "exec")
