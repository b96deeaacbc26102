"""A transformer that reads molecules, what it is trained for, and what it sees.

Two objectives at once, those of MolBERT, the strong network of the misfit paper: guess hidden
tokens, and tell the molecule's descriptors. Deterministic: no dropout anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import smiles
import torch
from smiles import NOT_ASKED, PAD, lengths
from torch import Tensor, nn
from torch.nn import functional

from w2s_tutorial.networks.backbones import Backbone, initialize, transformer
from w2s_tutorial.networks.features import extract
from w2s_tutorial.seeds import Seed, generator_of
from w2s_tutorial.storage import load_tensors, save_tensors

HERE = Path(__file__).parent
WIDTHS = (8, 12, 16, 24, 32, 48, 64, 96)
"""Widths of the weak networks, each its number of features."""
HEADS = 4  # of attention, see `backbones.transformer`


class MolecularTransformer(Backbone):
    """Pre-norm transformer on tokens; its features are the mean over a molecule's tokens.

    Attributes:
        vocabulary: the tokens that it knows, see `smiles.vocabulary`.
    """

    def __init__(self, vocabulary: Sequence[str], width: int, depth: int, descriptors: int) -> None:
        super().__init__()
        self.width, self.vocabulary = width, tuple(vocabulary)
        self.embed = nn.Embedding(len(vocabulary), width)
        self.blocks = nn.ModuleList(transformer(width, depth))
        self.norm = nn.LayerNorm(width)
        self.guess = nn.Linear(width, len(vocabulary))
        self.describe = nn.Linear(width, descriptors)

    def forward(self, tokens: Tensor) -> Tensor:
        """Features (n, width) of molecules (n, t), see `smiles.encode`; padding has no effect."""
        return pooled(self.read(tokens), tokens)

    def read(self, tokens: Tensor) -> Tensor:
        """What the network makes of every token: (n, t, width)."""
        padding = tokens == PAD
        # Glorot's rule makes embeddings small; so scaled, they are about as large as positions.
        x = self.embed(tokens.long()) * math.sqrt(self.width)
        x = x + positions(tokens.shape[1], self.width, device=x.device)
        for block in self.blocks:
            x = block(x, src_key_padding_mask=padding)
        return self.norm(x)


def pooled(x: Tensor, tokens: Tensor) -> Tensor:
    """The mean of x (n, t, d) over the tokens that are no padding: (n, d)."""
    shown = (tokens != PAD).to(x.dtype)
    return (shown[:, None] @ x)[:, 0] / shown.sum(-1, keepdim=True)


def positions(t: int, width: int, *, device: torch.device | str = "cpu") -> Tensor:
    """Sines and cosines of the position (t, width), as in Vaswani et al. (2017, arXiv 1706.03762).

    Nothing is learnt, so molecules longer than any in training have positions too.
    """
    rate = 10_000 ** (-torch.arange(0, width, 2, device=device) / width)
    angle = torch.arange(t, device=device)[:, None] * rate
    return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1)[:, :width]


def pretext(
    network: MolecularTransformer, shown: Tensor, target: Tensor, described: Tensor
) -> Tensor:
    """Loss of bundles of molecules: (b,), the mean over the m molecules of each.

    Cross-entropy in nats per token asked for, plus the mean squared error of the descriptors,
    which the network has to tell from the same molecule with its tokens hidden.

    Args:
        shown: (b, m, t), tokens some of which are hidden.
        target: (b, m, t), the true tokens where they are asked for, see `smiles.hidden`.
        described: (b, m, k), standardised descriptors.
    """
    longest = int(lengths(shown).amax())
    tokens, asked = shown[..., :longest].flatten(0, 1), target[..., :longest].flatten(0, 1)
    x = network.read(tokens)
    each = functional.cross_entropy(
        network.guess(x).float().mT, asked, ignore_index=NOT_ASKED, reduction="none"
    )
    wrong = each.sum(-1) / (asked != NOT_ASKED).sum(-1).clamp(min=1)
    told = network.describe(pooled(x, tokens)).float()
    off = (told - described.flatten(0, 1)).square().mean(-1)
    return (wrong + off).view(shown.shape[:2]).mean(1)


def build(
    vocabulary: Sequence[str],
    width: int,
    *,
    depth: int,
    descriptors: int,
    seed: Seed,
) -> MolecularTransformer:
    """A new, untrained network, on the CPU.

    Args:
        vocabulary: see `smiles.vocabulary`.
        width: number d of features, a multiple of 4.
        depth: number of transformer blocks, at least 1.
        descriptors: how many it is asked for, at least 1.
        seed: integer or generator, consumed for the weights.

    Raises:
        ValueError: for sizes that cannot work.
    """
    generator = generator_of(seed)
    network = assemble(vocabulary, width, depth, descriptors).to_empty(device="cpu")
    initialize(network, seed=generator)
    return network


def assemble(
    vocabulary: Sequence[str], width: int, depth: int, descriptors: int
) -> MolecularTransformer:
    """The structure of a network on torch's meta device, with no weights yet."""
    if width < HEADS or width % HEADS:
        raise ValueError(f"width must be a multiple of {HEADS}, got {width}")
    for name, value in (("depth", depth), ("descriptors", descriptors)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, got {value}")
    with torch.device("meta"):
        network = MolecularTransformer(vocabulary, width, depth, descriptors)
    network.recipe = {
        "vocabulary": list(vocabulary),
        "width": width,
        "depth": depth,
        "descriptors": descriptors,
    }
    return network


def save(network: MolecularTransformer, path: Path | str, **facts: Any) -> None:
    """Write a network in float16, which rounds its weights by 5e-4, with facts about it."""
    weights = {name: value.half() for name, value in network.state_dict().items()}
    save_tensors(path, weights, recipe=network.recipe, **facts)


def weak_network(width: int, *, folder: Path | str = HERE) -> MolecularTransformer:
    """A frozen weak network as `save` wrote it: two blocks, briefly trained.

    Raises:
        ValueError: if width is none of WIDTHS.
    """
    if width not in WIDTHS:
        raise ValueError(f"width must be one of {WIDTHS}, got {width}")
    weights, facts = load_tensors(Path(folder) / f"weak_{width}.safetensors")
    network = assemble(**facts["recipe"])
    network.load_state_dict({name: value.float() for name, value in weights.items()}, assign=True)
    return network.eval().requires_grad_(False)


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


def strong_features(name: str, *, folder: Path | str = HERE) -> Tensor:
    """What the strong network sees of a data set: (n, 160) float32, in the order of its file.

    In the directions of largest variance over the molecules of its training, largest first, and
    divided by one number, so that the variances there sum to 160.

    Raises:
        ValueError: if name is none of the three.
    """
    with np.load(Path(folder) / "features.npz", allow_pickle=False) as stored:
        if name not in stored.files:
            raise ValueError(f"name must be one of {', '.join(stored.files)}, got {name!r}")
        return torch.from_numpy(stored[name]).float()
