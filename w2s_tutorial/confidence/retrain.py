"""The remedy: select by confidence, retrain with generalised cross-entropy; many settings at once.

After vanilla weak-to-strong training keep the fraction p of the pool of whose labels the student
is surest, and train on it again with the loss (1 - p^q) / q (Liu, Dong and Lei 2026,
arXiv 2509.24005, from notes on the paper). Shapes: b draws of the data, m settings of each, heads
in the order of `heads.logistic`: setting j of draw i is head i m + j.
"""

from __future__ import annotations

import torch
from torch import Tensor

from w2s_tutorial.confidence.selection import kept_by, share_of
from w2s_tutorial.heads import Heads, fit_logistic
from w2s_tutorial.losses import generalized_cross_entropy

UNTUNED = (0.5, 0.7)
"""p and q where nothing is known: half of the pool, and the q of Zhang and Sabuncu (2018)."""


def retrain(
    x: Tensor,
    label: Tensor,
    score: Tensor,
    *,
    p: Tensor,
    q: Tensor,
    l2: Tensor,
    start: Heads | None = None,
    tol: float | None = None,
) -> Heads:
    """Fit b x m heads, each on the share p of its draw with the highest scores, with its own q.

    p = 1 and q = 0 is vanilla training. A class of which nothing would be kept is represented by
    its surest example.

    Args:
        x: (b, n, d) strong features of the pool.
        label: (b, n, c) what to learn: the teacher's pseudolabels, or the student's.
        score: (b, n) confidence of the student, see `selection.confidence`.
        p, q, l2: (m,), or (b, m) where draws have settings of their own.
        start: b heads to go on from. Default: from zero.
        tol: see `fit_logistic`.

    Raises:
        TypeError: if p, q or l2 is no tensor.
        ValueError: if score and label list no examples, or not the same; as `keep_top` and
            `fit_logistic`.
    """
    if label.dim() != 3 or label.shape[1] == 0 or score.shape != label.shape[:2]:
        came = f"{tuple(score.shape)} and {tuple(label.shape)}"
        raise ValueError(
            f"score (b, n) and label (b, n, c) must list the same examples, got {came}"
        )
    b, n, c = label.shape
    for name, value in (("p", p), ("q", q), ("l2", l2)):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a tensor (m,) or (b, m), got {value!r}")
    p, q, l2 = torch.broadcast_tensors(*torch.atleast_1d(p, q, l2))
    p, q, l2 = (value.expand(b, -1) for value in (p, q, l2))
    m = p.shape[1]
    keep = kept_by(score.repeat_interleave(m, 0), label.repeat_interleave(m, 0), p.flatten())
    if start is not None:
        start = Heads(start.weight.repeat_interleave(m, 0), start.bias.repeat_interleave(m, 0))
    repeated = label[:, None].expand(b, m, n, c).reshape(b * m, n, c)
    return fit_logistic(
        x,
        repeated,
        loss=generalized_cross_entropy(q.flatten()),
        l2=l2.flatten(),
        example_weight=keep,
        start=start,
        tol=tol,
        max_steps=300,
    )


def pick(heads: Heads, choice: Tensor) -> Heads:
    """One of its m settings for each of b draws: choice (b,) -> b heads."""
    rows = torch.arange(len(choice)) * (len(heads) // len(choice)) + choice.cpu()
    return Heads(heads.weight[rows], heads.bias[rows])


def doubt(x: Tensor, label: Tensor, *, l2: Tensor, tol: float | None = None) -> Tensor:
    """Share of the pool on which teacher and student disagree, cross-fitted: (b,).

    One student learns half of the pool, every second example of each label, and is asked about the
    other half, another the reverse: no student is asked about a label that it was taught.

    Args:
        x: (b, n, d).
        label: (b, n, c) hard pseudolabels.
        l2: (b,) penalties.
        tol: see `fit_logistic`.
    """
    order = label.argmax(-1).argsort(dim=-1, stable=True).argsort(-1)  # place among its label's
    even = order % 2 == 0
    fold = torch.stack([even, ~even], 1).flatten(0, 1)
    twice = label.repeat_interleave(2, 0)
    penalty = l2.repeat_interleave(2)
    heads = fit_logistic(x, twice, l2=penalty, example_weight=fold, tol=tol)
    differs = heads(x).argmax(-1) != twice.argmax(-1)
    return share_of(differs, ~fold).view(-1, 2).mean(-1)


def rule(disagreement: Tensor) -> tuple[Tensor, Tensor]:
    """p and q from the share of doubtful labels alone, (b,) each; ours, not the paper's.

    If wrong labels are those that the student disagrees with, dropping twice as many drops most
    of them: p = 1 - 2 doubt, at least .2. And q = 4 doubt, at most 1: cross-entropy where nobody
    doubts, the most forgiving loss from a quarter on. Fixed before it was tried on real data.
    """
    return (1 - 2 * disagreement).clamp(0.2, 1.0), (4 * disagreement).clamp(0.0, 1.0)
