"""The remedy by pre-training seed: no row is missing, seed 0 is methods.csv, a pair anew agrees."""

from __future__ import annotations

from functools import partial
from hashlib import sha256
from itertools import product
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from helpers_data import script

from w2s_tutorial import metrics
from w2s_tutorial.confidence import compare
from w2s_tutorial.datasets import frozen
from w2s_tutorial.storage import generator_for
from w2s_tutorial.tables import load_result

HERE = ROOT / "data" / "confidence"
PAIR = ("dominoes", "mae", "cnn")
KEYS = ["weak", "strong", "minority_labeled", "minority_pool", "method"]


@pytest.fixture(scope="module")
def seeds() -> ModuleType:
    return script("confidence/seeds")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return load_result(HERE / "seeds.csv")


def test_every_network_seed_regime_and_method_is_there_once(
    table: pd.DataFrame, seeds: ModuleType
) -> None:
    pairs = [pair for pair in seeds.measure.pairs() if pair[0] == "dominoes"]
    assert {name for pair in pairs for name in pair[1:]} == set(frozen.BACKBONES)
    rows = product(range(3), pairs, seeds.REGIMES, seeds.METHODS)
    wanted = {(seed, *pair, *shares, method) for seed, pair, shares, method in rows}
    assert set(table[seeds.COLUMNS[:-2]].itertuples(index=False, name=None)) == wanted
    assert len(table) == len(wanted) == 540
    assert table.notna().all(axis=None)


def test_seed_0_is_the_stored_table(table: pd.DataFrame) -> None:
    stored = load_result(HERE / "methods.csv").query("dataset == 'dominoes'")
    both = table.query("pretraining == 0").merge(stored, on=KEYS)
    assert len(both) == 180
    assert (both["average_x"] == both["average_y"]).all()
    assert (both["gain_x"] == both["gain_y"]).all()


def test_a_gain_is_what_a_method_has_more_than_vanilla(table: pd.DataFrame) -> None:
    vanilla = table["average"].where(table["method"] == "vanilla")
    of = [table[name] for name in ("pretraining", *KEYS[:-1])]
    apart = table["average"] - vanilla.groupby(of).transform("first") - table["gain"]
    assert apart.abs().max() < 2e-4, "three numbers of four decimals"


def test_each_seed_has_networks_of_its_own(table: pd.DataFrame) -> None:
    hashes = table.attrs["sha256"]
    for name, path in {
        "methods.csv": HERE / "methods.csv",
        "pretraining 0": frozen.DOMINOES,
    }.items():
        assert hashes[name] == sha256(path.read_bytes()).hexdigest()
    assert len(set(hashes.values())) == len(hashes) == 4
    wide = table.pivot(index=KEYS, columns="pretraining", values="average")
    for seed in (1, 2):
        assert (wide[seed] - wide[0]).abs().median() > 0.003
        assert wide[seed].corr(wide[0]) > 0.9, "kinds of networks are alike"


def vanilla(path: Path, measure: ModuleType, monkeypatch: pytest.MonkeyPatch) -> float:
    """Accuracy of the student of PAIR in the first regime, of the networks of a file."""
    monkeypatch.setitem(measure.READ, "dominoes", partial(frozen.load, path, frozen.BACKBONES))
    measure.seen.cache_clear()
    known, pool = measure.REGIMES[0]
    generator = generator_for({"dataset": "dominoes", "regime": f"{known} {pool}"}, seed=0)
    taught = compare.teach(measure.sets_of(PAIR, (known, pool), measure.HEADS, generator))
    test = taught.sets["test"]
    return float(metrics.accuracy(taught.student(test.strong), test.target).double().mean())


def test_a_pair_measured_anew_agrees(
    table: pd.DataFrame, seeds: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the grid only what these methods need: four cells of twenty."""
    monkeypatch.setattr(compare, "KEPT", (1.0, compare.UNTUNED[0]))
    monkeypatch.setattr(compare, "FORGIVING", (0.0, compare.UNTUNED[1]))
    monkeypatch.setattr(seeds, "REGIMES", seeds.REGIMES[:1])
    found = seeds.of_seed(0, frozen.DOMINOES, [PAIR], tmp_path)
    both = found.merge(table.query("pretraining == 0"), on=KEYS)
    assert set(both["method"]) == set(seeds.METHODS)
    for name in ("average", "gain"):
        assert (both[f"{name}_x"] - both[f"{name}_y"]).abs().max() < 2e-3


def test_with_another_networks_features_it_would_not_agree(
    table: pd.DataFrame, seeds: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {"features.cnn": "features.convnext", "step.cnn": "step.convnext"}
    with np.load(frozen.DOMINOES) as here:
        np.savez(tmp_path / "other.npz", **{name: here[other.get(name, name)] for name in here})
    row = table.query("pretraining == 0 and method == 'vanilla'").set_index(KEYS[:-1])
    stored = row.loc[(*PAIR[1:], *seeds.REGIMES[0]), "average"]
    assert abs(vanilla(frozen.DOMINOES, seeds.measure, monkeypatch) - stored) < 2e-3
    assert abs(vanilla(tmp_path / "other.npz", seeds.measure, monkeypatch) - stored) > 0.02
