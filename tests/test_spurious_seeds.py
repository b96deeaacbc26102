"""The pairs by pre-training seed: seed 0 is the stored grid, and a row says what it means."""

from __future__ import annotations

from itertools import product
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT
from helpers_data import script

from w2s_tutorial.shares import fit_law
from w2s_tutorial.tables import load_result

HERE = ROOT / "data" / "spurious"
PAIR = ["dataset", "weak", "strong"]


@pytest.fixture(scope="module")
def seeds(monkeypatch_module: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch_module.syspath_prepend(HERE)
    return script("spurious/seeds")


@pytest.fixture(scope="module")
def monkeypatch_module():
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return load_result(HERE / "seeds.csv")


def test_no_seed_and_no_pair_is_missing(table: pd.DataFrame):
    assert not table.duplicated(["pretraining", *PAIR]).any()
    assert table.notna().all(axis=None)
    counts = table.groupby(["dataset", "pretraining"]).size().unstack()
    assert counts.loc["dominoes"].tolist() == [30] * 3
    assert counts.loc["waterdigits"].tolist() == [20] * 3
    hashes = table.attrs["sha256"]
    assert len(set(hashes.values())) == len(hashes) == 6, "every seed has networks of its own"


def test_seed_0_is_the_stored_grid(table: pd.DataFrame, seeds: ModuleType):
    grid = load_result(HERE / "grid.csv").query("fit == 'logistic' and order != 'same'")
    first = table.query("pretraining == 0").set_index(PAIR)
    for pair, rows in grid.groupby(PAIR):
        surface = rows.pivot(index="minority_labeled", columns="minority_pool", values="gain_all")
        surface = surface.loc[list(seeds.LABELED)]
        for known, pool in product((0.05, 0.5), repeat=2):
            found = first.loc[pair, f"gain {known} {pool}"]
            assert found == pytest.approx(surface.loc[known, pool], abs=2e-4)
        fitted = fit_law(
            torch.tensor(surface.to_numpy())[None],
            torch.tensor(surface.index.to_numpy()),
            torch.tensor(surface.columns.to_numpy()),
        )
        _, k, m = fitted["free"].slopes[0].tolist()
        assert [k, m] == pytest.approx(first.loc[pair, ["k", "m"]].tolist(), abs=0.01)


def test_other_seeds_are_other_networks(table: pd.DataFrame):
    wide = table.pivot(index=PAIR, columns="pretraining", values="gain 0.05 0.05")
    for seed in (1, 2):
        assert (wide[seed] - wide[0]).abs().median() > 0.005
        assert np.corrcoef(wide[seed], wide[0])[0, 1] > 0.8, "kinds of networks are alike"


def test_a_head_is_as_reliant_whatever_its_role_and_partner(table: pd.DataFrame):
    for seed, rows in table.groupby("pretraining"):
        own = rows.groupby(["dataset", "strong"])["baseline relies"]
        assert (own.nunique() == 1).all(), seed
        taught = rows.groupby(["dataset", "weak"])["weak relies"].first()
        assert np.array_equal(taught, own.first()), "a teacher is the same head as a baseline"


def test_what_a_row_says(seeds: ModuleType):
    etas, rows = seeds.measure.ETAS, []
    right = {"weak": (0.9, 0.5), "student": (0.95, 0.65), "baseline": (0.8, 0.9)}
    right["ceiling"] = (0.9, 0.9)
    for known, pool, head in product(seeds.LABELED, etas, range(4)):
        found = {"weak": "w", "strong": "s", "fit": "logistic", "n_labeled": 4, "n_pool": 4}
        found |= {"minority_labeled": known, "minority_pool": pool, "head": head}
        for role, ends in right.items():
            up = 0.1 * pool + 0.001 * head if role == "student" else 0.0
            for where, value in zip("0312", [ends[0], ends[0], ends[1], ends[1]], strict=True):
                rows.append(found | {"role": role, "where": where, "value": value + up})
            mean = sum(ends) / 2 + up
            rows += [found | {"role": role, "where": w, "value": mean} for w in ("all", "worst")]
    long = pd.DataFrame(rows).assign(measure="accuracy")
    said = seeds.row(seeds.measure.by_group(long))
    assert said["weak relies"] == pytest.approx(0.4)
    assert said["baseline relies"] == pytest.approx(-0.1)
    assert said["student relies 0.5"] == pytest.approx(0.3)
    assert said["gain 0.5 0.05"] == pytest.approx(0.8 - 0.7 + 0.005 + 0.0015)
    assert said["line"] == pytest.approx(1)
    assert abs(said["k"]) + abs(said["m"]) < 1e-9
    assert said["behind"] == pytest.approx(5 / 6), "a constant .85 is passed at a pool of .5"
    assert said["ahead"] == 0, "by less than four heads can tell"
