"""What a set of heads got right, and how much of the gap a student recovers.

One value per head unless said. Names ending in `risk` or `error` are lower-is-better, `accuracy`
is higher-is-better. Shapes: output and target (h, n, c), group (n,) or (h, n).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from w2s_tutorial.seeds import Seed, generator_of


def _right(output: Tensor, target: Tensor) -> Tensor:
    if output.shape[-2:] != target.shape[-2:] or output.shape[-2] == 0:
        came = f"{tuple(output.shape)} and {tuple(target.shape)}"
        raise ValueError(f"output and target must list the same n >= 1 examples, got {came}")
    if not output.isfinite().all():
        raise ValueError("output must be finite, got NaN or infinity")
    return (output.argmax(-1) == target.argmax(-1)).to(output.dtype)


def _by_group(value: Tensor, group: Tensor, groups: int) -> Tensor:
    if int(group.min()) < 0 or int(group.max()) >= groups:
        came = f"{int(group.min())}..{int(group.max())}"
        raise ValueError(f"group must lie in 0..{groups - 1}, got {came}")
    member = torch.nn.functional.one_hot(group.expand(value.shape).long(), groups).to(value.dtype)
    return (value[:, None] @ member)[:, 0] / member.sum(1)  # 0 / 0 is the NaN of an empty group


def accuracy(output: Tensor, target: Tensor) -> Tensor:
    """Share of examples whose largest output is the right class: (h,)."""
    return _right(output, target).mean(-1)


def group_accuracy(output: Tensor, target: Tensor, group: Tensor, *, groups: int) -> Tensor:
    """Share of each group classified correctly.

    Args:
        groups: how many groups there are; group holds 0..groups-1.

    Returns:
        (h, groups); NaN where a group has no example, never 0.

    Raises:
        ValueError: if a group index lies outside 0..groups-1, or shapes disagree.
    """
    return _by_group(_right(output, target), group, groups)


def worst_group_accuracy(output: Tensor, target: Tensor, group: Tensor, *, groups: int) -> Tensor:
    """The smallest of the groups' accuracies: (h,); groups without examples do not count."""
    each = group_accuracy(output, target, group, groups=groups)
    return torch.where(each.isnan(), math.inf, each).amin(-1)


def squared_error(output: Tensor, target: Tensor) -> Tensor:
    """Mean over examples of the squared distance between output and target: (h,)."""
    return _distance(output, target).mean(-1)


def group_squared_error(output: Tensor, target: Tensor, group: Tensor, *, groups: int) -> Tensor:
    """`squared_error` of each group: (h, groups); NaN where a group has no example.

    Args:
        groups: how many groups there are; group holds 0..groups-1.

    Raises:
        ValueError: if a group index lies outside 0..groups-1, or shapes disagree.
    """
    return _by_group(_distance(output, target), group, groups)


def _distance(output: Tensor, target: Tensor) -> Tensor:
    if output.shape[-2:] != target.shape[-2:] or output.shape[-2] == 0:
        came = f"{tuple(output.shape)} and {tuple(target.shape)}"
        raise ValueError(f"output and target must list the same n >= 1 examples, got {came}")
    return (output - target).square().sum(-1)


def misfit(student_output: Tensor, weak_output: Tensor) -> Tensor:
    """Mean squared distance between student and weak model, in units of the outputs squared: (h,).

    What the student refuses to learn (Charikar, Pabbaraju and Shiragur 2024, arXiv 2405.15116).
    """
    return squared_error(student_output, weak_output)


def disagreement(student_output: Tensor, weak_output: Tensor) -> Tensor:
    """Share of examples on which student and weak model name different classes: (h,)."""
    return 1 - accuracy(student_output, weak_output)


def repeated_mistakes(weak_output: Tensor, student_output: Tensor, target: Tensor) -> Tensor:
    """Share of the weak model's mistakes that the student makes too: (h,); NaN without mistakes."""
    missed = 1 - _right(weak_output, target)
    return (missed * (1 - _right(student_output, target))).sum(-1) / missed.sum(-1)


def pgr(weak: Tensor, student: Tensor, ceiling: Tensor, *, min_gap: float = 0.0) -> Tensor:
    """Performance gap recovered: (student - weak) / (ceiling - weak), of means over heads.

    0 for a student as good as its teacher, 1 at the ceiling (Burns et al. 2023,
    arXiv 2312.09390). A ratio of means: the mean of per-head ratios is dominated by the heads
    whose gap happens to be small. Takes accuracies or risks, all of one kind.

    Args:
        weak, student, ceiling: (..., h), one value per head.
        min_gap: below this absolute gap between ceiling and weak the answer is NaN.

    Returns:
        (...): a scalar for (h,) inputs.

    Raises:
        ValueError: if a value is not finite or there is no head.
    """
    weak, student, ceiling = (
        _mean(name, value)
        for name, value in (("weak", weak), ("student", student), ("ceiling", ceiling))
    )
    gap = ceiling - weak
    return torch.where(gap.abs() > min_gap, (student - weak) / gap, math.nan)


def opr(student_risk: Tensor, baseline_risk: Tensor) -> Tensor:
    """Outperforming ratio: baseline's risk / student's risk, of means over heads.

    Above 1, the pool with pseudolabels taught the strong model more than the labelled set with
    true ones (Dong et al. 2025, arXiv 2502.05075). Takes risks (or error rates), not accuracies.

    Args:
        student_risk, baseline_risk: (..., h), one value per head, at least 0.

    Returns:
        (...); NaN where the student's mean risk is 0.
    """
    student = _mean("student_risk", student_risk)
    baseline = _mean("baseline_risk", baseline_risk)
    if (student < 0).any() or (baseline < 0).any():
        raise ValueError("opr takes risks of at least 0, got a negative one")
    return torch.where(student > 0, baseline / student, math.nan)


def _mean(name: str, value: Tensor) -> Tensor:
    if value.dim() == 0 or value.shape[-1] == 0:
        raise ValueError(f"{name} must hold a value per head, got shape {tuple(value.shape)}")
    if not value.isfinite().all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return value.mean(-1)


def bootstrap_interval(
    statistic: Callable[..., Tensor],
    *samples: Tensor,
    level: float = 0.95,
    repeats: int = 2000,
    seed: Seed,
) -> tuple[Tensor, Tensor]:
    """Percentile bootstrap interval of a statistic of heads, resampling heads jointly.

    Args:
        statistic: takes tensors (repeats, h) and returns (repeats,); `pgr` and `opr` do.
        samples: (h,) each, one value per head, the same heads in the same order.
        level: coverage, in (0, 1).
        repeats: bootstrap draws.
        seed: integer or generator, consumed for the draws.

    Returns:
        (low, high), scalars; NaN if any draw has no defined statistic.

    Raises:
        ValueError: if samples list different numbers of heads, or fewer than 2.
    """
    generator = generator_of(seed)
    sizes = {tuple(sample.shape) for sample in samples}
    if len(sizes) != 1 or len(size := next(iter(sizes))) != 1 or size[0] < 2:
        raise ValueError(f"samples must list the same heads, at least 2, got {sorted(sizes)}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), got {level}")
    draw = torch.randint(size[0], (repeats, size[0]), generator=generator)
    values = statistic(*(sample[draw.to(sample.device)] for sample in samples))
    if values.isnan().any():
        return values.new_tensor(math.nan), values.new_tensor(math.nan)
    tail = (1 - level) / 2
    return values.quantile(tail), values.quantile(1 - tail)
