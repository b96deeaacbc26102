"""Train the five kinds of backbones on waterdigits: python data/waterdigits/five.py.

The supervised three paint the clean digit, as the older backbones here do, because a digit's name
would give the label away; "cnn" is told the photograph as well. Contrast and hidden patches need
no pretext of ours. Writes what they see of 1,396 digits into the package
(w2s_tutorial/datasets/waterdigits_features.npz) and, here, five.json. Two minutes of one core, no
download. --pretraining 1 --folder FOLDER trains the same networks from another seed, and writes
what they see of the same images into FOLDER/features.npz.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from w2s_tutorial.datasets import frozen, waterdigits
from w2s_tutorial.datasets.frozen import PARTS
from w2s_tutorial.networks import backbones, objectives, train
from w2s_tutorial.networks.features import extract
from w2s_tutorial.storage import describe, save_json

HERE = Path(__file__).parent
SEED, BATCH, DIRECTIONS = 0, 64, 64
SIZES = dict(zip(PARTS, (250, 690, 56, 400), strict=True))
PHOTOGRAPH_LOSS = 0.01  # as for "distracted"


class Recipe(NamedTuple):
    """How long a network is trained, at which rate, and whether it is told the photograph."""

    steps: int
    lr: float
    told: bool = False


RECIPES = {
    "cnn": Recipe(1000, 3e-3, told=True),
    "resnet": Recipe(800, 2e-3),
    "simclr": Recipe(500, 1e-3),
    "mae": Recipe(800, 1e-3),
    "convnext": Recipe(500, 1e-3),
}


def painted(
    network: backbones.Supervised, images: Tensor, clean: Tensor, photograph: Tensor
) -> Tensor:
    """Squared error of the painted digit (b,), and how badly the photograph is told, if it is."""
    canvas, *guesses = network.classify(images)
    loss = (canvas - clean).square().mean(-1)
    for guess in guesses:
        told = functional.cross_entropy(guess, photograph, reduction="none")
        loss = loss + PHOTOGRAPH_LOSS * told
    return loss


def scenes(row: Tensor, *, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Pre-training composites of the digits in these rows, clean digits (b, 64), photographs."""
    digits = waterdigits.digit_images()[0][row]
    photograph = torch.randint(2, (len(row),), generator=generator)
    ink = waterdigits.place(digits, seed=generator)
    images = waterdigits.lay_over(ink, photograph, downstream=False, seed=generator)
    return images, digits.flatten(1), photograph


def viewed(row: Tensor, *, generator: torch.Generator) -> list[Tensor]:
    return objectives.two_views(scenes(row, generator=generator)[0], generator=generator)


def hidden(row: Tensor, *, generator: torch.Generator) -> list[Tensor]:
    return objectives.shuffled_patches(scenes(row, generator=generator)[0], generator=generator)


PRETEXTS: dict[str, tuple[Any, Any]] = {
    "simclr": (objectives.contrast, viewed),
    "mae": (objectives.reconstruction, hidden),
}


def pretrain(name: str, steps: int, seed: int = SEED) -> nn.Module:
    """One of the five, trained on the digits and strips that are kept for pre-training."""
    recipe, generator = RECIPES[name], torch.Generator().manual_seed(seed)
    network = backbones.build(
        name,
        in_channels=3,
        image_size=(waterdigits.SIDE, waterdigits.SIDE),
        tasks=(64, 2) if recipe.told else (64,),
        seed=generator,
    )
    loss, augment = PRETEXTS.get(name, (painted, scenes))
    return train.fit(
        network,
        loss,
        [torch.arange(waterdigits.PRETRAINING.stop)],
        steps=steps,
        batch_size=BATCH,
        lr=recipe.lr,
        warmup=min(50, steps - 1),
        weight_decay=0.01,
        seed=generator,
        augment=augment,
    ).network


def dealt(label: Tensor) -> tuple[Tensor, Tensor]:
    """Rows of the digits that are used, half of them odd, and the part of each."""
    number = torch.arange(len(label), dtype=torch.float64).view(-1, 1, 1).expand(-1, 2, 1)
    numbered = frozen.FrozenFeatures({"row": number}, label)
    half = dict.fromkeys(SIZES, 0.5)
    sets = frozen.draw(numbered, "row", "row", sizes=SIZES, minority=half, heads=1, seed=SEED)
    row = torch.cat([sample.strong[0, :, 0].long() for sample in sets.values()])
    counts = torch.tensor([SIZES[part] for part in PARTS])
    return row, torch.arange(len(PARTS)).repeat_interleave(counts)


def main(
    folder: Path,
    steps: Mapping[str, int],
    features: Path = frozen.WATERDIGITS,
    pretraining: int = SEED,
) -> None:
    composites = waterdigits.compose(seed=torch.Generator().manual_seed(SEED))
    row, part = dealt(composites.label)
    images = composites.images[row]
    views, seconds = {}, {}
    for name in RECIPES:
        start = time.process_time()
        network = pretrain(name, steps[name], pretraining)
        seconds[name] = round(time.process_time() - start, 1)
        seen = extract(network, images.flatten(0, 1), dtype=torch.float32)
        pool = part == PARTS.index("pool")
        views[name] = frozen.leading(seen.unflatten(0, (-1, 2)), pool, DIRECTIONS)
    label = composites.label[row]
    frozen.save(
        features,
        frozen.FrozenFeatures(views, label, part),
        row=(row + waterdigits.DOWNSTREAM.start).int(),
    )
    modules = (waterdigits, frozen, backbones, objectives, train)
    facts = describe(
        "python data/waterdigits/five.py",
        code=(Path(__file__), *modules),
        files={features.name: features},
        processor_seconds=seconds,
        seed=pretraining,
        steps=dict(steps),
        batch_size=BATCH,
        sizes=SIZES,
    )
    save_json(folder / "five.json", facts)


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pretraining", type=int, default=SEED, help="seed of the networks")
    parser.add_argument("--folder", type=Path, default=HERE, help="where to write")
    asked = parser.parse_args()
    if asked.pretraining != SEED and asked.folder == HERE:
        parser.error("--pretraining needs a --folder of its own: the features here are of seed 0")
    kept = frozen.WATERDIGITS if asked.folder == HERE else asked.folder / "features.npz"
    asked.folder.mkdir(parents=True, exist_ok=True)
    main(asked.folder, {n: r.steps for n, r in RECIPES.items()}, kept, asked.pretraining)
