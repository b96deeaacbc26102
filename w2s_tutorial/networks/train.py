"""One training loop for whole networks, the same on a laptop, on one GPU and on several.

The data set lives on the device as tensors, so a step is: choose rows, augment them there,
differentiate, update. No worker processes, no copies per step, and no number is fetched from the
device until somebody looks at it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from w2s_tutorial.networks.run import BatchLoss, Objective, Run, channels_last
from w2s_tutorial.seeds import Seed, generator_of
from w2s_tutorial.storage import content_key

Augment = Callable[..., Sequence[Tensor]]  # (*batch, generator=...) -> batch

LOOK_EVERY = 100  # steps between two looks at the losses, each of which waits for the device


class Fit(NamedTuple):
    """A trained network, in evaluation mode, and the mean loss of each step's batch (steps,)."""

    network: nn.Module
    losses: Tensor


def schedule(step: int, *, steps: int, warmup: int) -> float:
    """Share of the full learning rate at a step: linear warm-up, then half a cosine towards 0.

    It is 1 at step == warmup, where the two pieces meet, and above 0 everywhere, so that no step
    (0..steps-1) is wasted.
    """
    if step < warmup:
        return (step + 1) / (warmup + 1)
    return (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2


def fit(
    network: nn.Module,
    loss: BatchLoss,
    data: Sequence[Tensor],
    *,
    steps: int,
    batch_size: int,
    lr: float,
    seed: Seed,
    augment: Augment | None = None,
    warmup: int = 0,
    weight_decay: float = 0.0,
    device: torch.device | str = "cpu",
    micro_batch: int | None = None,
    compiled: bool = False,
    checkpoint: Path | str | None = None,
    checkpoint_every: int = 1000,
    stop: int | None = None,
) -> Fit:
    """Train a copy of network by AdamW; the one that was passed in stays as it is.

    Each epoch visits the examples in a new order, in full batches (the remainder of n by
    batch_size sits out, a different one each time). On GPUs matrix products run in half
    precision. Weight decay leaves biases and norms alone.

    Under `torchrun`, after `torch.distributed.init_process_group`, every process calls `fit`
    with the same arguments and an equal seed (only `device` differs). All draw the
    same batch and each differentiates its own part of it: the result is that of one process.

    Args:
        loss: (network, *batch) -> (b,), one loss per example. If examples meet in it (contrastive
            losses, batch norm) then what they meet is the micro-batch of one process.
        data: tensors (n, ...) of equal length; keep images in uint8 and they stay small.
        lr: the highest learning rate, reached after `warmup` steps (see `schedule`).
        seed: integer or generator, of which one number is drawn: the seed of everything here.
            Dropout draws from torch's global generator, which is neither seeded nor saved.
        augment: (*batch, generator=...) -> batch, on the device.
        micro_batch: examples differentiated at once; gradients add up to the whole batch's. It
            is halved, with a warning, whenever memory runs out.
        compiled: pass network and loss through `torch.compile` first.
        checkpoint: file to write every `checkpoint_every` steps and at the end, and to continue
            from if it exists. On a CPU the continued run equals the uninterrupted one bit for bit.
        stop: end after so many of the steps, at a learning rate that is still that of the whole
            schedule. Default: steps.

    Raises:
        ValueError: for sizes that cannot work, or a checkpoint of a run with another network,
            other data, settings or seed.
        FloatingPointError: naming the step, if a loss is NaN or infinite.
    """
    several = dist.is_available() and dist.is_initialized()
    rank, ranks = (dist.get_rank(), dist.get_world_size()) if several else (0, 1)
    last = steps if stop is None else stop
    _check(data, steps, batch_size, lr, warmup, micro_batch, checkpoint_every, ranks, last)
    device, n = torch.device(device), len(data[0])
    drawn = int(torch.randint(2**62, (), generator=generator_of(seed)))
    settings = (steps, batch_size, lr, warmup, weight_decay, micro_batch, ranks, drawn)
    key = content_key(network, data, settings) if checkpoint else ""
    path = Path(checkpoint) if checkpoint else None

    data = [part.to(device) for part in data]
    at_once = min(micro_batch or batch_size, batch_size // ranks)
    run = Run(network, steps, drawn, at_once, weight_decay, device)
    if path and path.exists():
        run.load(path, key, device)
        if run.done > last:
            raise ValueError(f"stop must be at least the checkpoint's {run.done}, got {last}")
    objective: nn.Module = Objective(run.network, loss)
    objective = torch.compile(objective) if compiled else objective  # type: ignore[assignment]
    objective = nn.parallel.DistributedDataParallel(objective) if ranks > 1 else objective

    for step in _progress(range(run.done, last), quiet=rank > 0):
        first = step % (n // batch_size) * batch_size
        if first == 0:
            run.order = torch.randperm(n, generator=run.draws, device=device)
        rows = run.order[first : first + batch_size]
        batch: Sequence[Tensor] = [part[rows] for part in data]
        batch = augment(*batch, generator=run.draws) if augment else batch
        batch = [channels_last(part.chunk(ranks)[rank]) for part in batch]
        for group in run.optimizer.param_groups:
            group["lr"] = lr * schedule(step, steps=steps, warmup=warmup)
        run.losses[step] = run.differentiate(objective, batch, can_halve=ranks == 1)
        run.scaler.step(run.optimizer)
        run.scaler.update()
        run.done = step + 1
        write = path is not None and run.done % checkpoint_every == 0
        if write or run.done % LOOK_EVERY == 0 or run.done == last:
            run.losses[: run.done] = _mean_over_ranks(run.losses[: run.done], ranks)
            _refuse_broken(run.losses[: run.done])
        if path and rank == 0 and (write or run.done == last):
            run.save(path, key)
    return Fit(run.network.eval(), run.losses[: run.done].cpu())


def _mean_over_ranks(losses: Tensor, ranks: int) -> Tensor:
    if ranks == 1:
        return losses
    total = losses.clone()
    dist.all_reduce(total)
    return total / ranks


def _refuse_broken(losses: Tensor) -> None:
    broken = (~losses.isfinite()).nonzero().flatten().tolist()
    if broken:
        raise FloatingPointError(
            f"the loss at step {broken[0]} is {losses[broken[0]].item()}: try a smaller lr, a "
            "longer warmup, or look for bad values in the data"
        )


def _progress(steps: range, *, quiet: bool) -> Iterable[int]:
    try:
        from tqdm import tqdm
    except ImportError:
        return steps
    # disable=None: a bar only where a person watches a terminal, never in a built page.
    return tqdm(steps, initial=steps.start, total=steps.stop, disable=True if quiet else None)


def _check(
    data: Sequence[Tensor],
    steps: int,
    batch_size: int,
    lr: float,
    warmup: int,
    micro_batch: int | None,
    checkpoint_every: int,
    ranks: int,
    stop: int,
) -> None:
    lengths = sorted({len(part) for part in data})
    if len(lengths) != 1:
        raise ValueError(f"data must be tensors of one length, got lengths {lengths}")
    for name, value, least, most in (
        ("steps", steps, 1, math.inf),
        ("batch_size", batch_size, 1, lengths[0]),
        ("warmup", warmup, 0, steps - 1),
        ("micro_batch", 1 if micro_batch is None else micro_batch, 1, math.inf),
        ("checkpoint_every", checkpoint_every, 1, math.inf),
        ("stop", stop, 1, steps),
    ):
        if not least <= value <= most:
            raise ValueError(f"{name} must lie in {least}..{most}, got {value}")
    if not lr > 0:
        raise ValueError(f"lr must be above 0, got {lr}")
    if batch_size % ranks:
        raise ValueError(f"batch_size must divide by the {ranks} processes, got {batch_size}")
