"""Training: `train.fit` against the loop that a beginner's tutorial ends with, in one run.

The rival is a Dataset that normalises each image as it is asked for, a DataLoader that shuffles
and collates, and the plain loop over its batches in float32. Network, data, batch size, optimizer
and learning rate are the same. The two take turns; the table has the medians and their quartiles.

    python benchmarks/train.py [--save data/benchmarks/train.csv]     (half a minute on 2 cores)
"""

from __future__ import annotations

import copy
import statistics

import pandas as pd
import torch
from common import run, seconds
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from w2s_tutorial import FAST
from w2s_tutorial.networks.backbones import Supervised, build
from w2s_tutorial.networks.objectives import classification
from w2s_tutorial.networks.train import fit

IMAGES, BATCH, LR, ROUNDS = (64, 8, 1e-3, 2) if FAST else (20_000, 128, 1e-3, 5)
# Steps per turn and network on a CPU; a GPU does ten times as many.
STEPS = {"cnn": 2, "resnet": 1} if FAST else {"cnn": 30, "resnet": 6}


class Pictures(Dataset):
    """Images normalised one at a time, as tutorials do it."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        self.images, self.labels = images, labels

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        return (self.images[number].float() / 255 - 0.286) / 0.353, self.labels[number]


def tutorial(network: Supervised, images: Tensor, labels: Tensor, steps: int, device: str) -> None:
    """The tutorial's loop, for a number of steps."""
    # In torch's usual layout: changing it is part of what `fit` does, and no part of tutorials.
    network = copy.deepcopy(network).to(device).to(memory_format=torch.contiguous_format)
    loader = DataLoader(Pictures(images, labels), batch_size=BATCH, shuffle=True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LR)
    measure = nn.CrossEntropyLoss()
    done = 0
    while done < steps:
        for batch, label in loader:
            batch, label = batch.to(device), label.to(device)
            (output,) = network.classify(batch)
            loss = measure(output, label)
            loss.backward()
            optimizer.step()
            optimizer.zero_grad()
            if done % 100 == 0:
                loss.item()
            done += 1
            if done == steps:
                break


def compare(name: str, device: str) -> list[dict]:
    """Rows of the table: each loop's rate in images per second."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (IMAGES, 1, 28, 28), generator=generator, dtype=torch.uint8)
    labels = torch.randint(10, (IMAGES,), generator=generator)
    network = build(name, in_channels=1, image_size=(28, 28), tasks=(10,), seed=generator)
    steps = STEPS[name] * (1 if FAST or device == "cpu" else 10)
    turns = {
        "tutorial": lambda: tutorial(network, images, labels, steps, device),
        "ours": lambda: fit(
            network,
            classification,
            (images, labels),
            steps=steps,
            batch_size=BATCH,
            lr=LR,
            seed=generator,
            device=device,
        ),
    }
    rates: dict[str, list[float]] = {loop: [] for loop in turns}
    for _ in range(ROUNDS + 1):
        for loop, turn in turns.items():
            rates[loop].append(steps * BATCH / seconds(turn, device))
    rows = []
    for loop, found in rates.items():
        low, median, high = statistics.quantiles(found[1:], n=4)  # the first turn warms up
        rows.append({"network": name, "loop": loop, "low": low, "median": median, "high": high})
    return rows


def compare_all(device: str) -> pd.DataFrame:
    print(f"images per second on {device}, {torch.get_num_threads()} threads, batch {BATCH}")
    return pd.DataFrame([row for name in STEPS for row in compare(name, device)])


def show(table: pd.DataFrame) -> None:
    print("network   tutorial (quartiles)      ours (quartiles)       ratio")
    for name, rows in table.groupby("network", sort=False):
        theirs, ours = (rows.set_index("loop").loc[loop] for loop in ("tutorial", "ours"))
        print(
            f"{name:8s} {theirs['median']:8.0f} ({theirs.low:.0f}..{theirs.high:.0f})"
            f" {ours['median']:12.0f} ({ours.low:.0f}..{ours.high:.0f})"
            f" {ours['median'] / theirs['median']:8.2f}"
        )


if __name__ == "__main__":
    run(__file__, compare_all, show)
