"""Many small networks: one after the other against all at once on this device.

python benchmarks/many.py [--save data/benchmarks/many.csv]     (about a minute)
"""

from __future__ import annotations

import statistics

import pandas as pd
import torch
from common import run, seconds

from w2s_tutorial import FAST
from w2s_tutorial.networks.backbones import build
from w2s_tutorial.networks.many import fit_many
from w2s_tutorial.networks.objectives import classification

IMAGES, BATCH, ROUNDS = (32, 8, 1) if FAST else (2_000, 64, 3)
RUNS = (1, 2) if FAST else (1, 8, 32)


def measure(name: str, runs: int, device: str) -> dict:
    """A row of the table: seconds for a number of steps of all runs, medians of turns."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(256, (IMAGES, 1, 28, 28), generator=generator, dtype=torch.uint8)
    labels = torch.randint(10, (IMAGES,), generator=generator)
    networks = [
        build(name, in_channels=1, image_size=(28, 28), tasks=(10,), seed=seed)
        for seed in range(runs)
    ]
    steps = 2 if FAST else 3 if device == "cpu" else 100

    def train(together: bool) -> None:
        fit_many(
            networks,
            classification,
            [images, labels],
            steps=steps,
            batch_size=BATCH,
            lr=1e-3,
            seeds=range(runs),
            device=device,
            together=together,
        )

    spent: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(ROUNDS + 1):
        for together, found in spent.items():
            found.append(seconds(lambda together=together: train(together), device))
    loop, many = (statistics.median(found[1:]) for found in spent.values())
    return {"network": name, "runs": runs, "steps": steps, "loop": loop, "many": many}


def compare(device: str) -> pd.DataFrame:
    print(f"on {device}, {torch.get_num_threads()} threads, batch {BATCH}")
    names = ("cnn",) if FAST else ("cnn", "resnet")
    return pd.DataFrame([measure(name, runs, device) for name in names for runs in RUNS])


def show(table: pd.DataFrame) -> None:
    print("network  runs  steps   loop s   many s   loop / many")
    for row in table.itertuples():
        print(
            f"{row.network:8s} {row.runs:4d} {row.steps:6d} {row.loop:8.2f} {row.many:8.2f}"
            f" {row.loop / row.many:10.2f}"
        )


if __name__ == "__main__":
    run(__file__, compare, show)
