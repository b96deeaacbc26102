"""Small ReLU networks whose every layer is rectified: random, perturbed, or trained on many tasks.

For `simulation.misfit`. Networks are trained on all tasks at once in large batches, from inputs of
a scale that trains fast; the published procedure is in benchmarks/misfit.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from w2s_tutorial.seeds import Seed, generator_of

_INPUT = 30.0  # standard deviation that inputs are brought to while a network trains


@dataclass(frozen=True)
class Network:
    """Layers x -> relu(x @ weight + bias), one after the other.

    Attributes:
        layers: pairs weight (d_in, d_out) and bias (d_out,).
    """

    layers: tuple[tuple[Tensor, Tensor], ...]

    def __call__(self, x: Tensor) -> Tensor:
        """Features (..., width) of inputs (..., d_input)."""
        for weight, bias in self.layers:
            x = (x @ weight + bias).relu()
        return x

    def __len__(self) -> int:
        return len(self.layers)


def uniform(shape: tuple[int, ...], d_in: int, generator: torch.Generator) -> Tensor:
    """float64 numbers from torch's default range for a layer of d_in inputs, 1 / sqrt(d_in)."""
    return (2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1) / math.sqrt(d_in)


def random_network(layers: int, *, d_input: int, width: int, seed: Seed) -> Network:
    """A network with torch's default initial weights: float64."""
    generator = generator_of(seed)
    sizes = [d_input] + [width] * layers
    return Network(
        tuple(
            (uniform((d_in, width), d_in, generator), uniform((width,), d_in, generator))
            for d_in in sizes[:-1]
        )
    )


def perturb(network: Network, sd: float, *, seed: Seed) -> Network:
    """The network with N(0, sd^2) added to every weight and bias."""
    generator = generator_of(seed)

    def shaken(value: Tensor) -> Tensor:
        return value + sd * torch.randn(value.shape, generator=generator, dtype=value.dtype)

    return Network(tuple((shaken(weight), shaken(bias)) for weight, bias in network.layers))


def task_error(network: Network, x: Tensor, head: tuple[Tensor, Tensor], label: Tensor) -> Tensor:
    """Mean squared error over all tasks and examples: a scalar.

    Args:
        network: whose features the heads read.
        x: (tasks, n, d_input) inputs.
        head: weight (tasks, width, 1) and bias (tasks, 1, 1).
        label: (tasks, n, 1).
    """
    return (network(x) @ head[0] + head[1] - label).square().mean()


@torch.enable_grad()
def train_on_tasks(
    network: Network,
    x: Tensor,
    head: tuple[Tensor, Tensor],
    label: Tensor,
    *,
    steps: int,
    batch: int = 512,
    lr: float = 1e-2,
    seed: Seed,
) -> Network:
    """The network after training on all tasks at once; the heads stay as they are.

    Adam in float32 with a step size that rises for a tenth of the steps and falls to nothing.
    Inputs are brought to a standard deviation of 30, at which features came out best, and the first
    layer takes the factor back at the end: the network reads inputs as they are.

    Args:
        network: where training starts.
        x: (tasks, n, d_input) inputs.
        head: weight (tasks, width, 1) and bias (tasks, 1, 1).
        label: (tasks, n, 1).
        steps: of Adam, at least 10.
        batch: examples of a step, drawn without replacement from all tasks.
        lr: largest step size.
        seed: integer or generator, consumed for the order of the examples.

    Raises:
        ValueError: if steps is below 10, or training diverges.
    """
    generator = generator_of(seed)
    if steps < 10:
        raise ValueError(f"steps must be at least 10, got {steps}")
    tasks, n, _ = x.shape
    scale = x.std() / _INPUT
    inputs, wanted = (x / scale).float().flatten(0, 1), label.float().flatten()
    weight = head[0].float()[:, :, 0].repeat_interleave(n, 0)
    wanted = wanted - head[1].float().flatten().repeat_interleave(n)
    layers = [[w.float(), b.float()] for w, b in network.layers]
    moving = [part.requires_grad_() for layer in layers for part in layer]
    optimizer = torch.optim.Adam(moving, lr=lr, foreach=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, lr, steps, pct_start=0.1)
    batch = min(batch, tasks * n)
    order = torch.empty(0, dtype=torch.long)
    for _ in range(steps):
        if len(order) < batch:
            order = torch.randperm(tasks * n, generator=generator)
        rows, order = order[:batch], order[batch:]
        seen = inputs[rows]
        for part, bias in layers:
            seen = torch.addmm(bias, seen, part).relu()
        loss = ((seen * weight[rows]).sum(1) - wanted[rows]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    if not loss.isfinite():
        raise ValueError(f"training diverged at lr = {lr}: choose a smaller one")
    trained = [(w.detach().double(), b.detach().double()) for w, b in layers]
    trained[0] = (trained[0][0] / scale, trained[0][1])
    return Network(tuple(trained))
