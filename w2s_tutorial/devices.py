"""Where to compute, chosen once in a set-up cell."""

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
