"""Checks of numbers, for exercises and assignments.

A check calls the reader's function, or looks at the reader's answer. If it passes it returns a
sentence; if not it raises `CheckError`, whose message names the property that failed, the input
it failed on, and a hint.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from w2s_tutorial.checks._common import CheckError


def require_number(
    got: Any, wanted: float, at: str, slips: Mapping[str, float], *, tolerance: float = 1e-6
) -> None:
    """Raise `CheckError` unless got is the number wanted, with the hint of the slip that gives it.

    Args:
        at: for which input, the beginning of the message.
        slips: hint -> the wrong number that it belongs to.
        tolerance: relative.
    """
    try:
        value = float(got)
    except (TypeError, ValueError, RuntimeError):
        raise CheckError(f"{at}: one number is asked for, got {got!r}.") from None

    def equals(number: float) -> bool:
        both_nan = math.isnan(value) and math.isnan(number)
        return both_nan or math.isclose(value, number, rel_tol=tolerance, abs_tol=1e-9)

    if not equals(wanted):
        hint = next((hint for hint, slip in slips.items() if equals(slip)), "")
        raise CheckError(f"{at}: {wanted:.5g} is right, yours is {value:.5g}. {hint}".rstrip())


def require_mean(values: Tensor, wanted: float, at: str, slips: Mapping[str, float]) -> None:
    """Raise `CheckError` unless values (h,) have the mean wanted, within five standard errors.

    Args:
        at, slips: see `require_number`.
    """
    mean, error = float(values.mean()), float(values.std() / len(values) ** 0.5)

    def agrees(number: float) -> bool:
        return abs(mean - number) <= 5 * error + 1e-9

    if not agrees(wanted):
        hint = next((hint for hint, slip in slips.items() if agrees(slip)), "")
        found = f"{at}: {wanted:.4g} is right, yours averages {mean:.4g} ± {error:.2g}"
        raise CheckError(f"{found}. {hint}".rstrip())
