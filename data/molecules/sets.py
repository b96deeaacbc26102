"""ESOL, FreeSolv and Lipophilicity with the ChemBench splits; downloaded on first use."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from w2s_tutorial.datasets.downloads import Dataset, File, fetch, read

_ADDRESS = "https://deepchemdata.s3-us-west-1.amazonaws.com/datasets/"
_WU = "MoleculeNet, Wu et al. (2018), arXiv:1703.00564"


def _table(path: str, name: str, sha256: str) -> dict[str, File]:
    return {"table": File(f"molecules/{path}", (_ADDRESS + name,), f"sha256:{sha256}")}


CATALOG = {
    "esol": Dataset(
        "https://moleculenet.org",
        "not stated upstream: download, do not redistribute",
        f"Delaney (2004), ESOL, J. Chem. Inf. Comput. Sci. 44(3); {_WU}",
        _table(
            "ESOL_delaney-processed.csv",
            "delaney-processed.csv",
            "8c06a76f0c6487d29ab0f903e6a7a7139f189ab3c1178f159c8be8964602f189",
        ),
    ),
    "freesolv": Dataset(
        "https://github.com/MobleyLab/FreeSolv",
        "not stated with this copy: download, do not redistribute",
        f"Mobley, Guthrie (2014), FreeSolv, J. Comput.-Aided Mol. Des. 28(7); {_WU}",
        _table(
            "FreeSolv_SAMPL.csv",
            "SAMPL.csv",
            "ab5895d914ee87cb563bd7b9611e869527bba45bec6b014d34dc495a0f9dcb72",
        ),
    ),
    "lipophilicity": Dataset(
        "https://moleculenet.org",
        "not stated upstream: download, do not redistribute",
        f"Hersey (2015), ChEMBL deposited data set AZ_dataset; {_WU}",
        _table(
            "Lipophilicity.csv",
            "Lipophilicity.csv",
            "aed41590cb30609d51d8e08ad3ff06495a76e80e211358801f596b10da69bacd",
        ),
    ),
}
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
    """

    smiles: tuple[str, ...]
    target: Tensor

    def __len__(self) -> int:
        return len(self.smiles)


def all_molecules(name: str, *, quiet: bool = False) -> Molecules:
    """All molecules of a set (1,128, 642 or 4,200), in the order of its file.

    ESOL lists 5 molecules twice, so that in the splits of seeds 123 and 124 one test molecule is
    in train too.

    Raises:
        ValueError: if name is none of CATALOG.
        OSError: if the file is neither there nor to be had, see `downloads.fetch`.
    """
    if name not in CATALOG:
        raise ValueError(f"name must be one of {', '.join(map(repr, CATALOG))}, got {name!r}")
    text = read(fetch(CATALOG[name].files["table"], quiet=quiet)).decode()
    table = list(csv.DictReader(io.StringIO(text)))
    smiles = tuple(line["smiles"].strip() for line in table)
    target = torch.tensor([float(line[_TARGET[name]]) for line in table], dtype=torch.float64)
    return Molecules(smiles, target)


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
