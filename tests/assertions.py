"""Comparisons that several tests share."""

from __future__ import annotations

from torch import Tensor


def assert_agrees(measured: Tensor, predicted: float, *, sigmas: float = 4.0) -> float:
    """Measured values (repeats,) have the predicted mean, by their own standard error.

    Returns the z-score. The error of a few heavy-tailed repeats is itself uncertain: give many.
    """
    mean, error = float(measured.mean()), float(measured.std() / len(measured) ** 0.5)
    z = (mean - predicted) / error
    assert abs(z) < sigmas, (
        f"predicted {predicted:.5g}, measured {mean:.5g} ± {error:.2g}: z={z:.1f}"
    )
    return z
