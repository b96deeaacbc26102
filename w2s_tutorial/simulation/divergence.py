"""Students that mix k fixed heads on probabilities, by reverse or ordinary cross-entropy.

A head is a table of probabilities (n, c), softmax of a random linear map of random features. The
set of mixtures of k heads is convex, whatever the heads. For Mulgund, Pabbaraju (ICML 2025, arXiv
2501.19105); the random problems are ours.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from w2s_tutorial.seeds import Seed, generator_of

Order = Literal["reverse", "forward"]


class Mixing(NamedTuple):
    """Random problems (h, ...): a target inside the convex hull of the heads, a teacher outside.

    Attributes:
        heads: (h, k, n, c) probabilities that the student may mix.
        target: (h, n, c), a mixture of them.
        weak: (h, n, c), the teacher's probabilities.
    """

    heads: Tensor
    target: Tensor
    weak: Tensor


def draw_mixing(
    *, problems: int, k: int, n: int, c: int, spread: float = 2.0, seed: Seed
) -> Mixing:
    """Random heads, a target that mixes them all, and a teacher: a head on other features.

    Args:
        problems: number h of them.
        k: heads of each.
        n: examples.
        c: classes.
        spread: standard deviation of the heads' log-odds, which makes them confident.
        seed: integer or generator, consumed.
    """
    generator = generator_of(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    heads = (spread * draw(problems, k, n, c)).softmax(-1)
    share = torch.rand((problems, k), generator=generator, dtype=torch.float64).log().neg()
    target = mix(heads, share / share.sum(-1, keepdim=True))
    # The teacher knows the target, with an error of its own.
    weak = (target.log() + spread / 2 * draw(problems, n, c)).softmax(-1)
    return Mixing(heads, target, weak)


def mix(heads: Tensor, share: Tensor) -> Tensor:
    """Mixtures (h, n, c) of heads (h, k, n, c) by shares (h, k)."""
    return (share[..., None, None] * heads).sum(1)


def fit_mixture(heads: Tensor, weak: Tensor, *, loss: Order) -> tuple[Tensor, Tensor]:
    """Shares in the simplex that bring a mixture of heads closest to the teacher, with certificate.

    loss "reverse" minimises the mean KL(student | weak), "forward" the mean KL(weak | student),
    which is ordinary cross-entropy on soft labels. Both are convex; Newton's method on a barrier.

    Args:
        heads: (h, k, n, c) probabilities above 0.
        weak: (h, n, c) probabilities above 0.
        loss: "reverse" or "forward".

    Returns:
        share (h, k), and (h,) how much the loss could still fall at most, an upper bound.

    Raises:
        ValueError: if loss is none of the two, or shapes disagree.
    """
    if loss not in ("reverse", "forward"):
        raise ValueError(f"loss must be 'reverse' or 'forward', got {loss!r}")
    h, k, n, c = heads.shape
    if weak.shape != (h, n, c):
        raise ValueError(f"weak must be {(h, n, c)}, got shape {tuple(weak.shape)}")
    table, teacher = heads.flatten(2), weak.flatten(1)  # (h, k, m), (h, m)
    share = table.new_full((h, k), 1 / k)
    barrier = 1.0 / k
    ones = table.new_ones(h, k, 1)

    def parts(share: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Order (h,), its slope (h, k) and the weights of its curvature (h, m)."""
        p = (share[..., None] * table).sum(1)
        if loss == "reverse":
            log_ratio = (p / teacher).log()
            return (p * log_ratio).sum(-1) / n, (log_ratio + 1) / n, 1 / (n * p)
        ratio = teacher / p
        return (teacher * ratio.log()).sum(-1) / n, -ratio / n, ratio / (n * p)

    for _ in range(80):
        value, by_entry, weight = parts(share)
        slope = (table @ by_entry[..., None])[..., 0]
        curvature = (table * weight[:, None]) @ table.mT + torch.diag_embed(barrier / share**2)
        full = slope - barrier / share
        both = torch.linalg.solve(curvature, torch.cat([full[..., None], ones], -1))
        lift = both[..., 0].sum(-1) / both[..., 1].sum(-1)
        step = -(both[..., 0] - lift[:, None] * both[..., 1])
        longest = (share / -step).masked_fill(step >= 0, torch.inf).amin(-1)
        length = (0.9 * longest).clamp_max(1.0)[:, None]
        descent = (full * step).sum(-1)

        def total(share: Tensor, barrier: float = barrier) -> Tensor:
            return parts(share)[0] - barrier * share.log().sum(-1)

        start = value - barrier * share.log().sum(-1)
        for _ in range(30):
            worse = total(share + length * step) > start + 1e-4 * length[:, 0] * descent + 1e-15
            if not worse.any():
                break
            length = torch.where(worse[:, None], length / 2, length)
        share = share + length * step
        share = share / share.sum(-1, keepdim=True)
        if (descent.abs() < barrier).all():
            if barrier * k < 1e-11:
                break
            barrier /= 5
    slope = (table @ parts(share)[1][..., None])[..., 0]
    return share, (share * slope).sum(-1) - slope.amin(-1)


def greedy_mixtures(heads: Tensor, weak: Tensor, *, most: int) -> list[Tensor]:
    """Reverse-KL students of 1, 2, ..., most heads, picked one after the other: (h, n, c) each.

    The next head is the one along which the loss falls fastest; then all shares are solved anew.

    Args:
        heads: (h, k, n, c), the class, which is not convex.
        weak: (h, n, c).
        most: heads of the last student, at most k.

    Raises:
        ValueError: if most leaves 1..k.
    """
    h, k, n, c = heads.shape
    if not 1 <= most <= k:
        raise ValueError(f"most must lie in 1..{k}, got {most}")
    each = (heads * (heads / weak[:, None]).log()).sum((2, 3)) / n
    picked = each.argmin(1, keepdim=True)
    students = []
    for size in range(1, most + 1):
        chosen = heads.gather(1, picked[..., None, None].expand(h, size, n, c))
        share, _ = fit_mixture(chosen, weak, loss="reverse")
        student = mix(chosen, share)
        students.append(student)
        slope = (heads * (student / weak).log()[:, None]).sum((2, 3))
        slope.scatter_(1, picked, torch.inf)
        picked = torch.cat([picked, slope.argmin(1, keepdim=True)], 1)
    return students
