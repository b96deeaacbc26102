"""What all checks share: how they fail, and the interval they weigh a mean by."""

from __future__ import annotations

from torch import Tensor

from w2s_tutorial.metrics import t_half_width


class CheckError(AssertionError):
    """The reader's answer lacks a property; the message teaches which."""


def require(condition: bool, message: str) -> None:
    """Raise `CheckError` with the message unless the condition holds."""
    if not condition:
        raise CheckError(message)


def interval(values: Tensor) -> tuple[float, float]:
    """95 % interval of the mean of values (h,), by Student's t."""
    half = float(t_half_width(values.std() / len(values) ** 0.5, len(values)))
    return float(values.mean()) - half, float(values.mean()) + half
