"""Other seeds of pre-training: what they confirm, and that their table is the first one's kin."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from conftest import ROOT

from w2s_tutorial.tables import load_result

HERE = ROOT / "data" / "dominoes"
KEYS = ["strong", "minority_labeled", "minority_pool", "role"]


def test_seed_0_is_the_stored_table() -> None:
    both, stored = load_result(HERE / "pretraining.csv"), load_result(HERE / "gains.csv")
    first = both[both["pretraining"] == 0].set_index(KEYS)["mean"]
    known = stored[stored["dataset"] == "dominoes"].set_index(KEYS)["mean"]
    pd.testing.assert_series_equal(first.sort_index(), known.sort_index(), rtol=0, atol=1e-3)
    assert both.attrs["sha256"]["pretraining 0"] == _hash()
    for seed in (1, 2):
        other = both[both["pretraining"] == seed].set_index(KEYS)["mean"].sort_index()
        assert (other - known.sort_index()).abs().max() > 0.02, "the networks are others"


def _hash() -> str:
    text = (HERE / "features.json").read_text("utf-8")
    return re.search(r'"features.npz": "(\w+)"', text)[1]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_having_had_to_read_the_digit_decides(seed: int) -> None:
    table = load_result(HERE / "pretraining.csv")
    rows = table.query("pretraining == @seed and role == 'gain' and minority_labeled == .05")
    few = rows[rows["minority_pool"] == 0.05].set_index("strong")
    assert few.loc["resnet", "low"] > 0.1
    assert few.loc["resnet_reads", "high"] < 0


def test_the_readme_prints_the_table() -> None:
    table = load_result(HERE / "pretraining.csv").query(
        "role == 'gain' and minority_labeled == .05 and minority_pool == .05"
    )
    text = (HERE / "README.md").read_text("utf-8")
    for strong, rows in table.groupby("strong"):
        cells = [
            f"{100 * r['mean']:.1f} ± {100 * (r['high'] - r['mean']):.1f}"
            for _, r in rows.iterrows()
        ]
        assert f"| {strong} | {' | '.join(cells)} |" in text
