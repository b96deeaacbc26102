"""Losses: functions of outputs and targets that return one number per example.

Shapes: output and target (..., c) -> loss (...). Targets are label distributions (one-hot or
soft), or real values for `squared`. Nothing here averages: the caller decides over what.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Loss = Callable[[Tensor, Tensor], Tensor]


def squared(output: Tensor, target: Tensor) -> Tensor:
    """Squared distance between output and target, summed over the c outputs: (...)."""
    return (output - target).square().sum(-1)


def cross_entropy(output: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy in nats of softmax(output) against the label distribution target: (...)."""
    return -(target * output.log_softmax(-1)).sum(-1)


def generalized_cross_entropy(q: float) -> Loss:
    """The loss (1 - p^q) / q of the true class's probability p (Zhang and Sabuncu 2018).

    q -> 0 is cross-entropy, q = 1 is 1 - p; in between, examples whose label the model
    disbelieves count for less. It is computed in log-probabilities: the textbook form loses all
    digits in float32 as q -> 0.

    Args:
        q: in (0, 1].

    Raises:
        ValueError: if q leaves (0, 1].
    """
    if not 0.0 < q <= 1.0:
        raise ValueError(f"q must lie in (0, 1], got {q}")

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return (target * -torch.expm1(q * output.log_softmax(-1)) / q).sum(-1)

    return loss
