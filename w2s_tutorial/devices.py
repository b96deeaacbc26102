"""Where to compute, chosen once in a set-up cell, and how precisely networks compute there."""

from __future__ import annotations

import os

import torch


def device() -> torch.device:
    """The first CUDA GPU where there is one, else the CPU; the variable W2S_DEVICE overrules.

    Raises:
        ValueError: if W2S_DEVICE names a device that torch does not know or does not find here.
    """
    asked = os.environ.get("W2S_DEVICE", "").strip()
    if not asked:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(asked)
        float(torch.zeros((), device=chosen))  # torch knows names of devices that are not here
    except (RuntimeError, AssertionError, NotImplementedError) as problem:
        raise ValueError(
            "W2S_DEVICE must name a device that torch finds here, like 'cpu' or 'cuda', "
            f"got {asked!r}: {str(problem).splitlines()[0]}"
        ) from None
    return chosen


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
