"""Descriptors of molecules by RDKit, which the optional extra `chem` installs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

_COUNTS = (
    "NumHBD",
    "NumHBA",
    "NumRotatableBonds",
    "NumRings",
    "NumAromaticRings",
    "NumAliphaticRings",
    "NumHeterocycles",
    "NumHeteroatoms",
    "NumHeavyAtoms",
    "NumAmideBonds",
    "FractionCSP3",
    "ExactMolWt",
    "TPSA",
    "LabuteASA",
    "HallKierAlpha",
    "Kappa1",
    "Kappa2",
    "Kappa3",
    "Chi0v",
    "Chi1v",
    "Chi2v",
    "Chi3v",
)
_ELEMENTS = ("C", "N", "O", "S", "P", "F", "Cl", "Br", "I")
_SURFACES = {"SlogP_VSA": 12, "SMR_VSA": 10, "PEOE_VSA": 14}
NAMES = (
    *_COUNTS,
    *("CrippenLogP", "CrippenMR", "FormalCharge"),
    *(f"Count{element}" for element in _ELEMENTS),
    *(f"{name}{part}" for name, parts in _SURFACES.items() for part in range(1, parts + 1)),
)
"""The descriptors, in the order in which `descriptors` returns them."""


def descriptors(strings: Sequence[str]) -> Tensor:
    """Descriptors (n, k) float32 of n SMILES strings; a row of NaN where RDKit cannot read one.

    Sizes, counts of atoms and rings, polarity, branching, charges, and surface areas by
    contribution: those of RDKit's that take below a millisecond each. `NAMES` lists them. Among
    them is Crippen's estimate of log P, which is close to what two of our data sets measure.

    Raises:
        ImportError: if RDKit is not installed.
    """
    rows = []
    for molecule in _molecules(strings):
        try:
            rows.append(_described(molecule) if molecule else [math.nan] * len(NAMES))
        except ValueError:  # some elements have no partial charge
            rows.append([math.nan] * len(NAMES))
    return torch.tensor(rows, dtype=torch.float32).view(-1, len(NAMES))


def standardized(values: Tensor, *, limit: float = 5.0) -> Tensor:
    """Columns of values (n, k) with mean 0 and deviation 1, cut at `limit`; constant ones are 0."""
    deviation = values.std(0)
    scaled = (values - values.mean(0)) / torch.where(deviation > 0, deviation, 1)
    return scaled.clamp(-limit, limit)


def _molecules(strings: Sequence[str]) -> Iterator[Any]:
    """RDKit's molecules, None for what it cannot read, without a line of log for each."""
    try:
        from rdkit import Chem, rdBase
    except ImportError as error:
        raise ImportError("descriptors need RDKit: install w2s-tutorial[chem]") from error
    for smiles in strings:
        with rdBase.BlockLogs():
            molecule = Chem.MolFromSmiles(smiles)
        yield molecule


def _described(molecule: Any) -> list[float]:
    from rdkit import Chem
    from rdkit.Chem import rdMolDescriptors as calculate

    values = [float(getattr(calculate, f"Calc{name}")(molecule)) for name in _COUNTS]
    values += [*calculate.CalcCrippenDescriptors(molecule), float(Chem.GetFormalCharge(molecule))]
    present = [atom.GetSymbol() for atom in molecule.GetAtoms()]
    values += [float(present.count(element)) for element in _ELEMENTS]
    for name in _SURFACES:
        values += getattr(calculate, f"{name}_")(molecule)
    return values


def canonical(strings: Sequence[str]) -> list[str | None]:
    """RDKit's one way of writing each molecule, None where it cannot read it.

    Raises:
        ImportError: if RDKit is not installed.
    """
    return [molecule and _written(molecule) for molecule in _molecules(strings)]


def _written(molecule: Any) -> str:
    from rdkit import Chem

    return Chem.MolToSmiles(molecule)
