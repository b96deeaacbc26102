"""What a training loop keeps from step to step: weights, optimizer, draws, and how to save them.

`train.fit` is the loop; here is what it does not have to think about: half precision, memory that
runs out, and checkpoints.
"""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from w2s_tutorial.storage import replacing

BatchLoss = Callable[..., Tensor]  # (network, *batch) -> one loss per example (b,)


def mixed_precision(device: torch.device | str) -> torch.dtype:
    """The dtype for matrix products on a device: float32 on CPUs, on GPUs bfloat16 or float16.

    A GPU older than Ampere (Colab's T4) says that it supports bfloat16 and then emulates it,
    slower than float32, so the question leaves emulation out.
    """
    if torch.device(device).type != "cuda":
        return torch.float32
    with torch.cuda.device(device):
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.bfloat16 if native else torch.float16


class Run:
    """Everything that changes during training, hence everything that a checkpoint holds."""

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
        weights = [p for p in self.network.parameters() if p.requires_grad]
        matrices = {"params": [p for p in weights if p.dim() > 1], "weight_decay": weight_decay}
        vectors = {"params": [p for p in weights if p.dim() <= 1], "weight_decay": 0.0}
        self.optimizer = torch.optim.AdamW([matrices, vectors], fused=True)
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
        self, objective: nn.Module, batch: list[Tensor], *, can_halve: bool
    ) -> Tensor:
        """Put the gradient of the batch's mean loss into the weights; the mean loss comes back."""
        while True:
            self.optimizer.zero_grad()
            try:
                total = torch.zeros((), device=batch[0].device)
                for micro in zip(*(part.split(self.micro_batch) for part in batch), strict=True):
                    with self.autocast:
                        each = objective(*micro)
                    if each.shape != (len(micro[0]),):
                        shape = tuple(each.shape)
                        raise ValueError(f"loss must return ({len(micro[0])},), got shape {shape}")
                    value = each.float().sum() / len(batch[0])
                    self.scaler.scale(value).backward()
                    total += value.detach()
                return total
            except torch.OutOfMemoryError as problem:
                if not can_halve or self.micro_batch == 1:
                    problem.add_note(f"with micro_batch={self.micro_batch}; pass a smaller one")
                    raise
            # Out here nothing holds the failed pass any more; inside `except` its traceback would.
            if batch[0].is_cuda:
                torch.cuda.empty_cache()
            self.micro_batch = -(-self.micro_batch // 2)
            warnings.warn(f"out of memory: micro_batch is now {self.micro_batch}", stacklevel=3)

    def save(self, path: Path, key: str) -> None:
        """Write a checkpoint in the place of the one before."""
        parts = {
            name: getattr(self, name).state_dict() for name in ("network", "optimizer", "scaler")
        }
        plain = {name: getattr(self, name) for name in ("order", "losses", "micro_batch", "done")}
        with replacing(path) as partial:
            torch.save({"key": key, "draws": self.draws.get_state(), **parts, **plain}, partial)

    def load(self, path: Path, key: str, device: torch.device) -> None:
        """Continue from a checkpoint; ValueError if it was not saved under this key."""
        saved = torch.load(path, map_location=device, weights_only=True)
        if saved["key"] != key:
            raise ValueError(
                f"checkpoint {path} is of a run with another network, other data, settings or "
                "seed; delete it or name another file"
            )
        for name in ("network", "optimizer", "scaler"):
            getattr(self, name).load_state_dict(saved[name])
        for name in ("order", "losses", "micro_batch", "done"):
            setattr(self, name, saved[name])
        self.draws.set_state(saved["draws"].cpu())


class Objective(nn.Module):
    """Network and loss as one module, which is what compiling and distributing take."""

    def __init__(self, network: nn.Module, loss: BatchLoss) -> None:
        super().__init__()
        self.network, self.loss = network, loss

    def forward(self, *batch: Tensor) -> Tensor:
        return self.loss(self.network, *batch)


def channels_last(part: Tensor) -> Tensor:
    """Images (b, channels, height, width) with channels innermost, where convolutions are fast."""
    return part.contiguous(memory_format=torch.channels_last) if part.dim() == 4 else part
