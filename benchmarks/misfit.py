"""Reproducing the misfit experiment: large batches and exact heads against the published steps.

Run: python benchmarks/misfit.py        (about two minutes)

Both pre-train 2 and 8 layers on ten tasks and fit weak head and student of new tasks, on the same
examples. The published procedure, re-implemented step by step: AdamW at 1e-3, batches of 32 of one
task; frozen features computed anew for every batch; heads by the same optimizer. To end soon
both get 200 examples of a task and 100 epochs, a tenth of the published numbers. Ours
trains in blocks of 500 steps until its pre-training loss is as low. Each
runs with one thread and with all; its times are the shorter.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from common import fastest
from torch import Tensor

from w2s_tutorial.heads import fit_ridgeless
from w2s_tutorial.simulation._small_networks import (
    Network,
    random_network,
    task_error,
    train_on_tasks,
    uniform,
)

TASKS, EXAMPLES, EPOCHS, NEW_TASKS, BATCH = 10, 200, 100, 100, 32
SIZES = {"d_input": 8, "width": 16}
Data = tuple[Tensor, tuple[Tensor, Tensor], Tensor]


def adamw(
    parts: list[Tensor],
    loss_of: Callable[[int, Tensor], Tensor],
    tasks: int,
    generator: torch.Generator,
) -> None:
    """The published steps: every batch of every task once an epoch."""
    optimizer = torch.optim.AdamW(parts, lr=1e-3)
    for _ in range(EPOCHS):
        for rows in torch.randperm(EXAMPLES, generator=generator).split(BATCH):
            for task in range(tasks):
                optimizer.zero_grad()
                loss_of(task, rows).backward()
                optimizer.step()


def published_network(start: Network, data: Data, generator: torch.Generator) -> Network:
    x, weight, bias, label = (t.float() for t in (data[0], *data[1], data[2]))
    layers = [(w.float().requires_grad_(), b.float().requires_grad_()) for w, b in start.layers]
    network = Network(tuple(layers))

    def loss_of(task: int, rows: Tensor) -> Tensor:
        said = network(x[task, rows]) @ weight[task] + bias[task]
        return (said - label[task, rows]).square().mean()

    adamw([part for layer in layers for part in layer], loss_of, TASKS, generator)
    return Network(tuple((w.detach().double(), b.detach().double()) for w, b in layers))


def published_heads(
    network: Network, x: Tensor, label: Tensor, generator: torch.Generator
) -> Tensor:
    """What a head per task says of its inputs after the published steps."""
    frozen = Network(tuple((w.float(), b.float()) for w, b in network.layers))
    inputs, wanted, said = x.float(), label.float(), []
    for task in range(NEW_TASKS):
        weight, bias = (
            uniform(shape, 16, generator).float().requires_grad_() for shape in ((16, 1), (1,))
        )

        def loss_of(_: int, rows: Tensor, task=task, weight=weight, bias=bias) -> Tensor:
            seen = frozen(inputs[task, rows])
            return (seen @ weight + bias - wanted[task, rows]).square().mean()

        adamw([weight, bias], loss_of, 1, generator)
        said.append((frozen(inputs[task]) @ weight + bias).detach().double())
    return torch.stack(said)


def our_network(start: Network, data: Data, goal: float, generator: torch.Generator) -> Network:
    network, scale = start, float(data[0].std()) / 30  # at which training reads its inputs
    for _ in range(50):
        network = train_on_tasks(network, *data, steps=500, seed=generator)
        if task_error(network, *data) <= goal:
            break
        (weight, bias), *others = network.layers
        network = Network(((weight * scale, bias), *others))
    return network


def our_heads(network: Network, x: Tensor, label: Tensor) -> Tensor:
    seen = network(x)
    return fit_ridgeless(seen, label)(seen)


def main() -> None:
    generator = torch.Generator().manual_seed(0)
    target = random_network(5, **SIZES, seed=generator)

    def draw(tasks: int) -> Data:
        x = 500 * torch.randn((tasks, EXAMPLES, 8), generator=generator, dtype=torch.float64)
        head = uniform((tasks, 16, 1), 16, generator), uniform((tasks, 1, 1), 16, generator)
        return x, head, target(x) @ head[0] + head[1]

    data, (x, _, label) = draw(TASKS), draw(NEW_TASKS)
    total = [0.0, 0.0]

    def row(name: str, spent: tuple[float, float], losses: list[float]) -> None:
        total[0], total[1] = total[0] + spent[0], total[1] + spent[1]
        print(f"{name:24}{losses[0]:10.4f} {spent[0]:8.2f} {losses[1]:10.4f} {spent[1]:8.3f}")

    print("stage                 published: loss, s        ours: loss, s")
    pairs = {}
    for layers in (2, 8):
        start = random_network(layers, **SIZES, seed=generator)
        spent, _, slow = fastest(partial(published_network, start, data, generator))
        goal = float(task_error(slow, *data))
        ours, _, fast = fastest(partial(our_network, start, data, goal, generator))
        row(
            f"pre-training, {layers} layers",
            (spent, ours),
            [goal, float(task_error(fast, *data))],
        )
        pairs[layers] = slow, fast
    taught = [label, label]
    for name, layers in (("weak heads", 2), ("students", 8)):
        given = pairs[layers][0], x, taught[0], generator
        spent, _, slow_said = fastest(partial(published_heads, *given))
        ours, _, fast_said = fastest(partial(our_heads, pairs[layers][1], x, taught[1]))
        both = list(zip((slow_said, fast_said), taught, strict=True))
        row(name, (spent, ours), [float((a - b).square().mean()) for a, b in both])
        taught = [slow_said, fast_said]
    print(f"all: ratio {total[0] / total[1]:.0f}")


if __name__ == "__main__":
    main()
