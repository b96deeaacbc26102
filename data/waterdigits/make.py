"""Train the backbones of waterdigits: python data/waterdigits/make.py (about a minute, one core).

Pretext: from a digit over a photograph, paint the clean digit, 8 x 8 pixels. No backbone is ever
told what a digit is called. Writes the weights into the package
(w2s_tutorial/datasets/waterdigits.safetensors) and, here, weights.json (how they came about) and
reference.npz (composites with their features, by which a test knows the weights again).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

from w2s_tutorial.datasets import waterdigits
from w2s_tutorial.datasets.waterdigits import BACKBONES, Backbone, digit_images, lay_over, place
from w2s_tutorial.storage import describe, save_json, save_tensors

HERE = Path(__file__).parent
SEED, BATCH, LR, WEIGHT_DECAY = 0, 128, 3e-3, 1e-3
STEPS = {"pixels": 2000, "tiny": 200, "small": 2000, "distracted": 2000, "strong": 2000}
PHOTOGRAPH_LOSS = {"distracted": 0.01}  # weight of telling the photograph, on top of the pretext


def batch(n: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """n pre-training composites: images, row of each digit, photograph."""
    row = torch.randint(waterdigits.PRETRAINING.stop, (n,), generator=generator)
    photograph = torch.randint(2, (n,), generator=generator)
    ink = place(digit_images()[0][row], seed=generator)
    return lay_over(ink, photograph, downstream=False, seed=generator), row, photograph


def pretrain(name: str, *, steps: int, seed: int = SEED) -> Backbone:
    """A backbone trained for some steps, standardised on 4,096 pre-training composites."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)  # the layers draw their first weights from the global generator
        network = Backbone(*BACKBONES[name])
        tell_photograph = nn.Linear(BACKBONES[name][1], 1)
    weights = [*network.parameters(), *tell_photograph.parameters()]
    optimizer = torch.optim.AdamW(weights, lr=LR, weight_decay=WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LR, total_steps=steps)
    for _ in range(steps):
        images, row, photograph = batch(BATCH, generator)
        features = network.encoder(images)
        loss = mse_loss(network.decoder(features), digit_images()[0][row].flatten(1))
        if name in PHOTOGRAPH_LOSS:
            guess = tell_photograph(features)[:, 0]
            told = binary_cross_entropy_with_logits(guess, photograph.float())
            loss = loss + PHOTOGRAPH_LOSS[name] * told
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    standardise(network, generator)
    return network


def standardise(network: Backbone, generator: torch.Generator) -> None:
    """Give every feature mean 0 and deviation 1 on 4,096 pre-training composites."""
    features = network(batch(4096, generator)[0])
    network.mean.copy_(features.mean(0))
    network.deviation.copy_(features.std(0).clamp_min(1e-6))


def main(
    folder: Path = HERE, weights: Path = waterdigits.WEIGHTS, steps: Mapping[str, int] = STEPS
) -> None:
    start = time.perf_counter()
    networks = {name: pretrain(name, steps=steps[name]) for name in BACKBONES}
    seconds = time.perf_counter() - start
    state = {
        f"{name}.{key}": value
        for name, network in networks.items()
        for key, value in network.state_dict().items()
    }
    told = {"command": "python data/waterdigits/make.py", "seed": SEED, "steps": dict(steps)}
    save_tensors(weights, state, **told)
    generator = torch.Generator().manual_seed(SEED)
    # As bytes: decoders of JPEG differ in the last bit, and this is about the networks.
    images = (waterdigits.compose(seed=generator).images[:16] * 255).round().byte()
    features = {name: network(images / 255).numpy() for name, network in networks.items()}
    np.savez_compressed(folder / "reference.npz", images=images.numpy(), **features)
    facts = describe(
        **told,
        code=(Path(__file__), waterdigits),
        files={weights.name: weights},
        seconds=round(seconds),
    )
    save_json(folder / "weights.json", facts)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
