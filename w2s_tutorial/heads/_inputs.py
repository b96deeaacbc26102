"""What heads are fitted on: checked, brought to one dtype, centred. Shapes as in `heads`."""

from __future__ import annotations

import torch
from torch import Tensor


def centered(x: Tensor) -> tuple[Tensor, Tensor]:
    """x (..., n, d) less its mean over examples, and the mean (..., 1, d).

    The mean of large numbers is off by their rounding, and one subtraction leaves this error in
    all examples alike: a direction of its own beside features that vary little, and the only one
    where they are constant. It has few digits, so that a second subtraction takes it away.
    """
    mean = x.mean(-2, keepdim=True)
    left = x - mean
    rest = left.mean(-2, keepdim=True)
    return left - rest, mean + rest


def check_inputs(
    x: Tensor,
    target: Tensor,
    example_weight: Tensor | None = None,
    least: torch.dtype = torch.float32,
    *,
    blocks: bool = False,
) -> tuple[Tensor, Tensor, Tensor]:
    """Refuse what no head can be fitted on; bring the rest to one floating dtype.

    Args:
        x: (n, d) or (h, n, d), of any real dtype.
        target: (h, n, c), of any real dtype.
        example_weight: (h, n) bool or non-negative, or None for equal weights.
        least: the narrowest dtype to compute in.
        blocks: whether x may have fewer blocks than there are heads, a number that divides h.

    Returns:
        x, target, and each head's shares (h, n), summing to 1, in the wider dtype of x and
        target, but no narrower than `least`.

    Raises:
        TypeError: if x or target is no tensor of real numbers.
        ValueError: naming the argument, what it must be, and what came.
    """
    for name, value in (("x", x), ("target", target)):
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
        if value.is_complex():
            raise TypeError(f"{name} must hold real numbers, got {value.dtype}")
    if target.dim() != 3:
        raise ValueError(f"target must be (h, n, c), got shape {tuple(target.shape)}")
    h, n, _ = target.shape
    if x.dim() not in (2, 3) or x.shape[-2] != n:
        raise ValueError(f"x must list target's {n} examples, got shape {tuple(x.shape)}")
    if x.dim() == 3 and blocks and h % max(1, len(x)):
        raise ValueError(f"x must hold as many blocks as divide {h} heads, got {len(x)}")
    if x.dim() == 3 and not blocks and len(x) != h:
        raise ValueError(f"x must hold target's {h} heads, got {len(x)}")
    if x.numel() == 0:
        raise ValueError(f"x needs at least 1 example and 1 feature, got {tuple(x.shape)}")
    if x.device != target.device:
        raise ValueError(f"x must be where target is, on {target.device}, got {x.device}")
    dtype = torch.promote_types(torch.promote_types(x.dtype, target.dtype), least)
    for name, value in (("x", x), ("target", target)):
        # A sum is one pass over memory, isfinite several; large numbers may overflow it.
        total = value.sum()
        if not (total.isfinite() or value.isfinite().all()):
            raise ValueError(f"{name} must be finite, got NaN or infinity")
    x, target = x.to(dtype), target.to(dtype)
    if example_weight is None:
        return x, target, target.new_full((h, n), 1 / n)
    if example_weight.shape != (h, n):
        got = tuple(example_weight.shape)
        raise ValueError(f"example_weight must be (h, n) = {(h, n)}, got shape {got}")
    share = example_weight.to(target)
    if not (share.isfinite().all() and (share >= 0).all()):
        raise ValueError("example_weight must be finite and at least 0")
    total = share.sum(-1, keepdim=True)
    if (total == 0).any():
        empty = (total == 0).flatten().nonzero().flatten().tolist()
        raise ValueError(f"example_weight leaves no training example for heads {empty}")
    return x, target, share / total
