"""Many linear heads, fitted at once.

A head is one linear map on frozen features. Everything that varies between runs (seed, label
set, data set, hyperparameter) lives on the leading axis of the tensors, so a hundred runs cost
one matrix product. In the shapes below h counts heads, n examples, d features, c outputs.

A penalty l2 adds l2 / 2 * |weight|^2 to a head's mean loss, in every fit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from w2s_tutorial.heads._inputs import check_inputs
from w2s_tutorial.losses import Loss
from w2s_tutorial.progress import progress


@dataclass(frozen=True)
class Heads:
    """h independent linear heads.

    Attributes:
        weight: (h, d, c)
        bias: (h, 1, c)
        failed: number of a head that could not be fitted -> why. Its weights are NaN.
    """

    weight: Tensor
    bias: Tensor
    failed: Mapping[int, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.weight)

    def __call__(self, x: Tensor) -> Tensor:
        """Outputs (h, n, c) on features x: (n, d), seen by every head, or (b, n, d).

        Of b blocks x[i] is seen by heads i h/b to (i + 1) h/b - 1; one head sees them all, and
        has outputs (b, n, c). They have the wider of the two dtypes, of features and of heads.
        """
        dtype = torch.promote_types(x.dtype, self.weight.dtype)
        x, weight, bias = x.to(dtype), self.weight.to(dtype), self.bias.to(dtype)
        if x.dim() == 2 or len(self) in (1, len(x)):
            return apply(x, weight) + bias
        if len(self) % len(x):
            raise ValueError(f"x must hold blocks that divide {len(self)} heads, got {len(x)}")
        return (x[:, None] @ weight.unflatten(0, (len(x), -1))).flatten(0, 1) + bias


def apply(matrix: Tensor, v: Tensor) -> Tensor:
    """matrix @ v for v (h, d, c) and a matrix (n, d) that all heads share, or (h, n, d): (h, n, c).

    A shared matrix meets the heads side by side: one product instead of h.
    """
    if matrix.dim() == 3:
        return matrix @ v
    h, d, c = v.shape
    side_by_side = v.transpose(0, 1).reshape(d, h * c)
    return (matrix @ side_by_side).view(len(matrix), h, c).transpose(0, 1)


@torch.enable_grad()
def fit_gradient(
    x: Tensor,
    target: Tensor,
    loss: Loss,
    *,
    steps: int,
    lr: float,
    weight_decay: float = 0.0,
    example_weight: Tensor | None = None,
    start: Heads | None = None,
) -> Heads:
    """Fit h heads by full-batch AdamW, each as if it were alone.

    Args:
        x: (n, d) or (h, n, d) features.
        target: (h, n, c) label distributions or real targets; h is read from here.
        loss: per-example loss, see `losses`.
        steps: number of AdamW steps, at least 1.
        lr: step size.
        weight_decay: AdamW's decoupled decay, of weights and bias.
        example_weight: (h, n) bool or non-negative: how much each example counts for each head.
            Default: all the same. Every head averages over what it keeps.
        start: heads to start from. Default: zero.

    Raises:
        ValueError: if shapes disagree, values are not finite, a head keeps no example, or the
            loss stops being finite (lr too large).
    """
    # Autograd does not keep tensors of an inference mode, which features may be.
    x, target, share = (
        value.clone() if value.is_inference() else value
        for value in check_inputs(x, target, example_weight)
    )
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}")
    h, _, c = target.shape
    if start is None:
        start = Heads(target.new_zeros(h, x.shape[-1], c), target.new_zeros(h, 1, c))
    weight, bias = (
        part.detach().to(target, copy=True).requires_grad_() for part in (start.weight, start.bias)
    )
    optimizer = torch.optim.AdamW([weight, bias], lr=lr, weight_decay=weight_decay)
    for _ in progress(range(steps), of="steps"):
        per_example = loss(Heads(weight, bias)(x), target)  # (h, n)
        # Sum over heads, average over examples: a head's gradient then does not depend on how
        # many other heads share the tensor. Clipping the global norm, or L-BFGS with a shared
        # line search, would couple them.
        total = (per_example * share).sum()
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        optimizer.step()
    if not (weight.isfinite().all() and bias.isfinite().all()):
        raise ValueError(f"the fit diverged at lr = {lr}: choose a smaller one")
    return Heads(weight.detach(), bias.detach())
