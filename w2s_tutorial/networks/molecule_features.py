"""What the delivered transformers see of molecules; data/molecules/README.md says how they came.

The weak networks are delivered as weights, so that they read any SMILES string. The strong one is
too large for that: delivered is what it sees of three data sets, without strings or labels, whose
licence is unclear. `datasets.tables` downloads these.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from w2s_tutorial.networks import molecular, smiles, weights
from w2s_tutorial.networks.features import extract
from w2s_tutorial.networks.molecular import MolecularTransformer

DATA = Path(__file__).parents[2] / "data" / "molecules"
WIDTHS = (8, 12, 16, 24, 32, 48, 64, 96)
"""Widths of the weak networks, each its number of features."""
DATASETS = ("esol", "freesolv", "lipophilicity")


def weak_network(width: int, *, folder: Path | str = DATA) -> MolecularTransformer:
    """A frozen weak network: two blocks, briefly trained.

    Raises:
        ValueError: if width is none of WIDTHS.
    """
    if width not in WIDTHS:
        raise ValueError(f"width must be one of {WIDTHS}, got {width}")
    network = weights.load(Path(folder) / f"weak_{width}.npz", structure=molecular.assemble)
    return network.requires_grad_(False)  # type: ignore[return-value]


def see(
    network: MolecularTransformer, strings: Sequence[str], *, device: torch.device | str = "cpu"
) -> Tensor:
    """Features (n, d) float32 of n SMILES strings.

    Raises:
        ValueError: if there is no string, or one is no SMILES.
    """
    tokens = smiles.encode(strings, network.vocabulary)
    order = smiles.lengths(tokens).argsort()  # batches of equal length have little padding
    sorted_tokens = smiles.Encoded(tokens[order])
    features = extract(network, sorted_tokens, batch_size=64, device=device, dtype=torch.float32)
    return features[order.argsort()]


def strong_features(name: str, *, folder: Path | str = DATA) -> Tensor:
    """What the strong network sees of a data set: (n, 160) float32, in the order of its file.

    In the directions of largest variance over the molecules of its training, largest first, and
    divided by one number, so that the variances there sum to 160.

    Raises:
        ValueError: if name is none of DATASETS.
    """
    if name not in DATASETS:
        raise ValueError(f"name must be one of {DATASETS}, got {name!r}")
    with np.load(Path(folder) / "features.npz", allow_pickle=False) as stored:
        return torch.from_numpy(stored[name]).float()
