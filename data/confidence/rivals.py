"""What else one might do with the same features, labels and number of fits.

Each rival returns b x m heads for m penalties l2 (m,) of each of b draws, in the order of
`retrain`; all of them end in the solver of `heads.fit_logistic`. Labels are (b, n, c).
The last two are told the groups; DFR, retraining on balanced data, is `vanilla` on such data.
Results are those of `confidence.compare`. Methods that are told the groups choose their penalty by
the worst group of a validation set with balanced groups, which is the set "balanced".
"""

from __future__ import annotations

from functools import partial
from itertools import product

import torch
from torch import Tensor

from w2s_tutorial.confidence.compare import PENALTIES, TOL, Accuracies, Taught, vanilla
from w2s_tutorial.confidence.retrain import pick
from w2s_tutorial.confidence.selection import confidence, keep_top, kept_by, labels_of
from w2s_tutorial.heads import Heads, fit_logistic
from w2s_tutorial.losses import confidence_weight, hardened, smoothed
from w2s_tutorial.metrics import group_accuracy
from w2s_tutorial.sample import Sample

L2 = torch.tensor(PENALTIES)
_one_step = partial(fit_logistic, max_steps=1, tol=0.0)


def confidence_loss(
    x: Tensor,
    soft: Tensor,
    l2: Tensor,
    *,
    most: float = 0.5,
    warm_up: float = 0.2,
    steps: int = 20,
) -> Heads:
    """Auxiliary confidence loss (Burns et al. 2023): (1 - a) CE(weak) + a CE(own hard labels).

    The threshold keeps the teacher's share of either class, no gradient passes through the hard
    labels, and a rises linearly. Labels are hardened anew before each of `steps` updates, which
    here are damped Newton steps on the whole pool, not Adam steps on batches.

    Args:
        x: (b, n, d).
        soft: (b, n, 2) the teacher's probabilities.
        l2: (m,) penalties.
        most: final weight a.
        warm_up: share of the steps over which a rises.
        steps: updates.
    """
    m = len(l2)
    soft, penalty = soft.repeat_interleave(m, 0), l2.to(soft.dtype).repeat(len(soft))
    share = soft[..., 1].mean(-1)
    heads = Heads(soft.new_zeros(len(soft), x.shape[-1], 2), soft.new_zeros(len(soft), 1, 2))
    for step in range(steps):
        a = confidence_weight(step / steps, most=most, warm_up=warm_up)
        target = (1 - a) * soft + a * hardened(heads(x), share)
        heads = _one_step(x, target, l2=penalty, start=heads)
    return heads


def self_training(x: Tensor, label: Tensor, l2: Tensor, rounds: int = 2) -> Heads:
    """Train, relabel the pool with the student's own answers, train again; `rounds` times."""
    heads = vanilla(x, label, l2)
    for _ in range(rounds):
        own = labels_of(heads(x))
        penalty = l2.to(label.dtype).repeat(len(label))
        heads = fit_logistic(x, own, l2=penalty, tol=TOL)
    return heads


def small_loss(x: Tensor, label: Tensor, student: Heads, l2: Tensor, p: float = 0.5) -> Heads:
    """Keep the share p of labels that b students find least surprising, train on these."""
    loss = -(label * student(x).log_softmax(-1)).sum(-1)
    return vanilla(x, label, l2, kept_by(-loss, label, p))


def co_training(
    labeled: tuple[Tensor, Tensor],
    pool: tuple[Tensor, Tensor],
    label: Tensor,
    l2: Tensor,
    *,
    rounds: int = 4,
) -> Heads:
    """Two views teach each other: each labels, for the other, what it is surest of.

    Both start from the true labels. In round r each view passes on the surest share r / rounds
    of the pool, with its own labels, and the other learns these and the true labels.

    Args:
        labeled: weak and strong features (b, n, d) of the labelled set.
        pool: weak and strong features (b, N, d) of the pool.
        label: (b, n, c) true labels.
        l2: (m,) penalties, the same for both views.
        rounds: how often they exchange.

    Returns:
        Heads of the strong view, b x m.
    """
    m, b = len(l2), len(label)
    true, penalty = label.repeat_interleave(m, 0), l2.to(label.dtype).repeat(b)
    together = [torch.cat(parts, 1) for parts in zip(labeled, pool, strict=True)]
    views = [fit_logistic(x, true, l2=penalty, tol=TOL) for x in labeled]
    for r in range(1, rounds + 1):
        said = [heads(x) for heads, x in zip(views, pool, strict=True)]
        keep = [keep_top(confidence(output), r / rounds) for output in said]
        views = []
        for x, other in zip(together, (1, 0), strict=True):
            own = labels_of(said[other])
            weight = torch.cat([torch.ones_like(true[..., 0], dtype=torch.bool), keep[other]], 1)
            target = torch.cat([true, own], 1)
            views.append(fit_logistic(x, target, l2=penalty, example_weight=weight, tol=TOL))
    return views[1]


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


def compare_rivals(taught: Taught) -> Accuracies:
    """Everything else that needs no groups."""
    labeled, pool, label = taught.sets["labeled"], taught.sets["pool"], taught.label
    x, y = pool.strong, labeled.target
    both = torch.cat([x, labeled.strong], 1), torch.cat([label, y], 1)
    views = (labeled.weak, labeled.strong), (pool.weak, pool.strong)
    found = {
        "confidence loss": confidence_loss(x, taught.soft, L2),
        "self-training": self_training(x, label, L2),
        "co-training": co_training(*views, y, L2),
        "small loss": small_loss(x, label, taught.student, L2),
        "label smoothing": vanilla(x, smoothed(label), L2),
        "soft labels": vanilla(x, taught.soft, L2),
        "baseline": vanilla(labeled.strong, y, L2),
        "labels and pseudolabels": vanilla(*both, L2),
        "ceiling": vanilla(x, pool.target, L2),
    }
    return {name: taught.reached(h) for name, h in found.items()}


def compare_told_groups(taught: Taught) -> Accuracies:
    """Methods that know the groups: of the pool, or of a balanced labelled set."""
    sets, x, label = taught.sets, taught.sets["pool"].strong, taught.label
    balanced = sets["balanced"]
    held_back = vanilla(x, label, L2[-1:])
    upweight, l2 = torch.tensor(list(product((1.0, 5.0, 20.0), PENALTIES))).unbind(1)
    by_groups = {
        "GroupDRO": group_dro(x, label, sets["pool"].group, L2),
        "JTT": just_train_twice(x, label, held_back, l2, upweight=upweight),
    }
    found = {"DFR": taught.reached(vanilla(balanced.strong, balanced.target, L2))}
    for name, every in by_groups.items():
        worst = _by_group(balanced, every).amin(-1).view(len(label), -1)
        best = worst.shape[-1] - 1 - worst.flip(-1).argmax(-1)  # of equals the strongest penalty
        found[name] = _by_group(sets["test"], pick(every, best))
    return found


def _by_group(sample: Sample, every: Heads) -> Tensor:
    """(b m, 4) accuracies."""
    m = len(every) // len(sample.target)
    target, group = (v.repeat_interleave(m, 0) for v in (sample.target, sample.group))
    return group_accuracy(every(sample.strong), target, group, groups=4)
