"""Published networks that were fine-tuned: their tables, parts of them anew, runs that go on."""

from __future__ import annotations

import importlib
import importlib.util
import json
import runpy
import shutil
import sys
from collections.abc import Iterator
from types import ModuleType

import pandas as pd
import pytest
import torch
from conftest import ROOT

from w2s_tutorial import whole
from w2s_tutorial.networks import efficientnet_lite, minilm
from w2s_tutorial.tables import load_result, save_result

FOLDER = ROOT / "data" / "whole_networks"
MINE = ("draws", "small", "lite", "minilm", "controls", "pictures", "views")


@pytest.fixture(scope="module")
def program() -> Iterator[object]:
    """Imports a program of the folder and forgets it afterwards: their names are common."""
    before, path = {name: sys.modules.pop(name, None) for name in MINE}, list(sys.path)
    sys.path.insert(0, str(FOLDER))
    yield importlib.import_module
    sys.path[:] = path
    for name in MINE:
        sys.modules.pop(name, None)
        if before[name] is not None:
            sys.modules[name] = before[name]


def without(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(
        importlib.util.find_spec(package) is None, reason=f"needs the package {package}"
    )


def rows(table: pd.DataFrame, teacher: str, run: int, arm: str) -> pd.DataFrame:
    chosen = table.query("teacher == @teacher and run == @run and arm == @arm")
    return chosen.reset_index(drop=True)


def check_measures(table: pd.DataFrame) -> None:
    """Shares are shares; accuracy lies between its groups' means; a teacher agrees with itself."""
    shares = table[["accuracy", "minority", "majority", "fits", "pool", "agrees", "sure"]]
    assert shares.min().min() >= 0
    assert shares.max().max() <= 1
    low, high = (table[["minority", "majority"]].agg(end, axis=1) for end in ("min", "max"))
    # Groups are weighed alike within minority and majority, examples within accuracy.
    assert (table["accuracy"] > low - 0.06).all()
    assert (table["accuracy"] < high + 0.06).all()
    weak = table[table["arm"] == "weak"]
    assert (weak["fits"] == 1).all()
    assert weak[["misfit", "gain", "seen_misfit"]].abs().max().max() < 1e-3


def check_draws(module: ModuleType, table: pd.DataFrame, arms: dict[str, set[str]]) -> None:
    """Each teacher has its arms, each arm every draw at every look; the .json tells how."""
    check_measures(table)
    drawn = table.groupby(["teacher", "arm", "step"])["run"].apply(list)
    assert all(runs == [*range(module.RUNS)] for runs in drawn)
    assert table.groupby("teacher")["arm"].unique().map(set).to_dict() == arms
    moved = {*module.LOOKS, module.FIT["steps"]}
    looks = table.groupby(["teacher", "arm"])["step"].unique().map(set)
    assert all(steps in ({0}, moved) for steps in looks)
    told = json.loads(json.dumps(module.SETTINGS))
    assert {name: table.attrs[name] for name in told} == told
    assert {"l2", "looks", "lr", "sizes", "weights"} <= set(told)


def test_every_arm_of_the_large_network_has_every_draw(program):
    lite, table = program("lite"), load_result(FOLDER / "lite.csv")
    check_draws(lite, table, {"hog": set(lite.arms()), "pixels": set(lite.FEW)})
    # Both teachers label the same pictures, so that what is told the truth is the same.
    for arm in ("ceiling, frozen head", "baseline, frozen head"):
        told = table[table["arm"] == arm].pivot(index="run", columns="teacher", values="accuracy")
        assert told["hog"].tolist() == told["pixels"].tolist()
    weak = table[table["arm"] == "weak"].pivot(index="run", columns="teacher", values="accuracy")
    assert (weak["hog"] != weak["pixels"]).any()


@without(efficientnet_lite.PACKAGE)
def test_a_draw_of_the_large_network_comes_out_again(program, data_folder, monkeypatch):
    monkeypatch.setenv("W2S_DATA", str(data_folder))
    lite, table = program("lite"), load_result(FOLDER / "lite.csv")
    images, seen = lite.photographs()
    one = lite.draw(seen, images, "hog", 0)
    for arm in ("weak", "frozen head", "ceiling, frozen head"):
        again = whole.measures(one.taught(**lite.arms()[arm]), one.world)
        stored = rows(table, "hog", 0, arm)
        assert (again["accuracy"] - stored["accuracy"]).abs().max() < 6e-3, arm
        assert (again["sure"] - stored["sure"]).abs().max() < 6e-3, arm
    other = rows(table, "hog", 1, "frozen head")
    assert (other["sure"] - rows(table, "hog", 0, "frozen head")["sure"]).abs().max() > 6e-3


def test_every_arm_of_the_encoder_has_every_draw(program):
    reviews, table = program("minilm"), load_result(FOLDER / "minilm.csv")
    arms = {"glove": {*reviews.arms(), "everything"}, "vader": {"weak", "frozen head"}}
    check_draws(reviews, table, arms)
    assert table.attrs["everything"] == reviews.RUNS
    # Groups are what the list of words gets wrong or right: so it has nothing of the minority.
    listed = table.query("teacher == 'vader' and arm == 'weak'")
    assert (listed["minority"] == 0).all()
    assert (listed["majority"] == 1).all()
    assert listed["accuracy"].nunique() == 1


@without(minilm.PACKAGE)
def test_a_draw_of_the_encoder_comes_out_again(program, data_folder, monkeypatch):
    pytest.importorskip("transformers", reason="needs the extra 'pretrained'")
    monkeypatch.setenv("W2S_DATA", str(data_folder))
    reviews, table = program("minilm"), load_result(FOLDER / "minilm.csv")
    pieces, seen = reviews.reviews()
    one = reviews.draw(seen, pieces, 0)
    for arm in ("weak", "frozen head", "baseline, frozen head"):
        again = whole.measures(one.taught(**reviews.arms()[arm]), one.world)
        stored = rows(table, "glove", 0, arm)
        assert (again["accuracy"] - stored["accuracy"]).abs().max() < 6e-3, arm
        assert (again["sure"] - stored["sure"]).abs().max() < 6e-3, arm
    # The network in two parts is the published one.
    some = one.world.images["test"][0, :8]
    whole_network = minilm.minilm()
    torch.testing.assert_close(reviews.All()(some), whole_network(some), rtol=1e-4, atol=1e-5)
    padded = torch.cat([some, some.new_zeros(8, 5)], 1)
    torch.testing.assert_close(reviews.All()(padded), reviews.All()(some), rtol=1e-4, atol=1e-5)
    assert (reviews.All()(some) - reviews.All()(some.flip(0))).abs().max() > 0.1


def test_controls_agree_with_the_table_that_they_control(program):
    controls, table = program("controls"), load_result(FOLDER / "controls.csv")
    small = load_result(FOLDER / "small.csv").query("teacher == 'pixels' and arm == 'head first'")
    same = table.query("labeled == 0.25 and pooled == 0.25 and pool_size == 400")
    ends = small[small["step"] == 160].set_index("run")["accuracy"]
    for rate, equal in (("1", True), ("3", False)):
        found = same[same["arm"] == f"head first, rate {rate}"].set_index("run")["accuracy"]
        assert found.equals(ends) == equal
    key = ["labeled", "pooled", "pool_size"]
    settings = [tuple(found) for found in table[key].drop_duplicates().to_numpy().tolist()]
    assert settings == [tuple(setting[:3]) for setting in controls.SETTINGS]
    assert (table.groupby([*key, "arm"])["run"].nunique() == 8).all()


def test_frozen_roles_of_a_control_come_out_again(program):
    controls, table = program("controls"), load_result(FOLDER / "controls.csv")
    setting = controls.SETTINGS[-1]
    again = controls.measured(*setting[:3], (), 8)
    stored = table.query("labeled == 0.5 and pooled == 0.5")
    for arm, found in again.groupby("arm"):
        there = stored[stored["arm"] == arm]["accuracy"].to_numpy()
        assert abs(found["accuracy"].to_numpy() - there).max() < 6e-3, arm


@pytest.fixture
def draws(program) -> ModuleType:
    return program("draws")


KEYS = [("hog", 0, "weak"), ("hog", 0, "all"), ("hog", 1, "weak")]


def jobs_of(values: dict, asked: list) -> dict:
    """A job for each key, which says that it was asked; it is stopped where the value is None."""

    def job(key):
        def make():
            asked.append(key)
            if values[key] is None:
                raise KeyboardInterrupt
            value = values[key]
            return pd.DataFrame({"step": [0, 4], "accuracy": [value, value + 0.00001]})

        return make

    return {key: job(key) for key in values}


def test_what_is_finished_is_not_done_again(draws, tmp_path):
    asked: list[tuple[str, int, str]] = []
    values = dict(zip(KEYS, (0.25, None, 0.5), strict=True))
    kept, how = tmp_path / "store" / "kept.csv", {"l2": 0.1, "looks": (0, 4)}
    with pytest.raises(KeyboardInterrupt):
        draws.finished(jobs_of(values, asked), kept, **how)
    assert asked == KEYS[:2]
    values[KEYS[1]] = 0.75
    table = draws.finished(jobs_of(values, asked), kept, **how)
    assert asked == [*KEYS[:2], *KEYS[1:]]
    assert table["accuracy"].tolist() == [0.25, 0.25, 0.75, 0.75, 0.5, 0.5]
    assert [tuple(row) for row in table[draws.KEY].to_numpy().tolist()][::2] == KEYS
    # An earlier table counts like what was kept; a fresh start does everything.
    save_result(table, tmp_path / "before.csv", how)
    jobs = jobs_of(dict.fromkeys(KEYS[::-1], 0.9), asked)
    taken = draws.finished(jobs, tmp_path / "none.csv", tmp_path / "before.csv", **how)
    assert len(asked) == 4
    assert taken["accuracy"].tolist() == [0.5, 0.5, 0.75, 0.75, 0.25, 0.25]
    assert (draws.finished(jobs, tmp_path / "new.csv", **how)["accuracy"] == 0.9).all()
    assert len(asked) == 7


@pytest.mark.parametrize("where", ["kept", "before"])
@pytest.mark.parametrize(
    ("how", "named"),
    [
        ({"l2": 0.2, "looks": (0, 4)}, "l2"),
        ({"l2": 0.1, "looks": (0, 8)}, "looks"),
        ({"l2": 0.1}, "looks"),  # it does not say
        (None, "l2 and looks"),  # nothing is beside it
    ],
)
def test_a_table_of_other_settings_is_refused(draws, tmp_path, where, how, named):
    asked: list[tuple[str, int, str]] = []
    paths = {name: tmp_path / f"{name}.csv" for name in ("kept", "before")}
    table = pd.DataFrame(KEYS[:1], columns=draws.KEY).assign(step=0, accuracy=0.25)
    save_result(table, paths[where], how or {})
    if how is None:
        paths[where].with_suffix(".json").unlink()
    jobs = jobs_of(dict.fromkeys(KEYS, 0.9), asked)
    with pytest.raises(ValueError, match=rf"{where}\.csv must be .* it has another {named}: leave"):
        draws.finished(jobs, *paths.values(), l2=0.1, looks=(0, 4))
    assert not asked
    save_result(table, paths[where], {"l2": 0.1, "looks": (0, 4), "date": "another"})
    again = draws.finished(jobs, *paths.values(), l2=0.1, looks=(0, 4))
    assert again["accuracy"].tolist() == [0.25, 0.9, 0.9, 0.9, 0.9]


@pytest.mark.parametrize("name", ["lite", "minilm"])
def test_the_command_finds_all_that_it_stores(program, tmp_path, monkeypatch, name):
    """It takes every arm from the table, trains none, and writes the same bytes."""
    for path in FOLDER.glob(f"{name}.*[nv]"):
        shutil.copy(path, tmp_path)
    store = tmp_path / "store"
    asked = [name, "--folder", str(tmp_path), "--store", str(store)]
    monkeypatch.setattr(sys, "argv", asked)
    runpy.run_path(str(FOLDER / f"{name}.py"), run_name="__main__")
    assert (tmp_path / f"{name}.csv").read_bytes() == (FOLDER / f"{name}.csv").read_bytes()
    assert not store.exists()
    told, before = (load_result(some / f"{name}.csv").attrs for some in (tmp_path, FOLDER))
    machine = {"date", "package", "torch", "python", "device", "source_sha256"}
    assert {**told, **dict.fromkeys(machine)} == {**before, **dict.fromkeys(machine)}
