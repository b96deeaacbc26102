"""Which examples a student is sure of, and who they are.

Shapes: outputs (h, n, c); scores, masks, groups (h, n).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

By = Literal["entropy", "probability", "margin"]


def confidence(output: Tensor, by: By = "entropy") -> Tensor:
    """How sure a model is of its answer, higher is surer: (h, n).

    Args:
        output: (h, n, c) logits.
        by: "entropy", minus the entropy of the probabilities in nats; "probability", the log of
            the largest; "margin", the largest probability minus the second. With two classes all
            three put the examples in the same order.

    Raises:
        ValueError: if by is none of these, or there are fewer than 2 classes.
    """
    if output.shape[-1] < 2:
        raise ValueError(f"output must have at least 2 classes, got {output.shape[-1]}")
    log_p = output.log_softmax(-1)
    if by == "entropy":
        return torch.xlogy(log_p.exp(), log_p.exp()).sum(-1)
    if by == "probability":
        return log_p.amax(-1)
    if by == "margin":
        first, second = log_p.topk(2, -1).values.exp().unbind(-1)
        return first - second
    raise ValueError(f"by must be 'entropy', 'probability' or 'margin', got {by!r}")


def labels_of(output: Tensor) -> Tensor:
    """The class that each output names, one-hot (h, n, c), with every class named by every head.

    `pipeline.hard`, but for a class that a head names nowhere: it gets the example that comes
    nearest to it, so that a student can be trained on the labels at all.
    """
    log_p = output.log_softmax(-1)
    label = torch.nn.functional.one_hot(output.argmax(-1), output.shape[-1]).to(output.dtype)
    for c in range(output.shape[-1]):
        missing = (label[..., c] == 0).all(-1)
        nearest = log_p[..., c].argmax(-1)
        label[missing, nearest[missing]] = 0
        label[missing, nearest[missing], c] = 1
    return label


def keep_top(score: Tensor, p: float | Tensor) -> Tensor:
    """Keep the share p with the highest scores: (h, n) bool, round(p n) of each head, at least 1.

    Of equal scores the earlier example is kept.

    Args:
        score: (h, n), without NaN.
        p: in (0, 1], a number or (h,).

    Raises:
        ValueError: if p leaves (0, 1] or a score is NaN.
    """
    h, n = score.shape
    share = torch.as_tensor(p, dtype=torch.float64, device=score.device).expand(h)
    if not ((share > 0) & (share <= 1)).all():
        raise ValueError(f"p must lie in (0, 1], got {float(share.min())} to {float(share.max())}")
    if score.isnan().any():
        raise ValueError("score must be a number everywhere, got NaN")
    rank = score.argsort(dim=-1, descending=True, stable=True).argsort(-1)
    return rank < (share * n).round().clamp_min(1)[:, None]


def within_classes(score: Tensor, label: Tensor) -> Tensor:
    """Scores (h, n) that compare an example with others of its label only, from 0 to 1.

    1 for the surest of a class, falling evenly to the least sure; `keep_top` then keeps about the
    same share of every class. Ours: the published remedy compares all examples.

    Args:
        score: (h, n).
        label: (h, n, c) one-hot.
    """
    own, even = label.argmax(-1), torch.zeros_like(score, dtype=torch.float64)
    for c in range(label.shape[-1]):
        inside = own == c
        order = score.masked_fill(~inside, -torch.inf).argsort(dim=-1, descending=True, stable=True)
        place = order.argsort(-1) / inside.sum(-1, keepdim=True).clamp_min(1)
        even = torch.where(inside, 1 - place, even)
    return even


def kept_by(score: Tensor, label: Tensor, p: float | Tensor) -> Tensor:
    """What `retrain` keeps: the share p (h,) of the highest scores, and the surest of each class.

    Args:
        score: (h, n).
        label: (h, n, c) one-hot.
        p: a number or (h,).

    Returns:
        (h, n) bool.
    """
    return keep_top(score, p) | _surest_of_each(score, label)


def share_of(mask: Tensor, keep: Tensor) -> Tensor:
    """Share of the kept examples that mask names: (h,); NaN for a head that keeps none.

    The effective minority share of a selection is `share_of(minority, keep)`, the accuracy of its
    pseudolabels `share_of(pseudolabel == label, keep)`.
    """
    return (mask & keep).sum(-1) / keep.sum(-1)


def _surest_of_each(score: Tensor, label: Tensor) -> Tensor:
    """The example of each class with the highest score: (h, n) bool.

    Kept besides a selection, it makes sure that no class is lost; where the selection has all
    classes it changes nothing, for their surest examples are in it.

    Args:
        score: (h, n).
        label: (h, n, c) one-hot labels; a class that no example has is passed over.
    """
    there = label > 0
    best = score[..., None].masked_fill(~there, -torch.inf).argmax(1, keepdim=True)  # (h, 1, c)
    marked = torch.zeros_like(there).scatter(1, best, True)
    return (marked & there).any(-1)
