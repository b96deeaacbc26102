"""Gain and misfit of linear heads on two frozen networks, for many tasks at once.

The synthetic experiments of Charikar, Pabbaraju, Shiragur (NeurIPS 2024, arXiv 2405.15116): a pair
of networks is drawn or trained once (`draw_world`), their features are computed once, and the heads
of all tasks are solved exactly (`measure`).
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from w2s_tutorial.heads import fit_ridgeless
from w2s_tutorial.problems import MisfitProblem, Perturbed, Pretrained
from w2s_tutorial.problems.misfit import Origin
from w2s_tutorial.seeds import Seed, generator_of
from w2s_tutorial.simulation._common import check_trials
from w2s_tutorial.simulation._small_networks import (
    Network,
    perturb,
    random_network,
    task_error,
    train_on_tasks,
    uniform,
)
from w2s_tutorial.simulation.examples import gaussian

STEPS = {2: 700, 8: 6000}
"""Steps of pre-training by number of layers: enough for the loss of the published procedure. Many
more for 2 layers would make a better teacher than the published one, with less to gain."""

STARTS = {2: 1, 8: 3}
"""Initial weights to try by number of layers; the network of the lowest loss is kept, because a
deep narrow one often begins with too few units that fire."""

_RTOL = 3e-3
"""Of pre-trained features, directions whose spread is below this share of the largest count as
absent: a unit that fires on 1 input of 2,000 would wreck an exact head on fresh ones."""


class World(NamedTuple):
    """The three networks, and the pre-training errors of weak and strong (0 where untrained)."""

    target: Network
    weak: Network
    strong: Network
    weak_loss: float
    strong_loss: float


class Measured(NamedTuple):
    """Mean squared errors and distances, one per task (h,).

    Attributes:
        weak_error, student_error: against the true labels.
        misfit: between student and weak model.
        epsilon: error of the student's head if it is fitted to the true labels instead.
        variance: of the labels, to compare with.
    """

    weak_error: Tensor
    student_error: Tensor
    misfit: Tensor
    epsilon: Tensor
    variance: Tensor

    @property
    def gain(self) -> Tensor:
        """Weak error minus student's error, (h,)."""
        return self.weak_error - self.student_error


def draw_world(
    problem: MisfitProblem,
    *,
    seed: Seed,
    steps: int | None = None,
    starts: int | None = None,
) -> World:
    """Draw the target network, and draw or train the other two.

    Both pre-trained networks learn the same tasks; one that sees fewer examples sees the first.

    Args:
        seed: integer or generator, consumed.
        steps: of pre-training. Default: `STEPS` for 2 and 8 layers, for others as for 8.
        starts: initial weights to try. Default: `STARTS`, likewise.
    """
    generator = generator_of(seed)
    sizes = {"d_input": problem.d_input, "width": problem.width}
    target = random_network(problem.layers, **sizes, seed=generator)
    kinds = problem.weak, problem.strong
    trained = [kind for kind in kinds if isinstance(kind, Pretrained)]
    shape = (
        max([k.tasks for k in trained], default=1),
        max([k.examples for k in trained], default=1),
    )
    x = problem.scale * gaussian((*shape, problem.d_input), generator)
    head, label = _tasks(problem, target, x, generator)
    networks, losses = [], []
    for kind in kinds:
        if isinstance(kind, Perturbed):
            networks.append(perturb(target, kind.sd, seed=generator))
            losses.append(0.0)
            continue
        part = slice(kind.tasks), slice(kind.examples)
        data = x[part], (head[0][part[0]], head[1][part[0]]), label[part]
        many = steps or STEPS.get(kind.layers, STEPS[8])
        tried = []
        for _ in range(starts or STARTS.get(kind.layers, STARTS[8])):
            start = random_network(kind.layers, **sizes, seed=generator)
            network = train_on_tasks(start, *data, steps=many, seed=generator)
            tried.append((float(task_error(network, *data)), network))
        loss, network = min(tried, key=lambda pair: pair[0])
        networks.append(network)
        losses.append(loss)
    weak, strong = networks
    return World(target, weak, strong, *losses)


def measure(
    problem: MisfitProblem, world: World, *, tasks: int, seed: Seed
) -> tuple[Measured, Measured]:
    """Fit weak head and student of new tasks exactly: on their own inputs, and on fresh ones.

    Args:
        world: from `draw_world` of the problem.
        tasks: number h of tasks, each with its own n_labeled inputs and as many fresh ones.
        seed: integer or generator, consumed.

    Raises:
        ValueError: if tasks is below 1.
    """
    generator = generator_of(seed)
    check_trials(tasks)
    drawn = gaussian((tasks, 2 * problem.n_labeled, problem.d_input), generator)
    x = problem.scale * drawn
    _, label = _tasks(problem, world.target, x, generator)
    own, fresh = slice(problem.n_labeled), slice(problem.n_labeled, None)
    seen_weak, seen_strong = world.weak(x), world.strong(x)

    def fitted(kind: Origin, seen: Tensor, answer: Tensor) -> Tensor:
        rtol = _RTOL if isinstance(kind, Pretrained) else None
        return fit_ridgeless(seen[:, own], answer[:, own], rtol=rtol)(seen)

    weak = fitted(problem.weak, seen_weak, label)
    student, best = (fitted(problem.strong, seen_strong, answer) for answer in (weak, label))

    def compare(rows: slice) -> Measured:
        pairs = ((weak, label), (student, label), (student, weak), (best, label))
        apart = [(a[:, rows] - b[:, rows]).square().mean((1, 2)) for a, b in pairs]
        variance = label[:, rows].var((1, 2), correction=0)
        return Measured(apart[0], apart[1], apart[2], apart[3], variance)

    return compare(own), compare(fresh)


def _tasks(
    problem: MisfitProblem, target: Network, x: Tensor, generator: torch.Generator
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    """Random heads on the target network, weight and bias, and the labels of x (h, n, d_input)."""
    width, h = problem.width, len(x)
    head = uniform((h, width, 1), width, generator), uniform((h, 1, 1), width, generator)
    return head, target(x) @ head[0] + head[1]
