"""Stored settings: a sweep killed half-way goes on where it stopped, and nothing stale is found."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sweep_case import AXES, calls, draw, noted, noted_sweep

from w2s_tutorial.sweeps import _finish as finish
from w2s_tutorial.sweeps import _keep as keep
from w2s_tutorial.sweeps import _load as load
from w2s_tutorial.sweeps import sweep

TESTS = Path(__file__).parent
SETTINGS = [f"{n_pool}_{noise}" for n_pool in AXES["n_pool"] for noise in AXES["noise"]]
VICTIM = """
import sys
from pathlib import Path
from joblib import parallel_config
sys.path.insert(0, sys.argv[1])
from sweep_case import noted_sweep
with parallel_config(n_jobs=int(sys.argv[2])):
    noted_sweep(Path(sys.argv[3]))
"""


# Slow enough that a kill falls between any two of its settings, and into the writing of one.
KILLED = """
import os, random, signal, sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import sweep_case
from sweep_case import calls, noted_sweep

draw, folder, trials = sweep_case.draw, Path(sys.argv[2]), int(sys.argv[3])
sweep_case.draw = lambda **setting: time.sleep(0.02) or draw(**setting)
moments, same, part = random.Random(0), 0, 0
(folder / "whole").mkdir()
(folder / "whole" / "go").touch()
start = time.monotonic()
whole = noted_sweep(folder / "whole")
seconds = time.monotonic() - start
for trial in range(trials):
    own = folder / f"killed{trial}"
    own.mkdir()
    (own / "go").touch()
    child = os.fork()
    if child == 0:
        noted_sweep(own)
        os._exit(0)
    time.sleep(seconds * moments.random())
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    kept = len(list((own / "store").glob("*.npz")))
    before = calls(own).total() if (own / "calls").exists() else 0
    same += noted_sweep(own).equals(whole) and calls(own).total() - before == 8 - kept
    part += 0 < kept < 8
print(same, part)
"""


def stored(folder: Path) -> set[Path]:
    return set((folder / "store").glob("*.npz"))


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_sweep_resumes(tmp_path, jobs):
    command = [sys.executable, "-c", VICTIM, str(TESTS), str(jobs), str(tmp_path)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    victim = subprocess.Popen(command, env=environment, start_new_session=True)
    try:
        patience = time.monotonic() + 300
        tmp_path.joinpath("calls").mkdir(exist_ok=True)
        while len(stored(tmp_path)) < 4 or calls(tmp_path).total() < 4 + jobs:
            assert victim.poll() is None, "the sweep ended before it could be killed"
            assert time.monotonic() < patience
            time.sleep(0.02)
    finally:
        os.killpg(victim.pid, signal.SIGKILL)
        victim.wait()
    in_flight = Counter(SETTINGS[4 : 4 + jobs])
    assert calls(tmp_path) == Counter(SETTINGS[:4]) + in_flight
    before = {path: path.stat().st_mtime_ns for path in stored(tmp_path)}

    (tmp_path / "go").touch()
    table = noted_sweep(tmp_path)
    assert calls(tmp_path) == Counter(SETTINGS) + in_flight
    assert {path: path.stat().st_mtime_ns for path in before} == before
    pd.testing.assert_frame_equal(table, sweep(draw, AXES))
    pd.testing.assert_frame_equal(table, noted_sweep(tmp_path))
    assert calls(tmp_path) == Counter(SETTINGS) + in_flight, "a finished sweep runs nothing"


def test_sweeps_killed_at_random_moments_lose_nothing(tmp_path):
    """Each goes on to the same table and repeats no finished setting; KILLS=20 tries 20."""
    trials = int(os.environ.get("KILLS", "4"))
    command = [sys.executable, "-c", KILLED, str(TESTS), str(tmp_path), str(trials)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    same, part = map(int, run.stdout.split())
    assert same == trials
    assert part > 0, "some were killed between their settings"


def fragile(*, folder, n_pool, noise):
    result = noted(folder=folder, n_pool=n_pool, noise=noise)
    if n_pool == 40 and (Path(folder) / "broken").exists():
        raise ZeroDivisionError("no pool")
    return result


def test_an_error_names_its_setting_and_keeps_what_is_finished(tmp_path):
    def attempt():
        return sweep(fragile, AXES, store=tmp_path / "store", version="1", folder=str(tmp_path))

    (tmp_path / "go").touch()
    (tmp_path / "broken").touch()
    with pytest.raises(ZeroDivisionError, match="no pool") as error:
        attempt()
    assert error.value.__notes__ == ["run failed at {'n_pool': 40, 'noise': 0.1}"]
    assert len(stored(tmp_path)) == 4
    (tmp_path / "broken").unlink()
    pd.testing.assert_frame_equal(attempt(), sweep(draw, AXES))
    assert calls(tmp_path) == Counter(SETTINGS) + Counter([SETTINGS[4]])


@pytest.mark.parametrize(
    "damage", [lambda b: b[:-20], lambda b: b[:30], lambda b: b"", lambda b: b"\x80\x04K\x01."]
)
def test_a_damaged_file_is_made_anew_with_a_warning(tmp_path, damage):
    (tmp_path / "go").touch()
    table = noted_sweep(tmp_path)
    broken = sorted(stored(tmp_path))[3]
    whole = broken.read_bytes()
    broken.write_bytes(damage(whole))
    with pytest.warns(UserWarning, match=rf"{broken.name} is damaged, its setting runs again"):
        again = noted_sweep(tmp_path)
    pd.testing.assert_frame_equal(again, table)
    assert calls(tmp_path).total() == len(SETTINGS) + 1
    assert sorted(calls(tmp_path).values())[-1] == 2
    assert load(broken).keys() == {("weak",), ("student",)}


def test_a_damaged_file_is_removed_whoever_reads_it(tmp_path):
    path = tmp_path / "r.npz"
    path.write_bytes(b"half a fi")
    with pytest.warns(UserWarning, match="r.npz is damaged, its setting runs again"):
        assert load(path) is None
    assert not path.exists()


def test_the_result_of_another_setting_is_not_believed(tmp_path):
    (tmp_path / "go").touch()
    table = noted_sweep(tmp_path)
    first, second, *_ = sorted(stored(tmp_path))
    second.write_bytes(first.read_bytes())
    with pytest.warns(UserWarning, match=rf"{second.name} is damaged.* it holds the result of"):
        again = noted_sweep(tmp_path)
    pd.testing.assert_frame_equal(again, table)
    assert calls(tmp_path).total() == len(SETTINGS) + 1


def test_a_folder_in_place_of_a_result_is_said(tmp_path):
    (tmp_path / "go").touch()
    noted_sweep(tmp_path)
    path = sorted(stored(tmp_path))[0]
    path.unlink()
    path.mkdir()
    with pytest.raises(ValueError, match=rf"{path.name} must be a stored result, got a folder"):
        noted_sweep(tmp_path)


def test_a_flipped_bit_is_harmless_or_noticed(tmp_path):
    path = tmp_path / "r.npz"
    result = {("weak", 1): np.array([0.1, 0.2]), ("student", 0.3): np.float32([0.3, 0.4])}
    keep(path, {"n": 1}, result)
    whole = path.read_bytes()
    noticed = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            back = load(path)
        noticed += back is None
        assert bool(told) == (back is None)
        if back is not None:
            assert back.keys() == result.keys()
            for role, values in result.items():
                np.testing.assert_array_equal(back[role], values, strict=True)
    assert noticed > len(whole) / 4, "and some bits do matter"


def test_what_is_kept_can_be_read_by_people(tmp_path):
    keep(tmp_path / "r.npz", {"n": 1, "loss": "gce"}, {("weak", 0.1): np.zeros(2)})
    with np.load(tmp_path / "r.npz") as file:
        about = json.loads(str(file["about"]))
    assert about["setting"] == "{'n': 1, 'loss': 'gce'}"
    assert about["keys"] == [["weak", 0.1]]


def test_a_worker_that_is_asked_twice_runs_once(tmp_path):
    (tmp_path / "go").touch()
    setting = {"n_pool": 10, "noise": 0.5}
    first, second = (
        finish(noted, ("role",), setting, tmp_path / "r.npz", folder=str(tmp_path))
        for _ in range(2)
    )
    np.testing.assert_equal(second, first)
    assert calls(tmp_path).total() == 1
