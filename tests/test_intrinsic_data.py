"""PGR on real features against label noise: the stored table, measured again, and its control."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest
import torch
from helpers_data import ROOT, script

from w2s_tutorial.tables import load_result

FOLDER = ROOT / "data" / "intrinsic"


@pytest.fixture(scope="module")
def make() -> ModuleType:
    return script("intrinsic/make")


@pytest.fixture(scope="module")
def stored() -> pd.DataFrame:
    return load_result(FOLDER / "noise.csv")


def test_it_is_of_the_stored_features(make: ModuleType, stored: pd.DataFrame):
    for name, file in make.FILES.items():
        content = file.read_bytes()
        assert stored.attrs["sha256"][name] == hashlib.sha256(content).hexdigest()
    assert (FOLDER / "noise.csv").stat().st_size < 300_000
    assert {"command", "seed", "trials", "processor_seconds"} <= set(stored.attrs)


def test_normal_examples_agree_with_theory_and_real_ones_need_not(stored: pd.DataFrame):
    z = (stored["mean"] - stored["theory"]) / (stored["high"] - stored["low"]) * 3.92
    normal = stored["examples"] == "normal"
    assert normal.sum() > 400
    assert z[normal].abs().max() < 4
    thin = (stored["form"] == "thin") & (stored["teacher"] == "cnn") & ~normal
    assert z[thin].abs().max() > 10, "control"


def test_measured_again_with_other_draws(make: ModuleType, stored: pd.DataFrame):
    setting = ("waterdigits", "cut", "simclr", "label")
    again = pd.DataFrame(make.measure(*setting, trials=150, seed=1))
    known = stored.set_index(["dataset", "form", "teacher", "target"]).loc[setting]
    keys = ["examples", "noise"]
    both = known.reset_index().merge(again, on=keys, suffixes=("", "_again"))
    assert len(both) == len(again) == len(known)
    assert both["theory"].sub(both["theory_again"]).abs().max() < 1e-4
    error = (both["high"] - both["low"]) ** 2 + (both["high_again"] - both["low_again"]) ** 2
    z = (both["mean"] - both["mean_again"]) / error**0.5 * 3.92
    assert z.abs().max() < 4


def test_the_linear_target_is_what_the_student_could_learn(make: ModuleType):
    given = {
        target: make.problem_of("waterdigits", "cut", "mae", target)[0]
        for target in ("label", "linear")
    }
    missed = {}
    for target, problem in given.items():
        basis = problem.strong_axes[0]
        missed[target] = float((problem.target - basis @ (basis.T @ problem.target)).norm())
    assert missed["linear"] < 1e-9 < 0.1 < missed["label"]


def test_a_short_run_writes_the_table(
    make: ModuleType, stored: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(make, "FORMS", {"waterdigits": {"ridge": make.Form(20, 40, 1e-2)}})
    monkeypatch.setattr(make, "TEACHERS", {"waterdigits": ("mixed",)})
    make.main(tmp_path, trials=3)
    table = load_result(tmp_path / "noise.csv")
    assert list(table.columns) == list(stored.columns)
    assert len(table) == 2 * 2 * len(make.NOISE)
    views = [make.view_of("waterdigits", "mixed", 20, scaled=scaled) for scaled in (True, False)]
    assert all(torch.linalg.matrix_rank(view) == 20 for view in views)


def ranks(table: pd.DataFrame, by: list[str]) -> pd.Series:
    return table.groupby(by)[["mean", "d_shared"]].apply(
        lambda rows: -rows["mean"].rank().corr(rows["d_shared"].rank())
    )


def test_other_seeds_are_other_networks_and_the_readme_has_their_order(stored: pd.DataFrame):
    table = load_result(FOLDER / "seeds.csv")
    keys = ["dataset", "teacher", "noise"]
    known = stored.query("form == 'cut' and target == 'label' and examples == 'real'")
    first = table.query("pretraining == 0").set_index(keys)
    pd.testing.assert_frame_equal(
        first[["mean", "theory"]], known.set_index(keys)[["mean", "theory"]]
    )
    for _, rows in table.query("pretraining > 0").groupby("pretraining"):
        other = rows.set_index(keys)["mean"]
        assert (other - first["mean"].loc[other.index]).abs().max() > 0.02
    assert (table["mean"] - table["theory"]).abs().max() < 0.03
    natural = table.query("teacher != 'mixed' and noise == 1")
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for dataset, found in ranks(natural, ["dataset", "pretraining"]).groupby("dataset"):
        assert f"| {dataset} | {' | '.join(f'{value:.1f}' for value in found)} |" in text


def test_a_short_run_of_other_seeds(
    make: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(make, "TEACHERS", {"waterdigits": ("simclr",)})
    with pytest.raises(FileNotFoundError, match="waterdigits_1/features"):
        make.others(tmp_path, tmp_path)
    (tmp_path / "waterdigits_3").mkdir()
    copy = tmp_path / "waterdigits_3" / "features.npz"
    copy.write_bytes(make.FILES["waterdigits"].read_bytes())
    table = make.others(tmp_path, tmp_path, trials=20)
    keys, one = ["noise"], "dataset == 'waterdigits' and teacher == 'simclr'"
    same, known = (
        table.query(f"{one} and pretraining == {seed}").set_index(keys) for seed in (3, 0)
    )
    assert (same["theory"] - known["theory"]).abs().max() < 1e-4, "the same features again"
    error = ((same["high"] - same["low"]) ** 2 + (known["high"] - known["low"]) ** 2) ** 0.5 / 3.92
    assert ((same["mean"] - known["mean"]) / error).abs().max() < 4
