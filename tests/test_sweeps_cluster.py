"""Sweeps on a real Dask cluster and on joblib's processes, and the page that shows how."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pandas as pd
import pytest
import torch
from conftest import ROOT
from joblib import parallel_config
from joblib.externals.loky import get_reusable_executor
from sweep_case import AXES, calls, draw, noted, noted_sweep, workers

from w2s_tutorial.sweeps import sweep

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "book" / "clusters.md").read_text(), re.S)
STUDY, LAPTOP, DASK, SLURM, RAY = BLOCKS


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


def test_a_generator_in_a_closure_is_refused_where_it_would_be_copied(client):
    generator = torch.Generator().manual_seed(0)

    def run(n):
        return {"weak": torch.randn(n, generator=generator)}

    with (
        parallel_config(backend="dask"),
        pytest.raises(ValueError, match="generator must not be a generator"),
    ):
        sweep(run, {"n": [2, 3]})


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
