"""The law of the squared mismatch, fitted to gains over minority shares."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Law(NamedTuple):
    """What a surface of gains (h, a, b) says of the pool's share u beside the labelled share l.

    Attributes:
        steepness: (h,) b of gain = a(l) - b (u - l)^2, by least squares.
        explained: share of the variance along the pool's shares that this explains in the mean
            over heads: at most 1, below 0 never.
        curvature, interaction: (h,) k and m of gain = a(l) + c u - k u^2 + m l u. The theorem
            has both >= 0 (the second for a student that sees the shift no better than its
            teacher), and m = 2 k and c = 0 where the student sees no shift.
        explained_freely: share that these three explain.
        product: (h,) p of gain = a(l) - p (1/2 - l) u. So it is for a student blind to an
            attribute that agrees with the label in the majority: to it a teacher's lean on the
            attribute is a lean of 1 - 2 u on the label, and a teacher with balanced labels has
            none (ours, to first order in the lean).
        explained_product: share that this explains.
    """

    steepness: Tensor
    explained: float
    curvature: Tensor
    interaction: Tensor
    explained_freely: float
    product: Tensor
    explained_product: float


def fit_law(gain: Tensor, labeled: Tensor, pool: Tensor) -> Law:
    """Fit the law of the squared mismatch to gains, by least squares for every head.

    Args:
        gain: (h, a, b) teacher's risk minus student's, or student's accuracy minus teacher's.
        labeled: (a,) minority shares of the labelled sets, at least 2 different ones.
        pool: (b,) minority shares of the pools, at least 3 different ones.

    Raises:
        ValueError: if shapes disagree or there are too few different shares.
    """
    a, b = len(labeled), len(pool)
    if gain.dim() != 3 or gain.shape[1:] != (a, b):
        raise ValueError(f"gain must be (h, {a}, {b}), got {tuple(gain.shape)}")
    if len(labeled.unique()) < 2 or len(pool.unique()) < 3:
        raise ValueError(f"needs 2 different labelled shares and 3 pool shares, got {a} and {b}")
    labels, u = labeled.double()[:, None].expand(a, b), pool.double().expand(a, b)
    one = _slopes(gain, torch.stack([-(u - labels).square()]))
    free = _slopes(gain, torch.stack([u, -u.square(), labels * u]))
    lean = _slopes(gain, torch.stack([(labels - 0.5) * u]))
    return Law(
        one[0][:, 0],
        one[1],
        free[0][:, 1],
        free[0][:, 2],
        free[1],
        lean[0][:, 0],
        lean[1],
    )


def _slopes(gain: Tensor, features: Tensor) -> tuple[Tensor, float]:
    """Slopes (h, k) with a free level for each row, and the share explained in the mean."""
    x = (features - features.mean(-1, keepdim=True)).flatten(1).mT  # (a b, k)
    y = gain.double()
    y = (y - y.mean(-1, keepdim=True)).flatten(1).mT  # (a b, h)
    slopes = torch.linalg.lstsq(x, y).solution
    left = y.mean(1) - x @ slopes.mean(1)
    return slopes.mT, float(1 - left.square().sum() / y.mean(1).square().sum())
