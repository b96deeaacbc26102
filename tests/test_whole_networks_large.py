"""Published networks that were fine-tuned: their tables, parts of them anew, runs that go on."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from types import ModuleType

import pandas as pd
import pytest
import torch
from conftest import ROOT

from w2s_tutorial import whole
from w2s_tutorial.networks import efficientnet_lite, minilm
from w2s_tutorial.tables import load_result

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


def test_every_arm_of_the_large_network_has_every_draw(program):
    lite, table = program("lite"), load_result(FOLDER / "lite.csv")
    check_measures(table)
    drawn = table.groupby(["teacher", "arm", "step"])["run"].apply(list)
    assert all(runs == [*range(lite.RUNS)] for runs in drawn)
    arms = table.groupby("teacher")["arm"].unique().map(set)
    assert arms["hog"] == set(lite.arms())
    assert arms["pixels"] == set(lite.FEW)
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
    check_measures(table)
    drawn = table.groupby(["teacher", "arm", "step"])["run"].apply(list)
    assert all(runs == [*range(reviews.RUNS)] for runs in drawn)
    arms = table.groupby("teacher")["arm"].unique().map(set)
    assert arms["glove"] == set(reviews.arms())
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


def test_what_is_finished_is_not_done_again(draws, tmp_path):
    asked: list[tuple[str, int, str]] = []

    def job(key, value):
        def make():
            asked.append(key)
            if value is None:
                raise KeyboardInterrupt
            return pd.DataFrame({"step": [0, 4], "accuracy": [value, value + 0.00001]})

        return make

    keys = [("hog", 0, "weak"), ("hog", 0, "all"), ("hog", 1, "weak")]
    values = dict(zip(keys, (0.25, None, 0.5), strict=True))
    kept = tmp_path / "store" / "kept.csv"
    with pytest.raises(KeyboardInterrupt):
        draws.finished({key: job(key, value) for key, value in values.items()}, kept)
    assert asked == keys[:2]
    values[keys[1]] = 0.75
    table = draws.finished({key: job(key, value) for key, value in values.items()}, kept)
    assert asked == [*keys[:2], *keys[1:]]
    assert table["accuracy"].tolist() == [0.25, 0.25, 0.75, 0.75, 0.5, 0.5]
    assert [tuple(row) for row in table[draws.KEY].to_numpy().tolist()][::2] == keys
    # An earlier table counts like what was kept; a fresh start does everything.
    table.to_csv(tmp_path / "before.csv", index=False)
    jobs = {key: job(key, 0.9) for key in keys[::-1]}
    taken = draws.finished(jobs, tmp_path / "none.csv", tmp_path / "before.csv")
    assert len(asked) == 4
    assert taken["accuracy"].tolist() == [0.5, 0.5, 0.75, 0.75, 0.25, 0.25]
    assert (draws.finished(jobs, tmp_path / "new.csv")["accuracy"] == 0.9).all()
    assert len(asked) == 7
