"""What data/confidence stores: complete, consistent with itself, and summarized as it says."""

import importlib.util

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT

from w2s_tutorial.tables import load_result

FOLDER = ROOT / "data" / "confidence"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("confidence_measure", FOLDER / "measure.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def stored(name):
    return load_result(FOLDER / f"{name}.csv")


def test_every_pair_is_there_in_every_regime(script):
    pairs = script.pairs()
    assert len(pairs) == len(set(pairs)) == 2 + 15 + 10
    for name, each in (("methods", 29), ("grid", 20), ("kept", 5), ("rule", 1)):
        table = stored(name)
        assert len(table) == each * len(pairs) * len(script.REGIMES)
        assert (
            not table.drop(columns=[c for c in table if "minority_right" in c]).isna().any().any()
        )
        assert set(table[["dataset", "weak", "strong"]].agg(" ".join, axis=1)) == set(pairs)


def test_students_are_stronger_than_their_teachers_on_true_labels(script):
    probes = pd.read_csv(ROOT / "data" / "dominoes" / "probes.csv").query("role == 'average'")
    mean = probes.set_index(["dataset", "backbone"])["mean"]
    for dataset, weak, strong in (pair.split() for pair in script.pairs()[2:]):
        assert mean[dataset, weak] < mean[dataset, strong]


def test_the_tables_agree_with_each_other(script):
    methods, grid, kept = (stored(name) for name in ("methods", "grid", "kept"))
    vanilla = methods[methods["method"] == "vanilla"].set_index(script.KEYS)["average"]
    corner = grid[(grid["p"] == 1) & (grid["q"] == 0)].set_index(script.KEYS)
    # Solved to the same tolerance in another company: a test example or two may change sides.
    assert (corner["average"] - vanilla).abs().max() < 1e-3
    assert corner["gain"].abs().max() < 1e-3
    untuned = methods[methods["method"] == "untuned"].set_index(script.KEYS)
    assert ((untuned["average"] - vanilla) - untuned["gain"]).abs().max() < 2e-4
    whole = kept[kept["p"] == 1]
    assert (whole["minority"] - whole["minority_pool"]).abs().max() < 1e-3


def test_a_gain_is_paired_by_head_and_the_worst_group_that_of_the_means(script):
    g = np.random.default_rng(0)
    level = g.normal(size=(30, 1)) * 0.2
    vanilla = np.array([0.7, 0.5, 0.6, 0.8]) + level + 0.001 * g.normal(size=(30, 4))
    better = vanilla + 0.02
    found = script.judged(better, vanilla)
    assert found["gain"] == pytest.approx(0.02)
    assert found["gain_high"] - found["gain_low"] < 1e-9  # the level of a head cancels
    assert found["average_high"] - found["average_low"] > 0.05
    assert found["worst"] == pytest.approx(better[:, 1].mean())
    assert found["worst_gain"] == pytest.approx(0.02)


def test_heads_without_a_value_do_not_count(script):
    found = script.interval(np.array([0.2, np.nan, 0.4]), "x")
    assert found["x"] == pytest.approx(0.3)
    assert np.isnan(script.interval(np.array([0.2, np.nan]), "x")["x"])
