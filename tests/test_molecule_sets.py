from __future__ import annotations

import json

import pytest
import torch
from helpers_data import offered, real_data, script, serve
from hypothesis import given
from hypothesis import strategies as st

from w2s_tutorial.datasets.downloads import read

sets = script("molecules/sets")
chembench_split, all_molecules = sets.chembench_split, sets.all_molecules

PARTS = ("train", "validation", "test")
SIZES = {"esol": (902, 113, 113), "freesolv": (513, 64, 65), "lipophilicity": (3360, 420, 420)}
CHEMBENCH = {"esol": "ESOL", "freesolv": "FreeSolv", "lipophilicity": "Lipop"}


def need(data_folder, monkeypatch, name):
    return real_data(
        data_folder, monkeypatch, *(file.path for file in sets.CATALOG[name].files.values())
    )


@given(st.integers(10, 3000), st.integers(0, 2**32 - 1))
def test_a_split_uses_each_row_once(n, seed):
    parts = chembench_split(n, seed=seed)
    assert torch.cat(list(parts.values())).sort().values.tolist() == list(range(n))
    assert all((rows.diff() > 0).all() for rows in parts.values())
    assert len(parts["train"]) == int(0.8 * n + 1e-9)


@pytest.mark.parametrize(
    ("n", "seed", "message"),
    [(9, 0, "n must be at least 10, got 9"), (10, -1, "seed must lie in 0..4294967295, got -1")],
)
def test_an_impossible_split_is_refused(n, seed, message):
    with pytest.raises(ValueError, match=message):
        chembench_split(n, seed=seed)


@pytest.mark.parametrize("seed", [122, 123, 124])
@pytest.mark.parametrize("name", SIZES)
def test_the_split_is_the_published_one(data_folder, monkeypatch, name, seed):
    listed = "molecules/chembench_random_splits.json.gz"
    published = json.loads(read(real_data(data_folder, monkeypatch, listed) / listed))
    parts = chembench_split(sum(SIZES[name]), seed=seed)
    for part, rows in zip(PARTS, published[f"{CHEMBENCH[name]}.{seed}"], strict=True):
        assert parts[part].tolist() == rows
    other = chembench_split(sum(SIZES[name]), seed=seed + 1)  # control: another seed differs
    assert other["test"].tolist() != published[f"{CHEMBENCH[name]}.{seed}"][2]


@pytest.mark.parametrize("name", SIZES)
def test_real_molecules(data_folder, monkeypatch, name):
    need(data_folder, monkeypatch, name)
    found = all_molecules(name)
    assert len(found) == sum(SIZES[name])
    assert found.target.dtype == torch.float64
    assert found.target.shape == (len(found.smiles),)
    assert found.target.isfinite().all()
    assert all(smiles and smiles == smiles.strip() for smiles in found.smiles)


@pytest.mark.parametrize(
    ("name", "published"),
    [
        ("esol", (3.98, 4.54, 3.74)),
        ("freesolv", (14.75, 13.09, 17.10)),
        ("lipophilicity", (1.438, 1.396, 1.441)),
    ],
)
def test_error_of_the_training_mean_is_as_computed_elsewhere(
    data_folder, monkeypatch, name, published
):
    need(data_folder, monkeypatch, name)
    for seed, expected in zip((122, 123, 124), published, strict=True):
        target, split = all_molecules(name).target, chembench_split(sum(SIZES[name]), seed=seed)
        train, test = target[split["train"]], target[split["test"]]
        error = (test - train.mean()).square().mean().item()
        digits = 3 if expected < 2 else 2
        assert round(error, digits) == expected


def test_blanks_around_smiles_are_stripped(monkeypatch, tmp_path):
    lines = "".join(f'"a, b",C{"C" * i} ,{i}.5,0\n' for i in range(10))
    with serve() as web:
        table = {"table": ("iupac,smiles,expt,calc\n" + lines).encode()}
        dataset = offered(web, monkeypatch, tmp_path, table)
        monkeypatch.setitem(sets.CATALOG, "freesolv", dataset)
        found = all_molecules("freesolv", quiet=True)
    assert found.smiles == tuple("C" * (k + 1) for k in range(10))
    assert found.target.tolist() == [k + 0.5 for k in range(10)]


def test_an_unknown_set_is_refused():
    with pytest.raises(ValueError, match=r"name must be one of 'esol', .*got 'qm9'"):
        all_molecules("qm9")
