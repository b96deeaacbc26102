"""The delivered networks, features and results on molecules: whole, theirs, and found again."""

from __future__ import annotations

import hashlib
import json

import numpy as np
import pandas as pd
import pytest
import torch
from helpers_data import real_data, script
from test_molecules import DATA, deal, measure, reference, roles
from test_smiles import WELL_KNOWN

from w2s_tutorial.storage import load_tensors
from w2s_tutorial.tables import load_result

make, summary, molecular = (script(f"molecules/{n}") for n in ("make", "summary", "molecular"))
WIDTHS, see, weak_network = molecular.WIDTHS, molecular.see, molecular.weak_network
SIZES = {"esol": 1128, "freesolv": 642, "lipophilicity": 4200}
TABLES = ("measured", "mixtures", "classes", "picks")
MADE = json.loads((DATA / "make.json").read_text())


def need(data_folder, monkeypatch, *names):
    paths = [file.path for name in names for file in make.CATALOG[name].files.values()]
    return real_data(data_folder, monkeypatch, *paths)


def test_every_file_is_the_one_that_its_provenance_names():
    names = {"features.npz", *(f"weak_{width}.safetensors" for width in WIDTHS)}
    found = {name: hashlib.sha256((DATA / name).read_bytes()).hexdigest() for name in names}
    assert found == MADE["sha256"]
    for table in TABLES:
        assert load_result(DATA / f"{table}.csv").attrs["sha256"] == found
    assert sum(path.stat().st_size for path in DATA.iterdir() if path.is_file()) < 3.6e6


@pytest.mark.parametrize("width", WIDTHS)
def test_the_weak_networks_are_known_again_by_caffeine(width):
    network = weak_network(width)
    told = torch.tensor(MADE["caffeine"][str(width)])
    assert (see(network, [WELL_KNOWN["caffeine"]])[0] - told).abs().max() < 1e-4
    assert (see(network, [WELL_KNOWN["aspirin"]])[0] - told).abs().max() > 1e-2  # control
    assert len(told) == network.width == width
    assert load_tensors(DATA / f"weak_{width}.safetensors")[1]["steps"] == 500


def test_features_hold_numbers_and_nothing_else():
    with np.load(DATA / "features.npz", allow_pickle=False) as stored:
        assert set(stored.files) == set(SIZES)
        assert all(stored[name].dtype == np.float16 for name in stored.files)
    for name, n in SIZES.items():
        seen = molecular.strong_features(name)
        assert seen.shape == (n, 160)
        assert seen.isfinite().all()


def test_tables_have_a_row_for_every_setting():
    measured = load_result(DATA / "measured.csv")
    keys = ["dataset", "seed", "protocol", "target", "width"]
    assert len(measured) == len(measured.groupby(keys)) == 3 * 20 * 3 * 8
    whole = measured[measured["protocol"] == "whole"]
    assert (whole["baseline_test"] == whole["ceiling_test"]).all()
    assert (measured.query("target == 'realizable'")["ceiling_test"] < 1e-3).all()
    picked = measure.picks(measured)
    stored = load_result(DATA / "picks.csv")
    pd.testing.assert_frame_equal(picked.round(4), stored, check_dtype=False, atol=1e-9)


def test_the_tables_of_the_readme_are_those_of_the_results():
    text = (DATA / "README.md").read_text()
    lines = [*summary.gains(), *summary.rule(), *summary.picks(), *summary.mixtures()]
    assert [line for line in lines if line not in text] == []


def test_the_gain_is_the_misfit_where_the_class_contains_the_target():
    lines = [line.split(" | ") for line in summary.gains()]
    share = {(line[0].strip("| "), line[1]): float(line[4].split()[0]) for line in lines}
    for name in SIZES:
        assert 0.85 < share["realizable", name] < 1.15
        assert share["measured", name] < 0.6


@pytest.mark.parametrize("protocol", ["whole", "halves"])
def test_a_split_is_measured_again_by_scikit_learn(data_folder, monkeypatch, protocol):
    need(data_folder, monkeypatch, "freesolv")
    seen = roles.views("freesolv")
    found = reference(seen, deal("freesolv", 123, protocol, 642))
    stored = load_result(DATA / "measured.csv").query(
        f"dataset == 'freesolv' and seed == 123 and protocol == '{protocol}'"
    )
    stored = stored[stored["target"] == "measured"]
    assert stored["width"].tolist() == list(WIDTHS)
    for role, values in found.items():
        assert np.abs(stored[f"{role}_test"].to_numpy() - values).max() < 1e-3, role
    rolled = seen._replace(strong=seen.strong.roll(1, 0))  # control: rows of other molecules
    assert reference(rolled, deal("freesolv", 123, protocol, 642))["ceiling"] > 0.5


def test_the_corpus_leaves_out_what_it_should(data_folder, monkeypatch, tmp_path):
    pytest.importorskip("rdkit", reason="descriptors need the extra chem")
    need(data_folder, monkeypatch, "freesolv")
    monkeypatch.setattr(make, "CATALOG", {"freesolv": make.CATALOG["freesolv"]})
    kept = ["CCCCCCCCCCN", "OCCCCCCCCCCBr"]
    lines = [*kept, "C" * 73, "c1cc1", "COc1ccc(cc1)C(=O)N(C)C"]  # long, impossible, FreeSolv's
    (tmp_path / "listed.txt").write_text("\n".join(lines))
    corpus = make.read_corpus(tmp_path / "listed.txt", tmp_path, 100)
    assert corpus.facts | {"sha256": ""} == {"sha256": "", "listed": 5, "short": 4, "used": 2}
    assert corpus.tokens.shape[0] == corpus.described.shape[0] == 2
    again = make.read_corpus(tmp_path / "listed.txt", tmp_path, 100)
    assert torch.equal(again.described, corpus.described)


def test_features_are_made_anew_from_a_network(data_folder, monkeypatch, tmp_path):
    pytest.importorskip("rdkit", reason="descriptors need the extra chem")
    need(data_folder, monkeypatch, "freesolv")
    monkeypatch.setattr(make, "CATALOG", {"freesolv": make.CATALOG["freesolv"]})
    monkeypatch.setattr(make, "BUNDLE", 4)
    (tmp_path / "listed.txt").write_text("\n".join("C" * k + "N" for k in range(11, 31)))
    corpus = make.read_corpus(tmp_path / "listed.txt", tmp_path, 100)
    recipe = make.Recipe(8, 1, 4, 1e-3)
    network, facts = make.pretrain(recipe, corpus, "cpu", tmp_path)
    resumed, _ = make.pretrain(recipe, corpus, "cpu", tmp_path)
    assert facts["processor_seconds"] >= 0
    features = make.strong_features(network, corpus, "cpu")["freesolv"]
    assert features.shape == (642, 8)
    assert features.dtype == np.float16
    assert (make.strong_features(resumed, corpus, "cpu")["freesolv"] == features).all()
