"""One training loop for whole networks, the same on a laptop, on one GPU and on several.

The data set lives on the device as tensors, so a step is: choose rows, augment them there,
differentiate, update. No worker processes, no copies per step, and no number is fetched from the
device until somebody looks at it.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn

from w2s_tutorial.devices import mixed_precision
from w2s_tutorial.networks import _checkpoints
from w2s_tutorial.progress import progress
from w2s_tutorial.seeds import Seed, generator_of
from w2s_tutorial.storage import code_key, content_key

BatchLoss = Callable[..., Tensor]  # (network, *batch) -> one loss per example (b,)
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
    precision. Weight decay leaves biases and norms alone. Dropout is seeded anew at each step, and
    torch's global generator is afterwards as it was.

    Under `torchrun`, after `torch.distributed.init_process_group`, every process calls `fit`
    with the same arguments and an equal seed (only `device` differs). All draw the same batch and
    each differentiates its own part of it: the result is that of one process, except that each
    drops other units.

    Args:
        loss: (network, *batch) -> (b,), one loss per example. If examples meet in it (contrastive
            losses, batch norm) then what they meet is the micro-batch of one process.
        data: tensors (n, ...) of equal length; keep images in uint8 and they stay small.
        lr: the highest learning rate, reached after `warmup` steps (see `schedule`).
        seed: integer or generator, of which one number is drawn: the seed of everything here.
        augment: (*batch, generator=...) -> batch, on the device.
        micro_batch: examples differentiated at once; gradients add up to the whole batch's. It
            is halved, with a warning, whenever memory runs out.
        compiled: pass the loss, and the network in it, through `torch.compile` first.
        checkpoint: file to write every `checkpoint_every` steps and at the end, and to continue
            from if it exists. On a CPU the continued run equals the uninterrupted one bit for bit.
        stop: end after so many of the steps, at a learning rate that is still that of the whole
            schedule. Default: steps.

    Raises:
        ValueError: for sizes that cannot work; a checkpoint that is damaged, or of a run with
            another network, loss, augmentation, other data, settings or seed; processes that
            were given different ones; batch norm over several processes.
        FloatingPointError: naming the step, if a loss is NaN or infinite.
    """
    several = dist.is_available() and dist.is_initialized()
    rank, ranks = (dist.get_rank(), dist.get_world_size()) if several else (0, 1)
    last = steps if stop is None else stop
    _check(network, data, steps, batch_size, lr, warmup, micro_batch, checkpoint_every, ranks, last)
    device, n = torch.device(device), len(data[0])
    drawn = int(torch.randint(2**62, (), generator=generator_of(seed)))
    settings = (steps, batch_size, lr, warmup, weight_decay, micro_batch, ranks, drawn)
    path = Path(checkpoint) if checkpoint else None
    key = ""
    if path or ranks > 1:
        functions = [code_key(function) if function else None for function in (loss, augment)]
        key = content_key(network, data, settings, functions)
    if ranks > 1:
        _refuse_different(key, device)

    data = [part.to(device) for part in data]
    at_once = min(micro_batch or batch_size, batch_size // ranks)
    run = _Run(network, steps, drawn, at_once, weight_decay, device)
    if path and (saved := _checkpoints.load(path, key)):
        run.set_state(saved)
        if run.done > last:
            raise ValueError(f"stop must be at least the checkpoint's {run.done}, got {last}")
    objective = torch.compile(loss) if compiled else loss
    with _borrowed_chance(device) as chance:
        for step in progress(range(run.done, last), of="steps", quiet=rank > 0):
            first = step % (n // batch_size) * batch_size
            if first == 0:
                run.order = torch.randperm(n, generator=run.draws, device=device)
            rows = run.order[first : first + batch_size]
            batch: Sequence[Tensor] = [part[rows] for part in data]
            batch = augment(*batch, generator=run.draws) if augment else batch
            batch = [_channels_last(part.chunk(ranks)[rank]) for part in batch]
            # Nothing of it has to be saved, and no process repeats another's.
            for generator in chance:
                generator.manual_seed((drawn + 1 + step * ranks + rank) % 2**62)
            run.losses[step] = run.differentiate(objective, batch, batch_size, ranks)
            run.update(lr * schedule(step, steps=steps, warmup=warmup))
            run.done = step + 1
            write = path is not None and (run.done % checkpoint_every == 0 or run.done == last)
            if write or run.done % LOOK_EVERY == 0 or run.done == last:
                _refuse_broken(run.losses[: run.done])
            if write and path and rank == 0:
                _checkpoints.save(path, key, run.state())
    return Fit(run.network.eval(), run.losses[: run.done].cpu())


class _Run:
    """Everything that changes during training, hence everything that a checkpoint holds."""

    PARTS = ("network", "optimizer", "scaler")

    def __init__(
        self,
        network: nn.Module,
        steps: int,
        seed: int,
        micro_batch: int,
        weight_decay: float,
        device: torch.device,
    ) -> None:
        self.network = copy.deepcopy(network).to(device).train()
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.weights = [p for p in self.network.parameters() if p.requires_grad]
        matrices = [p for p in self.weights if p.dim() > 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "weight_decay": weight_decay},
                {"params": [p for p in self.weights if p.dim() <= 1], "weight_decay": 0.0},
            ],
            fused=True,
        )
        precision = mixed_precision(device)
        lower = precision != torch.float32
        self.autocast = torch.autocast(device.type, precision if lower else None, enabled=lower)
        self.scaler = torch.amp.GradScaler(device.type, enabled=precision == torch.float16)
        self.draws = torch.Generator(device).manual_seed(seed)
        self.order = torch.empty(0, dtype=torch.int64, device=device)
        self.losses = torch.full((steps,), math.nan, device=device)
        self.micro_batch = micro_batch
        self.done = 0

    def differentiate(
        self, objective: BatchLoss, batch: list[Tensor], whole: int, ranks: int
    ) -> Tensor:
        """Put the gradient of the whole batch's mean loss into the weights; that loss is returned.

        Args:
            batch: this process's part of the `whole` examples.
        """
        while True:
            self.optimizer.zero_grad()
            try:
                total = torch.zeros((), device=batch[0].device)
                for micro in zip(*(part.split(self.micro_batch) for part in batch), strict=True):
                    with self.autocast:
                        each = objective(self.network, *micro)
                    if each.shape != (len(micro[0]),):
                        shape = tuple(each.shape)
                        raise ValueError(f"loss must return ({len(micro[0])},), got shape {shape}")
                    value = each.float().sum() / whole
                    self.scaler.scale(value).backward()
                    total += value.detach()
                return total if ranks == 1 else self._added_up(total)
            except torch.OutOfMemoryError as problem:
                if self.micro_batch == 1:
                    problem.add_note("with micro_batch=1: one example is too large for this device")
                    raise
            # Out here nothing holds the failed pass any more; inside `except` its traceback would.
            if batch[0].is_cuda:
                torch.cuda.empty_cache()
            self.micro_batch = -(-self.micro_batch // 2)
            warnings.warn(f"out of memory: micro_batch is now {self.micro_batch}", stacklevel=3)

    def _added_up(self, total: Tensor) -> Tensor:
        # A weight that no process used keeps no gradient: a zero one would let it decay.
        used = total.new_tensor([weight.grad is not None for weight in self.weights])
        parts = [torch.zeros_like(w) if w.grad is None else w.grad for w in self.weights]
        flat = torch.cat([total[None], used, *(part.flatten() for part in parts)])
        dist.all_reduce(flat)
        shares = flat[1 + len(used) :].split([part.numel() for part in parts])
        counts = flat[1 : 1 + len(used)].tolist()
        for weight, part, share, count in zip(self.weights, parts, shares, counts, strict=True):
            weight.grad = part.copy_(share.view_as(part)) if count else None
        return flat[0]

    def update(self, lr: float) -> None:
        """One step of the optimizer at a learning rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def state(self) -> dict[str, Any]:
        """All that changes."""
        parts = {name: getattr(self, name).state_dict() for name in self.PARTS}
        plain = {name: getattr(self, name) for name in ("order", "losses", "micro_batch", "done")}
        return {"draws": self.draws.get_state(), **parts, **plain}

    def set_state(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""
        for name in self.PARTS:
            getattr(self, name).load_state_dict(state[name])
        self.order = state["order"].to(self.order.device)
        self.losses = state["losses"].to(self.losses.device)
        self.micro_batch, self.done = state["micro_batch"], state["done"]
        self.draws.set_state(state["draws"])


@contextmanager
def _borrowed_chance(device: torch.device) -> Iterator[list[torch.Generator]]:
    """torch's global generators, from which dropout draws; afterwards they are as they were."""
    generators = [torch.default_generator]
    if device.type == "cuda":
        index = torch.cuda.current_device() if device.index is None else device.index
        generators.append(torch.cuda.default_generators[index])
    before = [generator.get_state() for generator in generators]
    try:
        yield generators
    finally:
        for generator, state in zip(generators, before, strict=True):
            generator.set_state(state)


def _channels_last(part: Tensor) -> Tensor:
    # Images (b, channels, height, width) with channels innermost, where convolutions are fast.
    return part.contiguous(memory_format=torch.channels_last) if part.dim() == 4 else part


def _refuse_different(key: str, device: torch.device) -> None:
    least = torch.tensor(list(key.encode()), device=device)
    most = least.clone()
    dist.all_reduce(least, dist.ReduceOp.MIN)
    dist.all_reduce(most, dist.ReduceOp.MAX)
    if not torch.equal(least, most):
        raise ValueError(
            "every process must be given the same network, loss, augmentation, data, settings "
            "and seed, got different ones"
        )


def _refuse_broken(losses: Tensor) -> None:
    broken = (~losses.isfinite()).nonzero().flatten().tolist()
    if broken:
        raise FloatingPointError(
            f"the loss at step {broken[0]} is {losses[broken[0]].item()}: try a smaller lr, a "
            "longer warmup, or look for bad values in the data"
        )


def _check(
    network: nn.Module,
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
    if not any(weight.requires_grad for weight in network.parameters()):
        raise ValueError("network must have weights that require gradients, got none")
    if ranks == 1:
        return
    if batch_size % ranks:
        raise ValueError(f"batch_size must divide by the {ranks} processes, got {batch_size}")
    norms = nn.modules.batchnorm._BatchNorm
    if any(isinstance(m, norms) and not isinstance(m, nn.SyncBatchNorm) for m in network.modules()):
        raise ValueError(
            "network must not have batch norm, which sees one process's part of a batch: convert "
            "it by nn.SyncBatchNorm.convert_sync_batchnorm, or use one process"
        )
