"""Students that are trained whole: a pre-trained body moves together with a new head.

A `Lesson` holds what r students see, one random draw each; `fine_tune` trains them, on a GPU all at
once; `measures` says at every look what they know of the truth and of their teachers.

    world = lesson(seen, images, "pixels", sizes=SIZES, minority=SHARES, runs=8, seed=0)
    students = [Whole(body(), 32, seed=i) for i in range(8)]
    taught = fine_tune(students, world, steps=240, batch_size=32, lr=1e-3, seed=0)
    measures(taught, world)
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional

from w2s_tutorial import losses
from w2s_tutorial.datasets.frozen import FrozenFeatures, draw
from w2s_tutorial.heads import Heads, fit_logistic
from w2s_tutorial.metrics import accuracy, group_accuracy, misfit, squared_error
from w2s_tutorial.networks.many import fit_many
from w2s_tutorial.pipeline import hard
from w2s_tutorial.sample import Sample
from w2s_tutorial.seeds import Seed, generator_of

PARTS = ("labeled", "pool", "held", "test")
Loss = Callable[[Tensor, Tensor, Tensor], Tensor]  # (output, target, progress) -> (b,)


class Whole(nn.Module):
    """Images (n, channels, height, width) -> outputs (n, classes): a body and a linear head.

    Batch norms of the body keep the statistics of pre-training, which a short training on small
    batches would spoil; their scales and shifts are trained.

    Args:
        body: images -> features (n, width); copied.
        width: number of features.
        classes: number of outputs.
        seed: integer or generator, consumed for the head, uniform in ±1 / sqrt(width).
    """

    def __init__(self, body: nn.Module, width: int, classes: int = 2, *, seed: Seed) -> None:
        super().__init__()
        self.body = _still(copy.deepcopy(body)).requires_grad_(True)
        self.head = nn.utils.skip_init(nn.Linear, width, classes)
        with torch.no_grad():
            for part in (self.head.weight, self.head.bias):
                part.uniform_(-(width**-0.5), width**-0.5, generator=generator_of(seed))

    def forward(self, images: Tensor) -> Tensor:
        """Logits (n, classes)."""
        return self.head(self.body(images))

    def free(self, *parts: str) -> Whole:
        """A copy in which only weights whose names begin like this are trained; "" are all.

        Raises:
            ValueError: if no weight begins like one of them.
        """
        network = copy.deepcopy(self)
        names = [name for name, _ in network.named_parameters()]
        if idle := [part for part in parts if not any(n.startswith(part) for n in names)]:
            raise ValueError(f"parts must begin names such as {names[0]}, got {idle}")
        for name, weight in network.named_parameters():
            weight.requires_grad_(name.startswith(parts))
        return network

    def begin(self, heads: Heads, row: int) -> Whole:
        """A copy whose head is one of those that were fitted on the body's features."""
        network = copy.deepcopy(self)
        with torch.no_grad():
            network.head.weight.copy_(heads.weight[row].T)
            network.head.bias.copy_(heads.bias[row].flatten())
        return network


class _Still(nn.Module):
    """A batch norm in evaluation mode for good."""

    mean: Tensor
    variance: Tensor

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.weight, self.bias, self.eps = norm.weight, norm.bias, norm.eps
        self.register_buffer("mean", norm.running_mean)
        self.register_buffer("variance", norm.running_var)

    def forward(self, x: Tensor) -> Tensor:
        given = (self.mean, self.variance, self.weight, self.bias)
        return functional.batch_norm(x, *given, training=False, eps=self.eps)


def _still(network: nn.Module) -> nn.Module:
    for name, part in network.named_children():
        setattr(network, name, _Still(part) if isinstance(part, nn.BatchNorm2d) else _still(part))
    return network


@dataclass(frozen=True)
class Lesson:
    """What r students see, part by part, in PARTS: a labelled set, pool, held-out pool, test set.

    Attributes:
        images: part -> (r, n, channels, height, width).
        label: part -> (r, n, 2), the teacher's labels, one-hot.
        target: part -> (r, n, 2), the true labels.
        group: part -> (r, n), 2 * label + attribute; 1 and 2 are the minority.
    """

    images: Mapping[str, Tensor]
    label: Mapping[str, Tensor]
    target: Mapping[str, Tensor]
    group: Mapping[str, Tensor]

    def to(self, device: torch.device | str) -> Lesson:
        """The same on a device."""
        return self._each(lambda part: part.to(device))

    def first(self, runs: int) -> Lesson:
        """The first of the runs alone."""
        return self._each(lambda part: part[:runs])

    def _each(self, change: Callable[[Tensor], Tensor]) -> Lesson:
        kinds = (self.images, self.label, self.target, self.group)
        return Lesson(*({name: change(x) for name, x in kind.items()} for kind in kinds))


def lesson(
    seen: FrozenFeatures,
    images: Tensor,
    teacher: str,
    *,
    sizes: Mapping[str, int],
    minority: Mapping[str, float],
    runs: int,
    seed: Seed,
    l2: float = 0.01,
) -> Lesson:
    """Draw all parts anew for each run, and let a logistic head on the teacher's features label.

    Args:
        seen: what the teacher sees of all images.
        images: (n, 2, channels, height, width) with both values of the attribute, or (n,
            channels, height, width) as found.
        teacher: name of a view in seen.
        sizes: part -> examples, for each of PARTS.
        minority: part -> share of the minority.
        runs: r.
        seed: integer or generator, consumed for the draws.
        l2: penalty of the teacher.
    """
    both = seen.attribute is None
    flat = images.flatten(0, 1) if both else images
    number = torch.arange(len(flat), dtype=torch.float64)
    number = number.view(-1, 2, 1) if both else number.view(-1, 1)
    views = {teacher: seen.features[teacher].double(), "row": number}
    known = FrozenFeatures(views, seen.label, seen.part, seen.attribute)
    sets = draw(
        known, teacher, "row", sizes=sizes, minority=minority, heads=runs, seed=generator_of(seed)
    )
    labeled = sets["labeled"]
    weak = fit_logistic(labeled.weak, labeled.target, l2=l2)

    def of(what: Callable[[Sample], Tensor]) -> dict[str, Tensor]:
        return {part: what(sample) for part, sample in sets.items()}

    return Lesson(
        of(lambda sample: flat[sample.strong[..., 0].long()]),
        of(lambda sample: hard(weak(sample.weak)).float()),
        of(lambda sample: sample.target.float()),
        of(lambda sample: sample.group),
    )


@torch.no_grad()
def map_images(world: Lesson, body: nn.Module) -> Lesson:
    """The lesson with what a frozen body makes of its images (r, n, ...) in their place."""
    body = copy.deepcopy(body).to(world.images["test"].device).eval()
    images = {
        part: torch.stack([torch.cat([body(some) for some in of.split(256)]) for of in all_of])
        for part, all_of in world.images.items()
    }
    return replace(world, images=images)


def fit_heads(features: Lesson, *, taught_by: str = "weak", l2: float) -> Heads:
    """Linear heads on frozen features, solved: what `fine_tune` is compared with.

    Args:
        features: from `map_images`, by a body that gives (n, d).
        taught_by: as in `fine_tune`.
        l2: penalty.
    """
    part, label = _taught_by(features, taught_by)
    return fit_logistic(features.images[part].double(), label.double(), l2=l2)


def _taught_by(world: Lesson, role: str) -> tuple[str, Tensor]:
    if role not in ("weak", "ceiling", "baseline"):
        raise ValueError(f"taught_by must be 'weak', 'ceiling' or 'baseline', got {role!r}")
    part = "labeled" if role == "baseline" else "pool"
    return part, (world.label if role == "weak" else world.target)[part]


def plain(output: Tensor, target: Tensor, progress: Tensor) -> Tensor:
    """Cross-entropy, at all times."""
    return losses.cross_entropy(output, target)


class Taught(NamedTuple):
    """Trained students, and what they said on the way.

    Attributes:
        networks: r of them.
        outputs: (part, steps done) -> (r, n, 2) logits on pool, held-out pool and test set.
    """

    networks: list[nn.Module]
    outputs: dict[tuple[str, int], Tensor]

    @property
    def looks(self) -> list[int]:
        """The numbers of steps after which somebody looked."""
        return sorted({done for _, done in self.outputs})


def fine_tune(
    students: Sequence[nn.Module],
    world: Lesson,
    *,
    steps: int,
    batch_size: int,
    lr: float,
    seed: int,
    looks: Sequence[int] = (),
    taught_by: str = "weak",
    loss: Loss = plain,
    keep: Tensor | None = None,
    **options: Any,
) -> Taught:
    """Train r students by AdamW, each on its own draw, and look at them on the way.

    Args:
        students: r of them; those that are given stay as they are.
        steps, batch_size, lr: as in `networks.train.fit`.
        seed: of the order of the examples; run i has seed + i.
        looks: steps done after which outputs are kept, besides the last.
        taught_by: "weak", the teacher's labels of the pool; "ceiling", the pool's true labels;
            "baseline", the true labels of the labelled set.
        loss: (output, target, progress) -> (b,), one loss per example of a batch.
        keep: (r, n) bool, the examples of the pool to train on, as many in every run.
        options: passed on to `networks.many.fit_many`.

    Raises:
        ValueError: for another taught_by, or runs that keep different numbers.
    """
    part, label = _taught_by(world, taught_by)
    own = [world.images[part], label]
    if keep is not None:
        if len(counts := keep.sum(1).unique()) > 1:
            raise ValueError(f"keep must keep as many in every run, got {counts.tolist()}")
        own = [x[keep].unflatten(0, (len(keep), -1)) for x in own]
    said: dict[tuple[str, int], list[Tensor]] = {}

    def watch(run: int, done: int, network: nn.Module) -> None:
        for name in ("pool", "held", "test"):
            images = world.images[name][run]
            output = torch.cat([_widened(network(some)) for some in images.split(256)])
            said.setdefault((name, done), []).append(output)

    def objective(network: nn.Module, *batch: Tensor, progress: Tensor) -> Tensor:
        images, target = batch
        return loss(_widened(network(images)), target, progress)

    fitted = fit_many(
        students,
        objective,
        own=own,
        steps=steps,
        batch_size=batch_size,
        lr=lr,
        seeds=[seed + i for i in range(len(students))],
        options={"progress": (torch.arange(steps) / steps).expand(len(students), -1)},
        watch=watch,
        watch_at={*looks, steps},
        device=own[0].device,
        **options,
    )
    return Taught(fitted.networks, {key: torch.stack(found) for key, found in said.items()})


def measures(taught: Taught, world: Lesson) -> pd.DataFrame:
    """A row per run and look; what uses true labels is marked by a star here, not in the table.

    Columns: run, step; on the test set accuracy*, minority* and majority* (accuracies), misfit
    (squared distance of the student's probabilities from its teacher's labels) and gain* (the
    teacher's squared error minus the student's); on the pool fits (share of the teacher's labels
    that it gives), pool* (accuracy) and seen_misfit; on the held-out pool agrees (as fits) and
    sure (mean of its largest probability).
    """
    rows = []
    target, label, group = (kind["test"] for kind in (world.target, world.label, world.group))
    weak_error = squared_error(label, target)
    for done in taught.looks:
        test, pool, held = (taught.outputs[part, done] for part in ("test", "pool", "held"))
        p = test.softmax(-1)
        by_group = group_accuracy(test, target, group, groups=4)
        rows.append(
            {
                "accuracy": accuracy(test, target),
                "minority": by_group[:, 1:3].mean(1),
                "majority": by_group[:, [0, 3]].mean(1),
                "misfit": misfit(p, label),
                "gain": weak_error - squared_error(p, target),
                "fits": accuracy(pool, world.label["pool"]),
                "pool": accuracy(pool, world.target["pool"]),
                "seen_misfit": misfit(pool.softmax(-1), world.label["pool"]),
                "agrees": accuracy(held, world.label["held"]),
                "sure": held.softmax(-1).amax(-1).mean(-1),
            }
        )
    runs = range(len(target))
    tables = [
        pd.DataFrame({"run": runs, "step": done, **{k: v.cpu().numpy() for k, v in row.items()}})
        for done, row in zip(taught.looks, rows, strict=True)
    ]
    return pd.concat(tables, ignore_index=True)


def _widened(output: Tensor) -> Tensor:
    return output if output.dtype == torch.float64 else output.float()
