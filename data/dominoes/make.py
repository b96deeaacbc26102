"""Train the backbones of Dominoes and keep what they see: python data/dominoes/make.py.

A digit of MNIST above a garment of Fashion-MNIST; downstream, coat or dress is the label and the
digit, 0 or 1, the spurious attribute. Reads both sets through the loaders (36 MB, downloaded once)
and writes features.npz, features.json (how it came about) and sheet.npz (eight of the images).
About fifteen minutes of one core; with --checkpoints FOLDER an interrupted run continues there.
--pretraining 1 --folder FOLDER trains the same networks from another seed on the same images;
pretraining.py measures those.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from dominoes_images import SEED, Source, compose, deal, reserved, source
from torch import Tensor, nn

from w2s_tutorial.datasets import frozen
from w2s_tutorial.datasets.frozen import PARTS
from w2s_tutorial.datasets.public import CATALOG
from w2s_tutorial.networks import backbones, objectives, train
from w2s_tutorial.networks.features import cached, extract
from w2s_tutorial.storage import content_key, describe, save_json

HERE = Path(__file__).parent
BATCH, DIRECTIONS = 64, 64
FILES = ("features.npz", "sheet.npz")
SOURCES = (Path(__file__), HERE / "dominoes_images.py")
SIZES = dict(zip(PARTS, (2000, 5000, 400, 3000), strict=True))


class Recipe(NamedTuple):
    """How a backbone is trained: which of the five, whether it reads the digit, how long."""

    network: str
    steps: int
    lr: float
    reads: bool = False
    images: int | None = None  # how many garments it sees; None: all


RECIPES = {
    "cnn": Recipe("cnn", 500, 3e-3, reads=True, images=2000),
    "resnet": Recipe("resnet", 1000, 2e-3),
    "resnet_reads": Recipe("resnet", 1000, 2e-3, reads=True),
    "simclr": Recipe("simclr", 500, 1e-3),
    "mae": Recipe("mae", 700, 1e-3),
    "convnext": Recipe("convnext", 700, 1e-3),
}


def pretrain(
    name: str, data: Source, steps: int, checkpoints: Path, seed: int = SEED
) -> tuple[nn.Module, float]:
    """The trained backbone and the processor seconds it took, over all resumed runs."""
    recipe, generator = RECIPES[name], torch.Generator().manual_seed(seed)
    garment_rows, digit_rows = reserved(data)
    if recipe.images:
        order = torch.randperm(len(garment_rows), generator=generator)
        garment_rows = garment_rows[order[: recipe.images]]
    kinds, label = data.garment[garment_rows].unique(return_inverse=True)
    network = backbones.build(
        recipe.network,
        in_channels=1,
        image_size=(56, 28),
        tasks=(len(kinds), 10) if recipe.reads else (len(kinds),),
        seed=generator,
    )
    above = partial(_stacked, data.digits[digit_rows], data.digit[digit_rows])
    loss, augment = _pretext(recipe, above)
    checkpoint, clock = checkpoints / f"{name}.pt", checkpoints / f"{name}.json"
    before = json.loads(clock.read_text()) if clock.exists() else 0.0
    start = time.process_time()
    fitted = train.fit(
        network,
        loss,
        [data.garments[garment_rows], label],
        steps=steps,
        batch_size=BATCH,
        lr=recipe.lr,
        warmup=min(50, steps - 1),
        weight_decay=0.01,
        seed=generator,
        augment=augment,
        checkpoint=checkpoint,
        checkpoint_every=100,
    )
    seconds = before + time.process_time() - start
    clock.write_text(json.dumps(seconds))
    return fitted.network, seconds


def _pretext(recipe: Recipe, above: Callable[..., list[Tensor]]) -> tuple[Any, Any]:
    """The loss, and the augmentation that puts a random digit above every garment."""

    def classified(garments: Tensor, label: Tensor, *, generator: torch.Generator) -> list[Tensor]:
        images, digit = above(garments, generator=generator)
        labels = (label, digit) if recipe.reads else (label,)
        return objectives.zoomed(images, *labels, generator=generator)

    def viewed(garments: Tensor, _: Tensor, *, generator: torch.Generator) -> list[Tensor]:
        return objectives.two_views(above(garments, generator=generator)[0], generator=generator)

    def hidden(garments: Tensor, _: Tensor, *, generator: torch.Generator) -> list[Tensor]:
        images = above(garments, generator=generator)[0]
        zoomed = objectives.zoomed(images, generator=generator)[0]
        return objectives.shuffled_patches(zoomed, generator=generator)

    if recipe.network == "simclr":
        return objectives.contrast, viewed
    if recipe.network == "mae":
        return objectives.reconstruction, hidden
    return objectives.classification, classified


def _stacked(
    digits: Tensor, digit: Tensor, garments: Tensor, *, generator: torch.Generator
) -> list[Tensor]:
    """Dominoes (n, 1, 56, 28) of garments below random digits, and what these are (n,)."""
    row = torch.randint(len(digits), (len(garments),), generator=generator)
    return [torch.cat([digits[row], garments], dim=-2), digit[row]]


def extracted(network: nn.Module, images: Tensor, folder: Path) -> Tensor:
    """Features (n, 2, d) of the composites, kept in the folder."""

    def look() -> Tensor:
        return extract(network, images.flatten(0, 1), batch_size=256, dtype=torch.float32)

    key = content_key(network, images)
    return cached(look, key=key, folder=folder).unflatten(0, (-1, 2))


def main(
    folder: Path,
    sizes: Mapping[str, int],
    steps: Mapping[str, int],
    checkpoints: Path,
    seed: int = SEED,
) -> None:
    data = source()
    chosen = deal(data, sizes)
    images = compose(data, chosen)
    pool = chosen.part == PARTS.index("pool")
    views, seconds = {}, {}
    for name in RECIPES:
        network, seconds[name] = pretrain(name, data, steps[name], checkpoints, seed)
        seen = extracted(network, images, checkpoints)
        views[name] = frozen.leading(seen, pool, DIRECTIONS)
    frozen.save(
        folder / "features.npz",
        frozen.FrozenFeatures(views, chosen.label, chosen.part),
        garment=chosen.garment.int(),
        digit=chosen.digit.int(),
    )
    shown = (chosen.part == PARTS.index("validation")).nonzero().flatten()[:4]
    np.savez_compressed(
        folder / "sheet.npz", images=images[shown].numpy(), label=chosen.label[shown].numpy()
    )
    facts = describe(
        "python data/dominoes/make.py",
        code=(*SOURCES, backbones, objectives, train, frozen),
        files={name: folder / name for name in FILES},
        processor_seconds={name: round(value, 1) for name, value in seconds.items()},
        seed=seed,
        steps=dict(steps),
        batch_size=BATCH,
        sizes=dict(sizes),
        data={
            name: {
                "licence": CATALOG[name].licence,
                "citation": CATALOG[name].citation,
                "content": {role: file.hash for role, file in CATALOG[name].files.items()},
            }
            for name in ("mnist", "fashion_mnist")
        },
    )
    save_json(folder / "features.json", facts)


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fast", action="store_true", help="a tiny run, to see that it runs")
    parser.add_argument("--folder", type=Path, default=HERE, help="where to write")
    parser.add_argument("--checkpoints", type=Path, help="keep and continue training here")
    parser.add_argument("--pretraining", type=int, default=SEED, help="seed of the networks")
    asked = parser.parse_args()
    if asked.pretraining != SEED and asked.folder == HERE:
        parser.error("--pretraining needs a --folder of its own: the features here are of seed 0")
    sizes = dict.fromkeys(PARTS, 80) if asked.fast else SIZES
    steps = {name: 2 if asked.fast else recipe.steps for name, recipe in RECIPES.items()}
    with tempfile.TemporaryDirectory() as passing:
        kept = asked.checkpoints or Path(passing)
        kept.mkdir(parents=True, exist_ok=True)
        main(asked.folder, sizes, steps, kept, asked.pretraining)
