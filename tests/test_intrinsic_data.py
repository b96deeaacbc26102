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
