"""Where chance comes from: an argument `seed`, an integer or a generator, never a global state."""

from __future__ import annotations

from numbers import Integral

import torch

Seed = int | torch.Generator
"""An integer draws the same each time. A generator is consumed: each call goes on from the last."""


def generator_of(seed: Seed) -> torch.Generator:
    """The generator itself, or a new one that an integer seeds, on the CPU.

    Draws are made on the CPU and moved, so that a seed means the same numbers on every device.

    Raises:
        TypeError: if seed is neither; None, a float or a truth value would hide what was drawn.
        ValueError: if the integer leaves 0 to 2^63 - 1, or the generator lives elsewhere.
    """
    if isinstance(seed, torch.Generator):
        if seed.device.type != "cpu":
            raise ValueError(f"seed must be a generator on the CPU, got one on {seed.device}")
        return seed
    if not isinstance(seed, Integral) or isinstance(seed, bool):
        came = f"{type(seed).__name__} {seed!r:.40}"
        raise TypeError(f"seed must be an integer or a torch.Generator, got {came}")
    if not 0 <= int(seed) < 2**63:
        raise ValueError(f"seed must lie in 0 to 2^63 - 1, got {seed}")
    return torch.Generator().manual_seed(int(seed))
