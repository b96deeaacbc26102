"""Losses: functions of outputs and targets that return one number per example.

Shapes: output and target (..., c) -> loss (...). Targets are label distributions (one-hot or
soft), or real values for `squared`. Nothing here averages: the caller decides over what.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot

Loss = Callable[[Tensor, Tensor], Tensor]


def squared(output: Tensor, target: Tensor) -> Tensor:
    """Squared distance between output and target, summed over the c outputs: (...)."""
    return (output - target).square().sum(-1)


class LabelLoss:
    """A loss of the label's log-probability, which never falls faster as the label gets likelier.

    A new loss is a class with `value` and `weight`: `heads.fit_logistic` takes it as it is. In
    both, log_p has one head per entry of its first axis, and the answer has its shape.
    """

    def value(self, log_p: Tensor) -> Tensor:
        """The loss, a concave function of log_p <= 0: minus log_p bends nowhere upwards."""
        raise NotImplementedError

    def weight(self, log_p: Tensor) -> Tensor:
        """Minus the derivative of `value`, at least 0: how hard a label pulls at its example."""
        raise NotImplementedError

    def of(self, heads: Tensor) -> LabelLoss:
        """The same loss for some heads, where each has numbers of its own."""
        return self

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of softmax(output) against the label distribution target: (...)."""
        return (target * self.value(output.log_softmax(-1))).sum(-1)


class _CrossEntropy(LabelLoss):
    """Cross-entropy in nats."""

    def value(self, log_p: Tensor) -> Tensor:
        return -log_p

    def weight(self, log_p: Tensor) -> Tensor:
        return torch.ones_like(log_p)


cross_entropy = _CrossEntropy()


class _GeneralizedCrossEntropy(LabelLoss):
    """(1 - p^q) / q, see `generalized_cross_entropy`."""

    def __init__(self, q: Tensor) -> None:
        self.q = q

    def value(self, log_p: Tensor) -> Tensor:
        q = self._along(log_p)
        return torch.where(q > 0, -torch.expm1(q * log_p) / q.clamp_min(1e-30), -log_p)

    def weight(self, log_p: Tensor) -> Tensor:
        return (self._along(log_p) * log_p).exp()

    def of(self, heads: Tensor) -> _GeneralizedCrossEntropy:
        return self if self.q.dim() == 0 else _GeneralizedCrossEntropy(self.q[heads])

    def _along(self, log_p: Tensor) -> Tensor:
        q = self.q.to(log_p)
        return q if q.dim() == 0 else q.view(-1, *[1] * (log_p.dim() - 1))


def generalized_cross_entropy(q: float | Tensor) -> _GeneralizedCrossEntropy:
    """The loss (1 - p^q) / q of the true class's probability p (Zhang and Sabuncu 2018).

    q = 0 is cross-entropy, q = 1 is 1 - p; in between, examples whose label the model disbelieves
    count for less. It is computed in log-probabilities: the textbook form loses all digits in
    float32 as q -> 0.

    Args:
        q: in [0, 1], a number or (h,).

    Raises:
        ValueError: if q leaves [0, 1].
    """
    each = torch.as_tensor(q, dtype=torch.float64 if isinstance(q, float) else None)
    if each.dim() > 1 or not ((each >= 0) & (each <= 1)).all():
        came = f"{float(each.min())} to {float(each.max())}" if each.numel() > 1 else q
        raise ValueError(f"q must lie in [0, 1], a number or (h,), got {came}")
    return _GeneralizedCrossEntropy(each)


def smoothed(label: Tensor, amount: float = 0.1) -> Tensor:
    """Label smoothing: the share `amount` of each label (..., c) is spread over all classes.

    Raises:
        ValueError: if amount leaves [0, 1].
    """
    if not 0 <= amount <= 1:
        raise ValueError(f"amount must lie in [0, 1], got {amount}")
    return (1 - amount) * label + amount / label.shape[-1]


def hardened(output: Tensor, share: Tensor) -> Tensor:
    """The student's own labels, as many of class 1 as the teacher gave: (..., n, 2) one-hot.

    Args:
        output: (..., n, 2) logits.
        share: (...) in [0, 1], the share of class 1.

    Raises:
        ValueError: for more than two classes: there the loss has no published form.
    """
    if output.shape[-1] != 2:
        raise ValueError(f"output must have 2 classes, got {output.shape[-1]}")
    odds = (output[..., 1] - output[..., 0]).detach()
    rank = odds.argsort(dim=-1, descending=True, stable=True).argsort(-1)
    first = (rank < (share * odds.shape[-1]).round()[..., None]).long()
    return one_hot(first, 2).to(output.dtype)


def confidence_weight(progress: Any, *, most: float, warm_up: float) -> Any:
    """Weight of the student's own labels: rises from 0 to `most` over a share of the training.

    Args:
        progress: share of the training that is done, a number or a tensor.
        most: where it stays.
        warm_up: share of the training in which it rises in a straight line; 0: it does not.
    """
    if warm_up == 0:
        return most
    risen = progress / warm_up
    return most * (risen.clamp(max=1.0) if isinstance(risen, Tensor) else min(1.0, risen))


def auxiliary_confidence(output: Tensor, target: Tensor, weight: float | Tensor) -> Tensor:
    """(1 - a) CE(target) + a CE(own hard labels), of Burns et al. 2023 (arXiv 2312.09390).

    The threshold of the hard labels is the one at which the n examples keep the share of
    either class that their targets have, and no gradient passes through it.

    Args:
        output: (..., n, 2) logits of the examples that meet, such as a batch.
        target: (..., n, 2) the teacher's labels, hard or soft.
        weight: a in [0, 1], one or (..., n); see `confidence_weight`.

    Returns:
        (..., n).
    """
    own = hardened(output, target[..., 1].mean(-1))
    return (1 - weight) * cross_entropy(output, target) + weight * cross_entropy(output, own)
