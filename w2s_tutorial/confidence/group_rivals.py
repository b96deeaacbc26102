"""Upper bounds: methods that are told the groups. Shapes and order of heads as in `rivals`.

Last-layer retraining on balanced data (DFR) needs no function: it is `rivals.vanilla` on a
labelled set with as many examples of every group.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor

from w2s_tutorial.confidence.rivals import TOL
from w2s_tutorial.heads import Heads, fit_logistic

_one_step = partial(fit_logistic, max_steps=1, tol=0.0)


def group_dro(
    x: Tensor, label: Tensor, group: Tensor, l2: Tensor, *, rate: float = 0.3, steps: int = 25
) -> Heads:
    """GroupDRO (Sagawa et al. 2020): minimise the largest of the groups' mean losses.

    Group weights are multiplied by exp(rate x mean loss of the group) before each update and add
    up to 1; updates are damped Newton steps on the whole pool. A group without examples has
    weight 0.

    Args:
        x: (b, n, d).
        label: (b, n, c).
        group: (b, n) integers from 0.
        l2: (m,) penalties.
        rate: step size of the weights.
        steps: updates.
    """
    m = len(l2)
    target, penalty = label.repeat_interleave(m, 0), l2.to(label.dtype).repeat(len(label))
    member = torch.nn.functional.one_hot(group.long()).to(label.dtype)
    member = (member / member.sum(1, keepdim=True).clamp_min(1)).repeat_interleave(m, 0)
    weight = member.sum(1)  # 1 for a group that is there, else 0
    weight = weight / weight.sum(-1, keepdim=True)
    heads = Heads(
        target.new_zeros(len(target), x.shape[-1], target.shape[-1]),
        target.new_zeros(len(target), 1, target.shape[-1]),
    )
    for _ in range(steps):
        loss = -(target * heads(x).log_softmax(-1)).sum(-1)
        by_group = (loss[:, None] @ member)[:, 0]
        weight = weight * (rate * by_group).exp()
        weight = weight / weight.sum(-1, keepdim=True)
        share = (member @ weight[..., None])[..., 0]
        heads = _one_step(x, target, l2=penalty, example_weight=share, start=heads)
    return heads


def just_train_twice(
    x: Tensor, label: Tensor, first: Heads, l2: Tensor, *, upweight: Tensor
) -> Heads:
    """JTT: what a first model gets wrong counts `upweight` times in the second training.

    Groups are needed only to choose upweight and penalty, on validation data.

    Args:
        x: (b, n, d).
        label: (b, n, c).
        first: b heads, usually held back by a strong penalty or few steps.
        l2: (m,) penalties.
        upweight: (m,) at least 1; 1 is training once.

    Raises:
        ValueError: if an upweight is below 1.
    """
    if (upweight < 1).any():
        raise ValueError(f"upweight must be at least 1, got {float(upweight.min())}")
    wrong = first(x).argmax(-1) != label.argmax(-1)
    weight = torch.where(wrong[:, None], upweight.to(label)[:, None], 1.0)  # (b, m, n)
    penalty = l2.to(label.dtype).repeat(len(label))
    target = label.repeat_interleave(len(l2), 0)
    return fit_logistic(x, target, l2=penalty, example_weight=weight.flatten(0, 1), tol=TOL)
