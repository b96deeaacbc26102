"""The stored grid of all pairs: whole, of these features, and measured again with other heads."""

from __future__ import annotations

import hashlib
import importlib.util
from itertools import product
from pathlib import Path
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
import torch

from w2s_tutorial.shares import fit_law
from w2s_tutorial.tables import load_result

DATA = Path(__file__).parents[1] / "data"
STUDENT_T = 2.093  # half a 95 % interval of 20 heads, in standard errors
CELL = ["dataset", "weak", "strong", "fit", "minority_labeled", "minority_pool"]


@pytest.fixture(scope="module")
def measure() -> ModuleType:
    spec = importlib.util.spec_from_file_location("spurious_measure", DATA / "spurious/measure.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return {name: load_result(DATA / f"spurious/{name}.csv") for name in ("grid", "sizes", "law")}


def test_no_pair_and_no_mixture_is_missing(tables: dict[str, pd.DataFrame], measure: ModuleType):
    grid = tables["grid"]
    assert not grid.duplicated(CELL).any()
    assert grid.notna().all(axis=None)
    for (dataset, fit), rows in grid.groupby(["dataset", "fit"]):
        pairs = set(zip(rows["weak"], rows["strong"], strict=True))
        names = measure.seen(dataset).features
        expected = {
            pair for pair in product(names, repeat=2) if fit == "logistic" or pair[0] != pair[1]
        }
        assert pairs == expected
        assert len(rows) == len(pairs) * len(measure.ETAS) ** 2
    law = tables["law"]
    assert len(law) == 3 * len(grid) // 36


def test_strength_is_that_of_the_probes(tables: dict[str, pd.DataFrame], measure: ModuleType):
    ordered = measure.order()
    for table in tables.values():
        keys = zip(table["dataset"], table["weak"], table["strong"], strict=True)
        assert [ordered[key] for key in keys] == table["order"].tolist()
    for (dataset, weak, strong), said in ordered.items():
        back = ordered[dataset, strong, weak]
        assert {"up": "down", "down": "up"}.get(said, said) == back
    assert ordered["dominoes", "cnn", "resnet"] == "up"
    assert ordered["dominoes", "cnn", "simclr"] == "level", "their intervals meet"


def test_provenance_is_that_of_the_files(tables: dict[str, pd.DataFrame], measure: ModuleType):
    for table in tables.values():
        assert {"command", "seed", "heads", "torch", "processor_seconds"} <= set(table.attrs)
        found = {f.name: hashlib.sha256(f.read_bytes()).hexdigest() for f in measure.FILES}
        assert table.attrs["sha256"] == found


@pytest.mark.parametrize(
    ("dataset", "pair", "labeled", "pool"),
    [
        ("dominoes", ("mae", "resnet_reads"), 0.1, 0.4),
        ("waterdigits", ("cnn", "resnet"), 0.05, 0.5),
    ],
)
@pytest.mark.parametrize("fit", ["logistic", "ridge"])
def test_cells_measured_again_with_other_heads(
    tables: dict[str, pd.DataFrame],
    measure: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    dataset: str,
    pair: tuple[str, str],
    labeled: float,
    pool: float,
    fit: str,
):
    monkeypatch.setattr(measure, "SEED", 1)
    share = {"minority_labeled": (labeled,), "minority_pool": (pool,)}
    again = measure.summary(measure.by_group(measure.run(dataset, [pair], fit=(fit,), **share)))
    at = (dataset, *pair, fit, labeled, pool)
    stored = tables["grid"].set_index(CELL).loc[at]
    for name in ("gain_all", "gain_majority", "gain_minority", "ahead_all"):
        halves = again[f"{name}_half"].iloc[0], stored[f"{name}_half"]
        z = (again[name].iloc[0] - stored[name]) / (np.hypot(*halves) / STUDENT_T)
        assert abs(z) < 4, f"{name}: z={z:.1f}"
    other = tables["grid"].set_index(CELL).loc[(dataset, *pair, fit, 0.5, 0.5)]
    away = abs(other["student_all"] - again["student_all"].iloc[0])
    assert away > 3 * stored["gain_all_half"], "another mixture is told apart"


def test_the_same_examples_serve_every_pair(tables: dict[str, pd.DataFrame]):
    grid = tables["grid"]
    for role, backbone, share in (
        ("weak_all", "weak", "minority_labeled"),
        ("baseline_all", "strong", "minority_labeled"),
        ("ceiling_all", "strong", "minority_pool"),
    ):
        spread = grid.groupby(["dataset", "fit", backbone, share])[role].nunique()
        assert (spread == 1).all(), role
    both = grid.groupby(["dataset", "fit", "weak", "minority_labeled"])["weak_all"].first()
    alone = grid.groupby(["dataset", "fit", "strong", "minority_labeled"])["baseline_all"].first()
    assert np.array_equal(both, alone), "a backbone is as good a teacher as it is a baseline"


def test_the_stored_law_is_the_fit_to_the_stored_grid(tables: dict[str, pd.DataFrame]):
    law = tables["law"].set_index(["dataset", "weak", "strong", "fit", "where"])
    for key, rows in tables["grid"].groupby(["dataset", "weak", "strong", "fit"]):
        surface = rows.pivot(
            index="minority_labeled", columns="minority_pool", values="gain_minority"
        )
        etas = torch.tensor(surface.index.to_numpy())
        fitted = fit_law(torch.tensor(surface.to_numpy())[None], etas, etas)
        stored = law.loc[(*key, "minority")]
        # Least squares is linear: the mean of the heads' slopes is the slope of the mean.
        square, (_, _, interaction) = fitted["square"].slopes, fitted["free"].slopes[0]
        assert float(square) == pytest.approx(stored["steepness"], abs=2e-3)
        assert float(interaction) == pytest.approx(stored["interaction"], abs=4e-3)
