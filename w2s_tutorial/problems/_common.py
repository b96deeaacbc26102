"""What all problems share: the risks of the four roles, and checks of their fields."""

from __future__ import annotations

import math
from typing import NamedTuple

from torch import Tensor


class Risks(NamedTuple):
    """Excess risk of the four roles, lower is better: scalars from theory, (h,) from simulation."""

    weak: Tensor
    student: Tensor
    baseline: Tensor
    ceiling: Tensor


def check_count(name: str, value: int, least: int) -> None:
    """Refuse a value that is no integer of at least `least`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}")


def check_amount(name: str, value: float, *, zero: bool) -> None:
    """Refuse a value that is not finite or negative, or zero unless that is allowed."""
    if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
        least = "at least 0" if zero else "above 0"
        raise ValueError(f"{name} must be finite and {least}, got {value!r}")
