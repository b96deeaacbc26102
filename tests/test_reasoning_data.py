"""Stored results of the chapter on reasoning: whole, consistent, and what the code still gives."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest
from conftest import ROOT

from w2s_tutorial.simulation import weak_reasoner
from w2s_tutorial.tables import load_result

DATA = ROOT / "data" / "reasoning"
TABLES = {name: load_result(DATA / f"{name}.csv") for name in ("arms", "course", "staged")}


def test_every_seed_has_every_row():
    seeds = [sorted(set(table["seed"])) for table in TABLES.values()]
    assert seeds[0] == seeds[1] == seeds[2] == list(range(len(seeds[0])))
    for table, columns in (("arms", ["arm"]), ("course", ["arm", "updates"])):
        counts = TABLES[table].groupby(columns)["seed"].nunique()
        assert (counts == len(seeds[0])).all()
    counts = TABLES["staged"].groupby(["arm", "large"])["seed"].nunique()
    assert (counts == len(seeds[0])).all()


def test_sets_that_are_compared_are_of_equal_number():
    examples = TABLES["arms"].pivot(index="seed", columns="arm", values="examples")
    assert (examples["right"] == examples["wrong"]).all()
    assert (examples["right"] == examples["matched"]).all()
    updates = TABLES["arms"].query("examples > 0")["updates"]
    assert updates.nunique() == 1
    staged = TABLES["staged"].query("large == -1 and examples > 0")
    assert staged["updates"].nunique() == 1
    number = staged.pivot(index="seed", columns="arm", values="examples")
    assert (number["some"] == number["one"]).all()
    assert (number["two"] == number["weak two"]).all()


def test_the_whole_is_the_mean_of_its_difficulties():
    staged = TABLES["staged"]
    levels = staged[staged["large"] >= 0].groupby(["seed", "arm"])["right"]
    whole = staged[staged["large"] == -1].set_index(["seed", "arm"])["right"]
    whole = whole[levels.mean().index]
    # Difficulties come in equal shares, up to chance.
    assert (levels.mean() - whole).abs().max() < 0.05
    assert (levels.min() <= whole + 1e-9).all()
    assert (whole <= levels.max() + 1e-9).all()


def test_random_sums_have_the_form_and_nothing_else():
    null = load_result(DATA / "random_sums.csv").set_index(["arm", "seed"]).sort_index()
    wrong, random = null.loc["wrong"], null.loc["random sums"]
    assert (wrong["examples"] == random["examples"]).all(), "on the same questions"
    assert (wrong["taught"] == 0).all()
    n = random["examples"].sum()
    for column, draws in (("taught", n), ("steps", 4 * n)):  # a digit of five
        share = (random[column] * random["examples"]).sum() / n
        assert abs(share - 0.2) < 4 * (0.2 * 0.8 / draws) ** 0.5
    assert wrong["steps"].min() > 0.4
    stored = TABLES["arms"].query("arm == 'wrong'").set_index("seed")["right"]
    assert abs((wrong["right"] - stored).mean()) < 0.03


@pytest.mark.nightly
def test_a_stored_seed_is_what_the_code_gives():
    spec = importlib.util.spec_from_file_location("reasoning_make", DATA / "make.py")
    measured = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(measured)
    again = measured.arms(weak_reasoner.cast(seed=0), 0).set_index("arm")["right"]
    stored = TABLES["arms"].query("seed == 0").set_index("arm")["right"]
    np.testing.assert_allclose(again[stored.index], stored, atol=0.02)
