"""Many networks of one architecture at once: one run each, on a leading axis.

On a GPU tens of small networks cost little more than one. On a CPU they cost what a loop costs or
more, so there they are trained one after the other.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Container, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, func, nn
from torch.utils._pytree import tree_map

from w2s_tutorial.devices import mixed_precision
from w2s_tutorial.networks import _checkpoints
from w2s_tutorial.networks.train import BatchLoss, schedule
from w2s_tutorial.progress import progress
from w2s_tutorial.seeds import Seed, generator_of
from w2s_tutorial.storage import code_key, content_key

Watch = Callable[[int, int, nn.Module], None]  # (run, steps done, network)

BETAS, EPS = (0.9, 0.999), 1e-8  # of AdamW, as torch has them


class Many(NamedTuple):
    """What `fit_many` returns, run by run.

    Attributes:
        networks: r trained ones, in evaluation mode.
        losses: (r, steps) mean loss of each step's batch; NaN after a run has ended.
        ended: (r,) steps after which a run's weights stayed as they were: `steps`, or fewer where
            loss or gradient were no longer finite.
    """

    networks: list[nn.Module]
    losses: Tensor
    ended: Tensor


def fit_many(
    networks: Sequence[nn.Module],
    loss: BatchLoss,
    shared: Sequence[Tensor] = (),
    own: Sequence[Tensor] = (),
    *,
    steps: int,
    batch_size: int,
    lr: float | Sequence[float],
    seeds: Sequence[Seed],
    options: Mapping[str, Any] | None = None,
    warmup: int = 0,
    weight_decay: float = 0.0,
    device: torch.device | str = "cpu",
    micro_batch: int | None = None,
    checkpoint: Path | str | None = None,
    checkpoint_every: int = 1000,
    together: bool | None = None,
    watch: Watch | None = None,
    watch_at: Container[int] = (),
) -> Many:
    """Train r networks by AdamW; run i is `train.fit` of networks[i] with seeds[i], up to rounding.

    Dropout draws other units than `train.fit`. A run whose loss or gradient is no longer finite
    keeps the weights from before, with a warning, and touches no other.

    Args:
        networks: r of one architecture, each with its initial weights.
        loss: (network, *batch, **options) -> (b,), one loss per example.
        shared: tensors (n, ...) that all runs see.
        own: tensors (r, n, ...), one set for each run; a batch holds shared ones, then own ones.
        lr: the highest learning rate, of all runs or of each.
        seeds: r of them; equal ones see equal batches.
        options: name -> an argument of the loss that differs between runs: r numbers, or
            (r, steps) where it changes from step to step.
        micro_batch: examples of a run differentiated at once; halved when memory runs out.
        checkpoint: file to write and to continue from; one after the other, with the run's number
            at its end.
        together: all at once. Default: on every device but a CPU.
        watch: called with a run's number, the steps done and its network, in evaluation mode and
            without gradients, whenever these steps are in `watch_at`; 0 is before the first.

    Raises:
        ValueError: for sizes or architectures that do not agree, batch norm, or a checkpoint that
            is damaged or another run's.
    """
    r, rates = len(networks), [lr] * len(networks) if isinstance(lr, int | float) else list(lr)
    double = partial(torch.as_tensor, dtype=torch.float64)
    named = {name: double(values).tolist() for name, values in (options or {}).items()}
    _check(networks, shared, own, rates, seeds, named, steps, batch_size, micro_batch, warmup)
    drawn = [int(torch.randint(2**62, (), generator=generator_of(seed))) for seed in seeds]
    device = torch.device(device)
    train = partial(
        _train, loss=loss, steps=steps, batch_size=batch_size, warmup=warmup, device=device,
        weight_decay=weight_decay, micro_batch=micro_batch, checkpoint_every=checkpoint_every,
        watch_at=watch_at,
    )  # fmt: skip
    if device.type != "cpu" if together is None else together:
        path = Path(checkpoint) if checkpoint else None
        found = train(
            networks, shared, own, rates=rates, drawn=drawn, options=named, path=path, watch=watch
        )
    else:
        each = [
            train(
                networks[i : i + 1],
                shared,
                [part[i : i + 1] for part in own],
                rates=rates[i : i + 1],
                drawn=drawn[i : i + 1],
                options={name: values[i : i + 1] for name, values in named.items()},
                path=Path(f"{checkpoint}.{i}") if checkpoint else None,
                watch=partial(_numbered, watch, i) if watch else None,
            )
            for i in range(r)
        ]
        found = Many(
            [one.networks[0] for one in each],
            torch.cat([one.losses for one in each]),
            torch.cat([one.ended for one in each]),
        )
    if (stopped := (found.ended < steps).nonzero().flatten().tolist()) != []:
        at = found.ended[stopped].tolist()
        warnings.warn(f"runs {stopped} stopped at steps {at}: no longer finite", stacklevel=2)
    return found


def _numbered(watch: Watch, run: int, _: int, done: int, network: nn.Module) -> None:
    watch(run, done, network)


class _Objective(nn.Module):
    """Network and loss as one module, whose weights can be exchanged."""

    def __init__(self, network: nn.Module, loss: BatchLoss) -> None:
        super().__init__()
        self.network, self.loss = network, loss

    def forward(self, *batch: Tensor, **options: Tensor) -> Tensor:
        each = self.loss(self.network, *batch, **options)
        if each.shape != (len(batch[0]),):
            raise ValueError(f"loss must return ({len(batch[0])},), got shape {tuple(each.shape)}")
        return each.float().sum()


def _train(
    networks: Sequence[nn.Module],
    shared: Sequence[Tensor],
    own: Sequence[Tensor],
    *,
    loss: BatchLoss,
    steps: int,
    batch_size: int,
    rates: list[float],
    drawn: list[int],
    options: dict[str, list[Any]],
    warmup: int,
    weight_decay: float,
    device: torch.device,
    micro_batch: int | None,
    path: Path | None,
    checkpoint_every: int,
    watch: Watch | None,
    watch_at: Container[int],
) -> Many:
    r, n = len(networks), len(shared[0]) if shared else own[0].shape[1]
    settings = (steps, batch_size, rates, drawn, warmup, weight_decay, micro_batch)
    key = ""
    if path:
        key = content_key(list(networks), shared, own, options, settings, code_key(loss))
    copies = [_Objective(copy.deepcopy(network).to(device).train(), loss) for network in networks]
    weights, buffers = func.stack_module_state(copies)
    weights = {name: weight.detach() for name, weight in weights.items()}
    fixed = {name for name, weight in copies[0].named_parameters() if not weight.requires_grad}
    moving = [name for name in weights if name not in fixed]
    shared, own = ([part.to(device) for part in parts] for parts in (shared, own))
    number = torch.arange(r, device=device)[:, None]
    given = {name: torch.tensor(values, device=device) for name, values in options.items()}
    draws = [torch.Generator(device).manual_seed(seed) for seed in drawn]
    lr = torch.tensor(rates, device=device)
    state: dict[str, Any] = {
        "weights": weights,
        "first": {name: torch.zeros_like(weights[name]) for name in moving},
        "second": {name: torch.zeros_like(weights[name]) for name in moving},
        "order": torch.zeros(r, n, dtype=torch.int64, device=device),
        "losses": torch.full((r, steps), math.nan, device=device),
        "ended": torch.full((r,), steps, device=device),
    }
    done, at_once = 0, min(micro_batch or batch_size, batch_size)
    if path and (saved := _checkpoints.load(path, key)):
        done, at_once = saved.pop("done"), saved.pop("at_once")
        for generator, draw in zip(draws, saved.pop("draws"), strict=True):
            generator.set_state(draw)
        state = _moved(saved, device)
    weights, order, losses, ended = (state[k] for k in ("weights", "order", "losses", "ended"))

    precision = mixed_precision(device)
    half = precision == torch.bfloat16  # float16 would need a scale of its own for every run
    autocast = torch.autocast(device.type, precision if half else None, enabled=half)

    def objective(trained: dict, rest: dict, batch: list[Tensor], given: dict) -> Tensor:
        return func.functional_call(copies[0], (trained, rest), tuple(batch), given) / batch_size

    gradient = func.vmap(func.grad_and_value(objective), randomness="different")
    if r == 1:
        gradient = _alone(func.grad_and_value(objective))

    def show(done: int) -> None:
        if watch and done in watch_at:
            _carry(copies, weights)
            with torch.no_grad():
                for i, one in enumerate(copies):
                    watch(i, done, one.network.eval())
                    one.network.train()

    show(done)
    for step in progress(range(done, steps), of="steps"):
        first = step % (n // batch_size) * batch_size
        if first == 0:
            permuted = [torch.randperm(n, generator=draw, device=device) for draw in draws]
            order.copy_(torch.stack(permuted))
        rows = order[:, first : first + batch_size]
        batch = [part[rows] for part in shared] + [part[number, rows] for part in own]
        trained = {name: weights[name] for name in moving}
        rest = {name: weights[name] for name in fixed} | buffers
        now = {
            name: values[:, step] if values.dim() > 1 else values for name, values in given.items()
        }
        while True:
            total = torch.zeros(r, device=device)
            slope = {name: torch.zeros_like(weight) for name, weight in trained.items()}
            try:
                for micro in zip(*(part.split(at_once, 1) for part in batch), strict=True):
                    with autocast:
                        found, value = gradient(trained, rest, list(micro), now)
                    total += value
                    for name, part in found.items():
                        slope[name] += part
                break
            except torch.OutOfMemoryError as problem:
                if at_once == 1:
                    problem.add_note(f"with one example of each of {r} runs: train fewer at once")
                    raise
            if device.type == "cuda":
                torch.cuda.empty_cache()
            at_once = -(-at_once // 2)
            warnings.warn(f"out of memory: micro_batch is now {at_once}", stacklevel=3)
        alive = ended > step
        losses[:, step] = torch.where(alive, total, math.nan)
        fine = torch.stack([part.flatten(1).isfinite().all(1) for part in slope.values()]).all(0)
        alive = alive & total.isfinite() & fine
        ended.copy_(torch.where(alive, ended, ended.clamp(max=step)))
        rate = lr * schedule(step, steps=steps, warmup=warmup)
        for name, part in slope.items():
            shape = (r,) + (1,) * (part.dim() - 1)
            old = weights[name], state["first"][name], state["second"][name]
            decay = weight_decay if part.dim() > 2 else 0.0
            new = _adamw(*old, part, rate.view(shape), decay, step + 1)
            for before, after in zip(old, new, strict=True):
                before.copy_(torch.where(alive.view(shape), after, before))
        show(step + 1)
        if path and ((step + 1) % checkpoint_every == 0 or step + 1 == steps):
            told = {"draws": [draw.get_state() for draw in draws], "at_once": at_once}
            _checkpoints.save(path, key, {**state, **told, "done": step + 1})
    _carry(copies, weights)
    return Many([one.network.eval() for one in copies], losses.cpu(), ended.cpu())


def _carry(copies: Sequence[nn.Module], weights: Mapping[str, Tensor]) -> None:
    for i, one in enumerate(copies):
        one.load_state_dict({name: weights[name][i] for name in weights}, strict=False)


def _alone(gradient: Any) -> Any:
    """Of one run on an axis of length 1, without the cost of mapping over it."""

    def mapped(*parts: Any) -> Any:
        return tree_map(lambda one: one[None], gradient(*tree_map(lambda one: one[0], parts)))

    return mapped


def _adamw(
    weight: Tensor, first: Tensor, second: Tensor, slope: Tensor, lr: Tensor, decay: float, t: int
) -> tuple[Tensor, Tensor, Tensor]:
    # Loshchilov and Hutter (2019, arXiv 1711.05101), with a learning rate for every run.
    first = first.lerp(slope, 1 - BETAS[0])
    second = BETAS[1] * second + (1 - BETAS[1]) * slope.square()
    size = (second / (1 - BETAS[1] ** t)).sqrt() + EPS
    return weight * (1 - lr * decay) - lr / (1 - BETAS[0] ** t) * first / size, first, second


def _moved(saved: Any, device: torch.device) -> Any:
    if isinstance(saved, dict):
        return {name: _moved(value, device) for name, value in saved.items()}
    return saved.to(device)


def _check(
    networks: Sequence[nn.Module],
    shared: Sequence[Tensor],
    own: Sequence[Tensor],
    rates: list[float],
    seeds: Sequence[Seed],
    options: dict[str, list[Any]],
    steps: int,
    batch_size: int,
    micro_batch: int | None,
    warmup: int,
) -> None:
    r = len(networks)
    if r == 0 or len({repr(network) for network in networks}) > 1:
        raise ValueError(f"networks must be of one architecture, got {r} that differ")
    if any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in networks[0].modules()):
        raise ValueError("networks must not have batch norm, which writes while it reads")
    for name, parts in {"lr": rates, "seeds": seeds, "own": None, **options}.items():
        found = {len(part) for part in own} if parts is None else {len(parts)}
        if found - {r}:
            raise ValueError(f"{name} must have one entry for each of {r} runs, got {found}")
    for name, values in options.items():
        found = {len(value) for value in values if isinstance(value, list)}
        if found - {steps}:
            raise ValueError(f"{name} must be (r,) or (r, {steps}), a number a step, got {found}")
    if any(not rate > 0 for rate in rates):
        raise ValueError(f"lr must be above 0, got {rates}")
    lengths = sorted({len(part) for part in shared} | {part.shape[1] for part in own})
    if len(lengths) != 1:
        raise ValueError(f"data must be tensors of one length, got lengths {lengths}")
    for name, value, least, most in (
        ("steps", steps, 1, math.inf),
        ("batch_size", batch_size, 1, lengths[0]),
        ("micro_batch", micro_batch or 1, 1, math.inf),
        ("warmup", warmup, 0, steps - 1),
    ):
        if not least <= value <= most:
            raise ValueError(f"{name} must lie in {least}..{most}, got {value}")
