"""What all checks share: how they fail, and how they weigh a reader's numbers.

A check calls the reader's function, or looks at the reader's answer. If it passes it returns a
sentence; if not it raises `CheckError`, whose message names the property that failed, the input
it failed on, and a hint.
"""

from __future__ import annotations

from scipy import stats
from torch import Tensor


class CheckError(AssertionError):
    """The reader's answer lacks a property; the message teaches which."""


def require(condition: bool, message: str) -> None:
    """Raise `CheckError` with the message unless the condition holds."""
    if not condition:
        raise CheckError(message)


def interval(values: Tensor) -> tuple[float, float]:
    """95 % interval of the mean of values (h,), by Student's t."""
    half = float(stats.t.ppf(0.975, len(values) - 1) * values.std() / len(values) ** 0.5)
    return float(values.mean()) - half, float(values.mean()) + half
