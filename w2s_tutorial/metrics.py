"""What a set of heads got right, and how much of the gap a student recovers.

One value per head unless said; NaN for a head that is not fitted (all its outputs are NaN). Names
ending in `risk`, `error` or `rate` are lower-is-better, `accuracy` is higher-is-better. Shapes:
output and target (h, n, c), group (n,) or (h, n). Where classes count, target may also be the
class of each example, integers (n,) or (h, n).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from scipy.stats import t as student_t
from torch import Tensor

from w2s_tutorial.seeds import Seed, generator_of


def _right(output: Tensor, target: Tensor, name: str = "target") -> Tensor:
    """(h, n): 1 where the largest output is the right class; NaN for heads that are not fitted."""
    _check_outputs(output=output)
    if output.shape[-1] < 2:
        raise ValueError(f"output must have a column per class, at least 2, got {output.shape[-1]}")
    if isinstance(target, Tensor) and target.dim() < 3 and not target.is_floating_point():
        label, n = target, output.shape[-2]
        if label.dim() not in (1, 2) or label.shape[-1] != n or n == 0:
            came = f"{tuple(output.shape)} and {tuple(label.shape)}"
            raise ValueError(f"output and {name} must list the same n >= 1 examples, got {came}")
        if int(label.min()) < 0 or int(label.max()) >= output.shape[-1]:
            came = f"{int(label.min())}..{int(label.max())}"
            raise ValueError(f"{name} must lie in 0..{output.shape[-1] - 1}, got {came}")
    else:
        _check_pair("output", output, name, target)
        label = (target.byte() if target.dtype == torch.bool else target).argmax(-1)
    if label.dim() == 2 and len({len(output), len(label), 1}) > 2:
        came = f"{len(output)} and {len(label)}"
        raise ValueError(f"output and {name} must have the same heads, got {came}")
    wide = torch.promote_types(output.dtype, torch.float32)  # halves would round shares
    right = (output.argmax(-1) == label).to(wide)
    for value in (output, target):
        if value.is_floating_point() and value.dim() == 3:
            unfit = value.isnan().flatten(-2).all(-1)
            right = torch.where(unfit[..., None], math.nan, right)
    return right


def _check_outputs(**outputs: Tensor) -> None:
    for name, value in outputs.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
        if value.is_complex():
            raise TypeError(f"{name} must hold real numbers, got {value.dtype}")
        if value.dim() != 3:
            raise ValueError(f"{name} must be (h, n, c), got shape {tuple(value.shape)}")
        if not value.isfinite().all():
            unfit = value.isnan().flatten(-2).all(-1)
            if not (value.isfinite().flatten(-2).all(-1) | unfit).all():
                raise ValueError(f"{name} must be finite, got NaN or infinity")


def _check_pair(name: str, output: Tensor, other: str, target: Tensor) -> None:
    _check_outputs(**{name: output, other: target})
    if output.shape[-2:] != target.shape[-2:] or output.shape[-2] == 0:
        came = f"{tuple(output.shape)} and {tuple(target.shape)}"
        raise ValueError(f"{name} and {other} must list the same n >= 1 examples, got {came}")
    if len({len(output), len(target), 1}) > 2:
        came = f"{len(output)} and {len(target)}"
        raise ValueError(f"{name} and {other} must have the same heads, got {came}")


def _by_group(value: Tensor, group: Tensor, groups: int) -> Tensor:
    if not isinstance(group, Tensor) or group.is_floating_point():
        raise TypeError(f"group must hold integers, got {getattr(group, 'dtype', type(group))}")
    if group.shape not in (value.shape, value.shape[-1:]):
        came = f"got shape {tuple(group.shape)}"
        raise ValueError(
            f"group must list {value.shape[-1]} examples for {len(value)} heads, {came}"
        )
    if int(group.min()) < 0 or int(group.max()) >= groups:
        came = f"{int(group.min())}..{int(group.max())}"
        raise ValueError(f"group must lie in 0..{groups - 1}, got {came}")
    member = torch.nn.functional.one_hot(group.expand(value.shape).long(), groups).to(value.dtype)
    return (value[:, None] @ member)[:, 0] / member.sum(1)  # 0 / 0 is the NaN of an empty group


def accuracy(output: Tensor, target: Tensor) -> Tensor:
    """Share of examples whose largest output is the right class: (h,).

    Raises:
        TypeError: if an argument is no tensor.
        ValueError: if outputs have one column, as in regression (see `squared_error`), shapes
            disagree, or a value is not finite.
    """
    return _right(output, target).mean(-1)


def error_rate(output: Tensor, target: Tensor) -> Tensor:
    """1 - `accuracy`: (h,). What `opr` takes: accuracies would turn it round."""
    return 1 - accuracy(output, target)


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
    worst = torch.where(each.isnan(), math.inf, each).amin(-1)
    return torch.where(worst.isinf(), math.nan, worst)


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


def _distance(
    output: Tensor, target: Tensor, names: tuple[str, str] = ("output", "target")
) -> Tensor:
    _check_pair(names[0], output, names[1], target)
    wide = torch.promote_types(torch.promote_types(output.dtype, target.dtype), torch.float32)
    return (output.to(wide) - target.to(wide)).square().sum(-1)


def misfit(student_output: Tensor, weak_output: Tensor) -> Tensor:
    """Mean squared distance between student and weak model, in units of the outputs squared: (h,).

    What the student refuses to learn (Charikar, Pabbaraju and Shiragur 2024, arXiv 2405.15116).
    """
    return _distance(student_output, weak_output, ("student_output", "weak_output")).mean(-1)


def disagreement(student_output: Tensor, weak_output: Tensor) -> Tensor:
    """Share of examples on which student and weak model name different classes: (h,)."""
    return 1 - _right(student_output, weak_output, "weak_output").mean(-1)


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
        min_gap: below this absolute gap between ceiling and weak the answer is NaN, as it is
            where the gap may be rounding: up to 6 units in the last place of the larger mean.

    Returns:
        (...): a scalar for (h,) inputs.

    Raises:
        TypeError: if a value is no tensor.
        ValueError: if a value is not finite, there is no head, or roles differ in heads.
    """
    weak, student, ceiling = _means(weak=weak, student=student, ceiling=ceiling)
    gap = ceiling - weak
    # Rounded values, their sum and its quotient put means of equal totals up to 3.6 eps apart (in
    # 1e7 trials of 1 to 1e5 heads). One example of 1e6 is 8 eps of single precision, and counts.
    rounding = 6 * torch.finfo(gap.dtype).eps * torch.maximum(weak.abs(), ceiling.abs())
    real = (gap.abs() > rounding) & (gap.abs() > min_gap)
    return torch.where(real, (student - weak) / gap, math.nan)


def opr(student_risk: Tensor, baseline_risk: Tensor) -> Tensor:
    """Outperforming ratio: baseline's risk / student's risk, of means over heads.

    Above 1, the pool with pseudolabels taught the strong model more than the labelled set with
    true ones (Dong et al. 2025, arXiv 2502.05075). Takes risks (or error rates), not accuracies.

    Args:
        student_risk, baseline_risk: (..., h), one value per head, at least 0.

    Returns:
        (...); NaN where the student's mean risk is 0.

    Raises:
        TypeError: if a value is no tensor.
        ValueError: as `pgr`, or if a risk is negative.
    """
    student, baseline = _means(student_risk=student_risk, baseline_risk=baseline_risk)
    if (student < 0).any() or (baseline < 0).any():
        raise ValueError("opr takes risks of at least 0, got a negative one")
    return torch.where(student > 0, baseline / student, math.nan)


def _means(**values: Tensor) -> list[Tensor]:
    for name, value in values.items():
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} must be a torch.Tensor, got {type(value).__name__}")
        if value.dim() == 0 or value.shape[-1] == 0:
            raise ValueError(f"{name} must hold a value per head, got shape {tuple(value.shape)}")
        if not value.isfinite().all():
            raise ValueError(f"{name} must be finite, got NaN or infinity")
    if len({value.shape for value in values.values()}) > 1:
        came = [tuple(value.shape) for value in values.values()]
        raise ValueError(f"{', '.join(values)} must hold the same heads, got {came}")
    wide = torch.float32
    for value in values.values():
        wide = torch.promote_types(wide, value.dtype)
    return [value.to(wide).mean(-1) for value in values.values()]


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
        ValueError: if samples list different numbers of heads, or fewer than 2; if statistic
            averages over draws, level leaves (0, 1) or repeats is below 1.
    """
    generator = generator_of(seed)
    for sample in samples:
        if not isinstance(sample, Tensor):
            raise TypeError(f"samples must be torch.Tensors, got {type(sample).__name__}")
    sizes = {tuple(sample.shape) for sample in samples}
    if len(sizes) != 1 or len(size := next(iter(sizes))) != 1 or size[0] < 2:
        raise ValueError(f"samples must list the same heads, at least 2, got {sorted(sizes)}")
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), got {level}")
    if repeats < 1:
        raise ValueError(f"repeats must be at least 1, got {repeats}")
    draw = torch.randint(size[0], (repeats, size[0]), generator=generator)
    values = statistic(*(sample[draw.to(sample.device)] for sample in samples))
    if values.shape != (repeats,):
        came = f"shape {tuple(values.shape)} of {repeats} draws"
        raise ValueError(f"statistic must return a number for each draw, got {came}")
    values = values.to(torch.promote_types(values.dtype, torch.float32))
    if values.isnan().any():
        return values.new_tensor(math.nan), values.new_tensor(math.nan)
    tail = (1 - level) / 2
    return values.quantile(tail), values.quantile(1 - tail)


def t_half_width(error: Any, runs: Any, *, level: float = 0.95) -> Any:
    """Half of Student's t interval of a mean: its standard error times the quantile.

    Args:
        error: standard error, a number, tensor or column.
        runs: how many values the mean is over, at least 2; a number or a column.
        level: coverage of the interval, in (0, 1).

    Raises:
        ValueError: if level leaves (0, 1).
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie in (0, 1), got {level}")
    return error * student_t.ppf((1 + level) / 2, runs - 1)
