"""Text and molecules: SST-2, and ESOL, FreeSolv and Lipophilicity with the ChemBench splits."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from w2s_tutorial.datasets.catalog import CATALOG
from w2s_tutorial.datasets.downloads import fetch, read
from w2s_tutorial.datasets.small_images import check_choice

_TARGET = {
    "esol": "measured log solubility in mols per litre",
    "freesolv": "expt",
    "lipophilicity": "exp",
}


@dataclass(frozen=True)
class Molecules:
    """n molecules with one measured property each.

    Attributes:
        smiles: n SMILES strings.
        target: (n,) float64. ESOL: log10 of the solubility in mol/l; FreeSolv: hydration free
            energy in kcal/mol; Lipophilicity: log D at pH 7.4.
        row: (n,) int64, row of each molecule in the file.
    """

    smiles: tuple[str, ...]
    target: Tensor
    row: Tensor

    def __len__(self) -> int:
        return len(self.smiles)


def sst2(
    split: Literal["train", "validation"], *, quiet: bool = False
) -> tuple[tuple[str, ...], Tensor]:
    """SST-2: phrases of film reviews and labels (n,), 0 negative, 1 positive.

    n = 67,349 (train) or 872 (validation: what GLUE calls dev; its test labels are not public).

    Raises:
        ValueError: if the split is unknown.
        OSError: if the files are neither there nor to be had, see `downloads.fetch`.
    """
    check_choice("split", split, ("train", "validation"))
    text = read(fetch(CATALOG["sst2"].files[split], quiet=quiet)).decode()
    rows = csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    pairs = [(row["sentence"].strip(), int(row["label"])) for row in rows]
    return tuple(phrase for phrase, _ in pairs), torch.tensor([label for _, label in pairs])


def molecules(
    name: Literal["esol", "freesolv", "lipophilicity"],
    split: Literal["train", "validation", "test"],
    *,
    seed: int,
    quiet: bool = False,
) -> Molecules:
    """One part of a molecule set (1,128, 642 or 4,200 molecules), split 80/10/10.

    ESOL lists 5 molecules twice, so that for seeds 123 and 124 one test molecule is in train too.

    Args:
        seed: of the random split; the published ones are 122, 123, 124.

    Raises:
        ValueError: if name, split or seed is outside its range.
        OSError: if the files are neither there nor to be had, see `downloads.fetch`.
    """
    check_choice("split", split, ("train", "validation", "test"))
    everything = all_molecules(name, quiet=quiet)
    row = chembench_split(len(everything), seed=seed)[split]
    smiles = tuple(everything.smiles[at] for at in row.tolist())
    return Molecules(smiles, everything.target[row], row)


def all_molecules(
    name: Literal["esol", "freesolv", "lipophilicity"], *, quiet: bool = False
) -> Molecules:
    """All molecules of a set, in the order of its file; errors as for `molecules`."""
    check_choice("name", name, tuple(_TARGET))
    text = read(fetch(CATALOG[name].files["table"], quiet=quiet)).decode()
    table = list(csv.DictReader(io.StringIO(text)))
    smiles = tuple(line["smiles"].strip() for line in table)
    target = torch.tensor([float(line[_TARGET[name]]) for line in table], dtype=torch.float64)
    return Molecules(smiles, target, torch.arange(len(table)))


def chembench_split(n: int, *, seed: int) -> dict[str, Tensor]:
    """Row numbers, ascending, of the train, validation and test parts of n rows: 80/10/10.

    Exactly the random splits that ChemBench (github.com/shenwanxiang/ChemBench) lists for seeds
    122, 123 and 124.

    Raises:
        ValueError: if n is below 10, or the seed leaves 0..2**32 - 1.
    """
    if n < 10:
        raise ValueError(f"n must be at least 10, got {n}")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must lie in 0..{2**32 - 1}, got {seed}")
    # A published split, not a draw of ours: it is tied to this generator, whose stream numpy has
    # frozen, and so takes a seed and no torch.Generator.
    order = torch.from_numpy(np.random.RandomState(seed).permutation(n))
    train, validation, test = order.tensor_split((n * 8 // 10, n * 9 // 10))
    parts = {"train": train, "validation": validation, "test": test}
    return {split: rows.sort().values for split, rows in parts.items()}
