"""A setting's file name and random stream depend on its content, all of it and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from sweep_case import AXES, draw, noted

import w2s_tutorial
from w2s_tutorial import storage, sweeps
from w2s_tutorial.problems import IntrinsicProblem
from w2s_tutorial.storage import generator_for
from w2s_tutorial.sweeps import sweep


def name(setting=None, run=draw, fixed=None, version="1"):
    return sweeps._result_files(Path("store"), run, [setting or {"n": 1}], fixed or {}, version)[0]


def test_a_result_is_named_by_all_that_could_change_it(monkeypatch):
    problem = IntrinsicProblem.published(d_shared=10, n_pool=400, n_labeled=2000, noise=0.01)
    other = IntrinsicProblem.published(d_shared=10, n_pool=400, n_labeled=2000, noise=0.02)
    names = [
        name(),
        name({"n": 2}),
        name({"n": 1.0}),
        name({"n": "1"}),
        name({"m": 1}),
        name({"n": 1, "m": 1}),
        name(run=noted),
        name(fixed={"m": 1}),
        name(fixed={"m": torch.zeros(2)}),
        name(fixed={"m": torch.ones(2)}),
        name(fixed={"m": problem}),
        name(fixed={"m": other}),
        name(version="2"),
    ]
    monkeypatch.setattr(w2s_tutorial, "__version__", "0.0.0")
    names.append(name())
    assert len(set(names)) == len(names)


def test_equal_settings_have_equal_names_and_streams():
    python = {"n": 10, "eta": 0.25, "sizes": (1, 2), "more": {"a": 1, "b": 2}}
    numpy = {
        "eta": np.float64(0.25),
        "more": {"b": np.int32(2), "a": 1},
        "n": np.int64(10),
        "sizes": [np.int64(1), 2],
    }
    assert name(numpy) == name(python)
    one, two, other = (
        torch.rand(4, generator=g)
        for g in (generator_for(python), generator_for(numpy), generator_for(python, seed=1))
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_streams_stay_what_they_were():
    # Not a measurement: whatever changes these two changes every table that was ever made.
    seeds = [generator_for({"n": 10, "eta": 0.5}, seed=seed).initial_seed() for seed in (0, 1)]
    assert seeds == [8283008485086214352, 14885705094408890955]


def test_streams_of_settings_are_independent():
    draws = torch.stack([torch.randn(1000, generator=generator_for({"n": n})) for n in range(100)])
    among = torch.corrcoef(draws)[*torch.triu_indices(100, 100, 1)]
    # Of independent normal draws, a correlation's square has the mean 1 / (1000 - 1).
    z = ((999 * among**2).mean() - 1) / ((999 * among**2).std() / len(among) ** 0.5)
    assert abs(z) < 4


def test_bad_input_is_named(tmp_path):
    with pytest.raises(ValueError, match="version must say which state of run's code"):
        sweep(draw, AXES, store=tmp_path)
    for nameless in (lambda n_pool, noise: draw(n_pool=n_pool, noise=noise), draw.__call__):
        with pytest.raises(ValueError, match="run must be a function defined by name"):
            sweep(nameless, AXES, store=tmp_path, version="1")
    with pytest.raises(ValueError, match="loss must have content that can be compared"):
        sweep(draw, AXES, store=tmp_path, version="1", loss=len)
    with pytest.raises(ValueError, match="loss must have content that can be compared"):
        generator_for({"loss": len})
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="store must be a folder, got the file"):
        sweep(draw, AXES, store=tmp_path / "file", version="1")
    for axis in ("role", "head", "value", "shift"):
        with pytest.raises(ValueError, match=f"axis {axis} must have another name"):
            sweep(draw, {**AXES, axis: [1]}, shift=0.0)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


GLOBAL = torch.Generator().manual_seed(0)


def from_global(*, n_pool, noise):
    return {"weak": torch.randn(3, generator=GLOBAL)}


def from_argument(*, n_pool, noise, generator):
    return {"weak": torch.randn(3, generator=generator)}


def test_a_generator_shared_by_settings_is_for_sweeps_in_order(tmp_path):
    generator = torch.Generator().manual_seed(0)
    store = {"store": tmp_path, "version": "1"}
    with pytest.raises(ValueError, match="GLOBAL must not be a generator when settings are stored"):
        sweep(from_global, AXES, **store)
    with pytest.raises(ValueError, match="generator must not be a generator"):
        sweep(from_argument, AXES, **store, generator=generator)
    same = torch.Generator().manual_seed(0)
    expected = torch.cat([torch.randn(3, generator=same) for _ in range(8)]).numpy()
    for table in (sweep(from_global, AXES), sweep(from_argument, AXES, generator=generator)):
        np.testing.assert_array_equal(table["value"], expected)


# Notebooks and scripts ------------------------------------------------------------------------

NOTEBOOK = """
import linecache, pathlib, sys
from functools import partial

from w2s_tutorial.sweeps import sweep

LEVEL = {level}
FITS = {{"plain": partial(pow, 2)}}


def helper(n):
    return {helped}


def run(n):
    return {{"weak": [float(x) for x in [LEVEL + helper(n) + FITS["plain"](n), {own}]]}}


print(sweep(run, {{"n": [1, 2]}}, store="store", version="1")["value"].tolist())
"""


def as_script(folder: Path, **parts: object) -> list[float]:
    texts = {"level": 0, "helped": "n", "own": "n"} | parts
    (folder / "script.py").write_text(NOTEBOOK.format(**texts))
    command = [sys.executable, "script.py"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    told = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(told.stdout)


def test_functions_of_two_notebooks_share_nothing_unless_all_is_the_same(tmp_path):
    """Same name, same store, same version: only what they do is different."""
    assert as_script(tmp_path) == [3, 1, 6, 2]
    stored = len(list((tmp_path / "store").iterdir()))
    assert as_script(tmp_path) == [3, 1, 6, 2]
    assert len(list((tmp_path / "store").iterdir())) == stored == 2, "the same is found again"
    assert as_script(tmp_path, own="n + 1") == [3, 2, 6, 3]
    assert as_script(tmp_path, level=10) == [13, 1, 16, 2], "a global inside a comprehension"
    assert as_script(tmp_path, helped="10 * n") == [12, 1, 24, 2], "a function that run calls"
    assert len(list((tmp_path / "store").iterdir())) == 8


class Opaque:
    __slots__ = ()


def test_what_a_notebook_refers_to_must_have_content(monkeypatch):
    def run(n):
        return {"weak": [n, SEEN]}

    for part, message in (
        (Opaque(), "SEEN must have content that can be compared"),
        ([Opaque, {"a": np.int64(3)}], None),
        (IntrinsicProblem.published(d_shared=2, n_pool=40, n_labeled=60, noise=0.1), None),
        (Path("x"), None),
        (torch.nn.Linear(2, 2), None),
    ):
        monkeypatch.setitem(globals(), "SEEN", part)
        monkeypatch.setattr(run, "__module__", "__main__")
        if message:
            with pytest.raises(ValueError, match=message):
                storage.code_key(run, strict=True)
        else:
            first = storage.code_key(run, strict=True)
            assert storage.code_key(run, strict=True) == first


SEEN = 0


def in_comprehension(*, n_pool, noise):
    return {"weak": [float(torch.rand(1, generator=GLOBAL)) for _ in range(3)]}


def with_default(*, n_pool, noise, generator=GLOBAL):
    return {"weak": torch.randn(3, generator=generator)}


@pytest.mark.parametrize("run", [in_comprehension, with_default])
def test_a_generator_is_found_wherever_a_function_can_reach_it(run, tmp_path):
    with pytest.raises(ValueError, match="must not be a generator when settings are stored"):
        sweep(run, AXES, store=tmp_path, version="1")
