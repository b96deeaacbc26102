"""What data/whole_networks stores: complete, consistent with itself, and the same when redone."""

import importlib.util

import pandas as pd
import pytest
from conftest import ROOT

from w2s_tutorial import whole
from w2s_tutorial.tables import load_result

FOLDER = ROOT / "data" / "whole_networks"
KEYS = ["teacher", "labeled", "pooled", "arm"]


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("whole_networks_small", FOLDER / "small.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def small():
    return load_result(FOLDER / "small.csv")


def test_every_arm_has_every_run_and_look(script, small):
    looks = [*script.LOOKS, script.FIT["steps"]]
    for (teacher, *_, arm), table in small.groupby(KEYS):
        still = arm == "weak" or (arm.endswith("frozen head") and "updates" not in arm)
        once = teacher == "distracted" and arm == "ceiling, everything"
        wanted = [0] if still else looks[-1:] if once else looks
        assert sorted(set(table["step"])) == wanted, arm
        runs = table.groupby("step")["run"].apply(list)
        assert all(found == [*range(script.RUNS)] for found in runs)
    assert small.groupby(KEYS[:3]).ngroups == 2 + len(script.REGIMES)
    assert small[small["teacher"] == "pixels"]["arm"].nunique() == 20


def test_measures_agree_with_each_other(small):
    shares = ["accuracy", "minority", "majority", "fits", "pool", "agrees", "sure"]
    assert small[shares].min().min() >= 0
    assert small[shares].max().max() <= 1
    # Half of the test set is minority, so accuracy lies in the middle.
    middle = (small["minority"] + small["majority"]) / 2
    assert (small["accuracy"] - middle).abs().max() < 2e-4
    weak = small[small["arm"] == "weak"]
    assert (weak["fits"] == 1).all()
    assert weak[["misfit", "gain", "seen_misfit"]].abs().max().max() < 1e-3
    twins = small[small["apart"].notna()]
    assert set(twins["arm"]) == {"everything"}
    assert twins.query("step == 0")["apart"].mean() > twins.query("step == 160")["apart"].mean()


@pytest.mark.parametrize("setting", [("pixels", 0.25, 0.25), ("distracted", 0.05, 0.5)])
def test_the_frozen_roles_come_out_again(script, small, setting):
    world = script.world_of(*setting, script.RUNS)
    stored = small
    for column, value in zip(KEYS, setting, strict=False):
        stored = stored[stored[column] == value]
    for arm, taught in script.still(world):
        redone = whole.measures(taught, world)
        there = stored[stored["arm"] == arm].reset_index(drop=True)
        assert (redone["accuracy"] - there["accuracy"]).abs().max() < 6e-3, arm
        others = stored[(stored["arm"] != arm) & (stored["step"] == 0)]
        assert len(others) > len(there)


def test_bodies_are_measured_before_and_after(script):
    bodies = load_result(FOLDER / "features.csv")
    assert bodies.groupby(KEYS)["run"].apply(list).map(lambda runs: runs == [*range(8)]).all()
    before = bodies[bodies["arm"] == "before"]
    assert before.groupby(KEYS[:3]).ngroups == bodies.groupby(KEYS[:3]).ngroups
    # One body for all runs and settings: what it knows of the photograph differs by the draw only.
    by_draw = before.pivot(index="run", columns=KEYS[:3], values="photograph")
    assert isinstance(by_draw, pd.DataFrame)
    assert by_draw.std(axis=1).max() < 0.06
