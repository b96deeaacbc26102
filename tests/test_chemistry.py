"""RDKit's descriptors against what a chemist counts by hand."""

from __future__ import annotations

import pytest
import torch
from helpers_data import script
from test_smiles import WELL_KNOWN

pytest.importorskip("rdkit", reason="descriptors need the extra chem")
chemistry = script("molecules/chemistry")


def told(smiles: str) -> dict[str, float]:
    (values,) = chemistry.descriptors([smiles]).tolist()
    return dict(zip(chemistry.NAMES, values, strict=True))


def test_aspirin_is_counted_right():
    aspirin = told(WELL_KNOWN["aspirin"])  # C9H8O4
    assert aspirin["CountC"] == 9
    assert aspirin["CountO"] == 4
    assert aspirin["NumHeavyAtoms"] == 13
    assert aspirin["NumHBD"] == aspirin["NumAromaticRings"] == aspirin["NumRings"] == 1
    assert aspirin["ExactMolWt"] == pytest.approx(9 * 12 + 8 * 1.007825 + 4 * 15.994915, abs=1e-3)
    assert aspirin["FormalCharge"] == 0
    assert told(WELL_KNOWN["alanine"])["FormalCharge"] == 0
    assert told("[NH4+]")["FormalCharge"] == 1


def test_the_way_of_writing_does_not_matter():
    first, second = chemistry.descriptors(["CCOC", "COCC"])
    assert (first - second).abs().max() < 1e-4
    assert chemistry.canonical(["CCOC", "COCC", "CCCO"])[0] == chemistry.canonical(["COCC"])[0]
    assert len(set(chemistry.canonical(["CCOC", "COCC", "CCCO"]))) == 2


def test_what_rdkit_cannot_read_is_nan_and_silent(capfd):
    values = chemistry.descriptors(["CCO", "C1CC", "c1cc1"])
    assert values.shape == (3, len(chemistry.NAMES))
    assert values.isnan().all(-1).tolist() == [False, True, True]
    assert chemistry.canonical(["C1CC"]) == [None]
    assert capfd.readouterr().err == ""


def test_standardised_columns():
    values = torch.randn(5000, 2, generator=torch.Generator().manual_seed(0)) * 3 + 2
    values = torch.cat([values, torch.full((5000, 1), 4.0)], 1)
    values[0, 0] = 1e4
    scaled = chemistry.standardized(values)
    assert scaled[:, 1].mean().abs() < 1e-5
    assert scaled[:, 1].std() == pytest.approx(1, abs=1e-5)
    assert scaled[0, 0] == 5
    assert (scaled[:, 2] == 0).all()
