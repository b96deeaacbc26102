"""Train transformers on molecules, keep what they see: python data/molecules/make.py.

A strong one (width 256, 4 blocks) and eight weak ones (widths 8 to 96, 2 blocks, briefly), all by
hidden tokens and descriptors. Needs RDKit (the extra `chem`), ESOL, FreeSolv and Lipophilicity
(the loaders download them) and --corpus, a list of SMILES, one per line, plain or .xz. Writes
weak_WIDTH.safetensors (weights), features.npz (what the strong one sees of the three data sets) and
make.json (how they came about). About half an hour of one core; uses a GPU where there is one, on
which --strong can ask for a larger network and more steps. With --checkpoints FOLDER an
interrupted run continues there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import chemistry
import molecular
import numpy as np
import smiles
import torch
from molecular import WIDTHS, MolecularTransformer, see, weak_network
from sets import CATALOG, all_molecules
from torch import Tensor

from w2s_tutorial.datasets import downloads, frozen
from w2s_tutorial.networks import backbones, train
from w2s_tutorial.networks.features import cached, extract
from w2s_tutorial.storage import content_key, describe, replacing, save_json

HERE = Path(__file__).parent
SEED, BUNDLE, BATCH = 0, 32, 2  # a step sees BATCH bundles of BUNDLE molecules of equal length
LONGEST, LEAST = 72, 50  # tokens in a molecule; occurrences of a token
DIRECTIONS, SAMPLE = 160, 8192  # kept of the strong features; molecules that decide which
CAFFEINE = "Cn1cnc2c1c(=O)n(C)c(=O)n2C"  # by which a test recognises the weak networks


class Recipe(NamedTuple):
    """Size of a network and length of its training."""

    width: int
    depth: int
    steps: int
    lr: float
    stop: int | None = None


STRONG = Recipe(256, 4, 2600, 1e-3, stop=1400)
WEAK = {width: Recipe(width, 2, 500, 3e-3) for width in WIDTHS}


class Corpus(NamedTuple):
    """Molecules for pre-training: the vocabulary, tokens (n, t), descriptors (n, k)."""

    vocabulary: tuple[str, ...]
    tokens: Tensor
    described: Tensor
    facts: dict[str, Any]


def read_corpus(path: Path, store: Path, most: int | None) -> Corpus:
    """The corpus without what is long, unreadable to RDKit, or in one of the three data sets."""
    text = lzma.decompress(path.read_bytes()) if path.suffix == ".xz" else path.read_bytes()
    listed = text.decode().split()[:most]
    short = [line for line in listed if len(smiles.tokenize(line)) <= LONGEST]
    strings = [all_molecules(name).smiles for name in CATALOG]
    later = {one for rows in strings for one in chemistry.canonical(rows)}

    def described() -> Tensor:
        told = chemistry.descriptors(short)
        seen = [one in later for one in chemistry.canonical(short)]
        told[torch.tensor(seen)] = torch.nan
        return told

    key = content_key(chemistry.NAMES, short, sorted(map(str, later)))
    told = cached(described, key=key, folder=store)
    kept = told.isfinite().all(-1)
    rows = [line for line, keep in zip(short, kept.tolist(), strict=True) if keep]
    known = smiles.vocabulary(rows, least=LEAST if most is None else 1)
    facts = {
        "sha256": hashlib.sha256(text).hexdigest(),
        "listed": len(listed),
        "short": len(short),
        "used": len(rows),
    }
    return Corpus(known, smiles.encode(rows, known), chemistry.standardized(told[kept]), facts)


def pretrain(
    recipe: Recipe, corpus: Corpus, device: str, checkpoints: Path
) -> tuple[MolecularTransformer, dict[str, Any]]:
    """The trained network, and the seconds and last loss of its training, over resumed runs."""
    generator = torch.Generator().manual_seed(SEED)
    rows = smiles.bundles(corpus.tokens, BUNDLE, generator=generator)
    network = molecular.build(
        corpus.vocabulary,
        recipe.width,
        depth=recipe.depth,
        descriptors=corpus.described.shape[-1],
        seed=generator,
    )
    name = "-".join(map(str, recipe[:4]))
    checkpoint, clock = checkpoints / f"{name}.pt", checkpoints / f"{name}.json"
    before = json.loads(clock.read_text()) if clock.exists() else 0.0
    killed = checkpoint.exists() and not clock.exists()  # nobody knows for how long it ran
    start = time.process_time()
    fitted = train.fit(
        network,
        molecular.pretext,
        [corpus.tokens[rows], corpus.described[rows]],
        steps=recipe.steps,
        batch_size=BATCH,
        micro_batch=1 if device == "cpu" else None,  # bundle by bundle: no padding at all
        lr=recipe.lr,
        warmup=min(100, recipe.steps - 1),
        weight_decay=0.01,
        seed=generator,
        augment=partial(smiles.hidden, entries=len(corpus.vocabulary)),
        device=device,
        checkpoint=checkpoint,
        checkpoint_every=100,
        stop=recipe.stop,
    )
    seconds = None if killed else round(before + time.process_time() - start, 1)
    if not killed:
        clock.write_text(json.dumps(seconds))
    loss = round(fitted.losses[-100:].mean().item(), 4)
    return fitted.network, {**recipe._asdict(), "processor_seconds": seconds, "loss": loss}


def strong_features(network: MolecularTransformer, corpus: Corpus, device: str) -> dict[str, Any]:
    """Data set -> (n, k) float16, in the directions of largest variance over the corpus."""
    generator = torch.Generator().manual_seed(SEED)
    sample = corpus.tokens[torch.randperm(len(corpus.tokens), generator=generator)[:SAMPLE]]
    usual = extract(network, smiles.Encoded(sample), device=device, dtype=torch.float32)
    strings = [all_molecules(name).smiles for name in CATALOG]
    parts = [usual, *(see(network, rows, device=device) for rows in strings)]
    decide = torch.arange(sum(map(len, parts))) < len(usual)
    kept = frozen.leading(torch.cat(parts)[:, None], decide, DIRECTIONS)[:, 0].half()
    _, *views = kept.split([len(part) for part in parts])
    return {name: view.numpy() for name, view in zip(CATALOG, views, strict=True)}


def main(
    folder: Path, corpus: Corpus, strong: Recipe, weak: dict[int, Recipe], device: str, store: Path
) -> None:
    trained = {}
    for width, recipe in weak.items():
        network, trained[str(width)] = pretrain(recipe, corpus, device, store)
        path = folder / f"weak_{width}.safetensors"
        facts = {**recipe._asdict(), "loss": trained[str(width)]["loss"]}
        molecular.save(network, path, **facts)
    network, trained["strong"] = pretrain(strong, corpus, device, store)
    with replacing(folder / "features.npz") as partly, partly.open("wb") as target:
        np.savez_compressed(target, **strong_features(network, corpus, device))
    modules = (backbones, chemistry, frozen, molecular, smiles, train)
    written = [folder / "features.npz", *sorted(folder.glob("weak_*.safetensors"))]
    about = describe(
        "python data/molecules/make.py",
        code=(Path(__file__), *modules),
        files={path.name: path for path in written},
        device=device if device != "cpu" else "cpu, 1 thread",
        seed=SEED,
        batch=BATCH * BUNDLE,
        corpus=corpus.facts,
        networks=trained,
        caffeine={w: see(weak_network(w, folder=folder), [CAFFEINE])[0].tolist() for w in weak},
        data={name: CATALOG[name].citation for name in CATALOG},
    )
    save_json(folder / "make.json", about)


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fast", action="store_true", help="a tiny run, to see that it runs")
    parser.add_argument("--folder", type=Path, default=HERE, help="where to write")
    parser.add_argument("--checkpoints", type=Path, help="keep and continue training here")
    parser.add_argument("--corpus", type=Path, help="SMILES, one per line, plain or .xz")
    parser.add_argument("--strong", type=int, nargs=3, metavar=("WIDTH", "DEPTH", "STEPS"))
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    asked = parser.parse_args()
    listed = asked.corpus or downloads.folder() / "molecules" / "smiles_corpus.txt.xz"
    strong = Recipe(*asked.strong, lr=5e-4) if asked.strong else STRONG
    weak = {w: r._replace(steps=2) for w, r in WEAK.items()} if asked.fast else WEAK
    strong = strong._replace(steps=2, stop=None) if asked.fast else strong
    with tempfile.TemporaryDirectory() as passing:
        kept = asked.checkpoints or Path(passing)
        kept.mkdir(parents=True, exist_ok=True)
        corpus = read_corpus(listed, kept, 200 if asked.fast else None)
        main(asked.folder, corpus, strong, weak, asked.device, kept)
