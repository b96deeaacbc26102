"""Other pretexts for the strong backbone: python data/waterdigits/alternatives.py (two minutes).

Trains the same network on the same composites for the same number of steps, and measures what a
linear head then reads from it. Writes alternatives.csv and .json and prints the table.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import make
import pandas as pd
import torch
from measure import FIT, HEADS, N_TEST, SEED, composites, features, provenance, run
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate, mse_loss, normalize, one_hot

from w2s_tutorial.datasets import frozen, waterdigits
from w2s_tutorial.datasets.waterdigits import digit_images, lay_over, place
from w2s_tutorial.metrics import accuracy
from w2s_tutorial.tables import save_result, summarize

WIDTH, D = waterdigits.BACKBONES["strong"]
Pretext = Callable[[nn.Module, nn.Module, torch.Generator], Tensor]


def clean_digit(encoder: nn.Module, head: nn.Module, generator: torch.Generator) -> Tensor:
    images, row, _ = make.batch(make.BATCH, generator)
    return mse_loss(head(encoder(images))[:, :64], digit_images()[0][row].flatten(1))


def same_image(encoder: nn.Module, head: nn.Module, generator: torch.Generator) -> Tensor:
    images, _, _ = make.batch(make.BATCH, generator)
    return mse_loss(head(encoder(images)), images.flatten(1))


def digit_class(encoder: nn.Module, head: nn.Module, generator: torch.Generator) -> Tensor:
    images, row, _ = make.batch(make.BATCH, generator)
    return cross_entropy(head(encoder(images))[:, :10], digit_images()[1][row])


def same_digit(encoder: nn.Module, head: nn.Module, generator: torch.Generator) -> Tensor:
    """Contrastive: find the other composite of the same digit image (temperature 0.2)."""
    _, row, photograph = make.batch(make.BATCH, generator)
    other = photograph[torch.randperm(len(row), generator=generator)]
    views = [
        lay_over(
            place(digit_images()[0][row], seed=generator),
            where,
            downstream=False,
            seed=generator,
        )
        for where in (photograph, other)
    ]
    code = normalize(head(encoder(torch.cat(views)).relu())[:, :32], dim=-1)
    itself = torch.eye(len(code), dtype=torch.bool)
    partner = (torch.arange(len(code)) + len(row)) % len(code)
    return cross_entropy((code @ code.T / 0.2).masked_fill(itself, -1e9), partner)


PRETEXTS: dict[str, Pretext | None] = {
    "clean digit": clean_digit,
    "same image": same_image,
    "same digit": same_digit,
    "digit class": digit_class,
    "none": None,
}


def pretrain(pretext: Pretext | None, *, steps: int) -> waterdigits.Backbone:
    generator = torch.Generator().manual_seed(SEED)
    with torch.random.fork_rng():
        torch.manual_seed(SEED)
        network, head = waterdigits.Backbone(WIDTH, D), nn.Linear(D, 3 * 16 * 16)
    if pretext is not None:
        weights = [*network.encoder.parameters(), *head.parameters()]
        optimizer = torch.optim.AdamW(weights, lr=make.LR, weight_decay=make.WEIGHT_DECAY)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, make.LR, total_steps=steps)
        for _ in range(steps):
            loss = pretext(network.encoder, head, generator)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    make.standardise(network, generator)
    return network


def given_away() -> dict[str, Tensor]:
    """What the pretexts' own answers would tell a linear head, (n, 2, d) each."""
    digits, digit = digit_images()
    clean = interpolate(digits[:, None], size=8).flatten(1)
    clean = (clean - clean.mean(0)) / clean.std(0).clamp_min(0.05)
    answers = {"(the clean digit itself)": clean, "(the class itself)": one_hot(digit, 10).float()}
    rows = waterdigits.DOWNSTREAM
    return {name: value[rows, None].expand(-1, 2, -1) for name, value in answers.items()}


def measure(strong: Tensor) -> dict[str, Tensor]:
    """Accuracies (heads,): student and ceiling as by default, and how well 400 examples teach a
    head to tell the photograph where it says nothing about the label."""
    views = {"distracted": features("distracted"), "strong": strong}
    found = run("distracted", 100, 400, 0.25, 0.25, views=views.__getitem__)
    seen = frozen.FrozenFeatures({"strong": strong}, composites().label)
    sizes = {"train": 400, "test": N_TEST}
    half = dict.fromkeys(sizes, 0.5)
    drawn = {"sizes": sizes, "minority": half, "heads": HEADS, "seed": SEED}
    train, test = frozen.draw(seen, "strong", "strong", **drawn).values()
    tell = FIT(train.strong, one_hot(train.group % 2, 2).float())
    told = accuracy(tell(test.strong), one_hot(test.group % 2, 2).float())
    return {"student": found["student"], "ceiling": found["ceiling"], "photograph": told}


def main(folder: Path = Path(__file__).parent) -> None:
    start = time.perf_counter()
    views = {
        name: pretrain(pretext, steps=make.STEPS["strong"])(composites().images)
        for name, pretext in PRETEXTS.items()
    }
    views |= {f"backbone {name}": features(name) for name in waterdigits.BACKBONES}
    rows = [
        {"pretext": name, "role": role, "value": value}
        for name, view in (views | given_away()).items()
        for role, values in measure(view).items()
        for value in values.tolist()
    ]
    table = summarize(pd.DataFrame(rows), by=["pretext", "role"])
    save_result(table, folder / "alternatives.csv", provenance("alternatives.py", start, HEADS))
    print("| pretext | student | ceiling | photograph |\n| --- | --- | --- | --- |")
    for name, rows_of in table.groupby("pretext", sort=False):
        cells = [
            f"{100 * r.mean:.1f} ± {100 * (r.high - r.mean):.1f}" for r in rows_of.itertuples()
        ]
        print("| " + " | ".join([str(name), *cells]) + " |")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
