"""Many logistic (softmax) heads with an L2 penalty, each solved to the same small gradient.

A grid of (loss, selection, penalty) on one data set is one fit. Cross-entropy is convex and has
one minimum, which `_quasi_newton` comes near to fast. Under other losses the fit only goes
downhill, by `_newton`: where a head ends depends on where it starts and on nothing else.
"""

from __future__ import annotations

import math
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import torch
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from w2s_tutorial.heads._inputs import check_inputs
from w2s_tutorial.heads._newton import Problem, descend
from w2s_tutorial.heads._quasi_newton import GROUP, ROUGH, approach, squares
from w2s_tutorial.heads.linear import Heads
from w2s_tutorial.losses import LabelLoss, cross_entropy
from w2s_tutorial.progress import progress

CACHE = 2**22
"""Bytes of features that heads with their own are fitted on at once, on a CPU."""
LARGE = 2**26
"""Entries of features, times heads, whose product is worth more than one thread."""


def fit_logistic(
    x: Tensor,
    target: Tensor,
    *,
    l2: float | Tensor,
    loss: LabelLoss = cross_entropy,
    example_weight: Tensor | None = None,
    start: Heads | None = None,
    tol: float | None = None,
    max_steps: int = 100,
) -> Heads:
    """Fit h heads that minimise their mean loss + l2 / 2 * |weight|^2; the bias is free.

    In scikit-learn's LogisticRegression, C = 1 / (n * l2) where n counts the examples a head
    keeps. As there, two classes share one weight vector w = weight[..., 1] - weight[..., 0],
    and |w|^2 is what is penalised.

    Args:
        x: (n, d) features, or (b, n, d): heads i h/b to (i + 1) h/b - 1 see x[i]. Keep their
            scales comparable: the penalty sees them.
        target: (h, n, c) label distributions, one-hot or soft.
        l2: penalty per head, a number or (h,), above 0.
        loss: of the label's log-probability: `losses.cross_entropy`, or another, of which the
            heads reach a local minimum, downhill from start.
        example_weight: (h, n) bool or non-negative. Each head averages over what it keeps.
        start: heads to go on from. Default: zero, where all classes are as likely.
        tol: largest entry of the gradient at which a head counts as solved. The weights are then
            within sqrt(d) * tol / l2 of the optimum. Default: 1e-8 in float64, 1e-6 in float32.
            0 takes max_steps Newton steps from start and asks for no more.
        max_steps: steps after which to give up.

    Returns:
        Heads in the wider dtype of x and target, at least float32. A
        `sklearn.exceptions.ConvergenceWarning` says how many, if any, did not reach tol. A head
        that sees no example of some class, whose bias would be infinite, is NaN; `failed` says so.

    Raises:
        TypeError: if x or target is no tensor of real numbers.
        ValueError: if shapes disagree, values are not finite, targets are no distributions, a
            class is missing for every head, or l2 is not positive.
    """
    with _threads(_apart(x, target)) as map_:
        return _fit(map_, x, target, l2, loss, example_weight, start, tol, max_steps)


def _fit(
    map_: Callable[..., Iterable[Any]],
    x: Tensor,
    target: Tensor,
    l2: float | Tensor,
    loss: LabelLoss,
    example_weight: Tensor | None,
    start: Heads | None,
    tol: float | None,
    max_steps: int,
) -> Heads:
    x, target, share = check_inputs(x, target, example_weight, blocks=True)
    target, failed = _check_labels(target, share)
    h, n, c = target.shape
    x = x if x.dim() == 3 else x[None]
    b, d = len(x), x.shape[-1]
    penalty = torch.as_tensor(l2, dtype=target.dtype, device=target.device)
    if penalty.shape not in ((), (1,), (h,)):
        raise ValueError(f"l2 must be a number or {(h,)}, got shape {tuple(penalty.shape)}")
    penalty = penalty.expand(h)
    if not (penalty.isfinite().all() and (penalty > 0).all()):
        raise ValueError(f"l2 must be finite and exceed 0, got {l2}")
    if start is not None and start.weight.shape != (h, d, c):
        came = tuple(start.weight.shape)
        raise ValueError(f"start must hold weights {(h, d, c)}, got {came}")
    if tol is None:
        tol = 1e-6 if target.dtype == torch.float32 else 1e-8
    # Features of each head's own are fitted while they are in the cache.
    at_once = b if x.device.type != "cpu" else max(1, CACHE // (n * d * x.element_size()))

    over_heads = map_ if b == 1 else map  # else over blocks, and no thread waits for others twice
    room = threading.local()

    def fit(first: int, hint: Tensor | None) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
        seen = x[first : first + at_once]
        here = slice(first * h // b, (first + len(seen)) * h // b)
        numbers = torch.arange(h, device=x.device)[here]
        own = None if start is None else Heads(start.weight[here], start.bias[here])
        parts = seen, target[here], share[here], penalty[here], loss.of(numbers), own
        # A thread writes features where it wrote the last: fresh memory costs more than products.
        if not hasattr(room, "features"):
            room.features = x.new_empty(at_once, n, d + 1)
        return _solve(*parts, hint, tol, max_steps, room.features[: len(seen)], over_heads)

    # The first heads' solution is where all others start, so that no order of theirs matters.
    solved, hint = fit(0, None)
    rest = range(at_once, b, at_once)
    others = progress(map_(lambda first: fit(first, hint)[0], rest), of="heads", total=len(rest))
    found = [solved, *others]
    weight, bias, gradient = (torch.cat(parts) for parts in zip(*found, strict=True))
    if tol > 0 and (unsolved := int((~(gradient <= tol)).sum())) > 0:  # NaN is no solution
        message = f"{unsolved} of {h} heads stopped with a gradient of up to {gradient.max():.1e}"
        advice = f"above tol = {tol:.1e}, after {max_steps} steps: raise l2, tol or max_steps"
        warnings.warn(f"{message}, {advice}", ConvergenceWarning, stacklevel=3)
    weight[[*failed]], bias[[*failed]] = math.nan, math.nan
    return Heads(weight, bias, failed)


def _apart(x: Tensor, target: Tensor) -> bool:
    """Whether threads are for heads: there are enough, or products too small for two threads."""
    if not (isinstance(x, Tensor) and isinstance(target, Tensor) and x.device.type == "cpu"):
        return False
    if x.dim() < 2 or x.numel() == 0:
        return False
    own, several = x.dim() == 3 and len(x) > 1, len(target) > GROUP
    return own or several or x.numel() * len(target) < LARGE


@contextmanager
def _threads(apart: bool) -> Iterator[Callable[..., Iterable[Any]]]:
    """A map over heads: on torch's threads, each with one for its products, where that serves.

    Threads that share a product wait for each other, which takes longer than small products and,
    where other programs run, than large ones. The setting is each thread's own; of the process it
    is what threads that start meanwhile begin with.
    """
    allowed = torch.get_num_threads()
    if not apart or allowed == 1:
        yield map
        return
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(allowed, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool.map
    finally:
        torch.set_num_threads(allowed)


@torch.no_grad()  # said here, since each thread has its own setting
def _solve(
    x: Tensor,
    target: Tensor,
    share: Tensor,
    l2: Tensor,
    loss: LabelLoss,
    start: Heads | None,
    hint: Tensor | None,
    tol: float,
    max_steps: int,
    features: Tensor,
    map_: Callable[..., Iterable[Any]],
) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor]:
    """Weights (h, d, c), biases (h, 1, c), largest gradient entries (h,), and a hint for others."""
    (b, n, d), (h, _, c) = x.shape, target.shape
    center = x.mean(1, keepdim=True)  # centred features decouple the weights from the bias
    k = c if c > 2 else 1
    mass = target[..., c - k :].mT.view(b, -1, k, n)
    share = share.view(b, -1, 1, n)
    features[..., d:] = 1
    torch.sub(x, center, out=features[..., :d])
    problem = Problem(
        features,
        mass * share,
        share,
        torch.cat([l2[:, None].expand(h, d), l2.new_zeros(h, 1)], 1).view(b, -1, 1, d + 1),
        loss,
    )
    size = squares(features, share.mean(1).mT).amax().sqrt() if x.dtype == torch.float32 else 0
    if ROUGH * size > tol:
        # Single precision could not tell whether a head is solved.
        problem = problem.to(torch.float64)
    gradient = problem.x.new_full((b, h // b), math.inf)
    if start is not None:
        weight = start.weight.to(x).view(b, -1, d, c)
        bias = start.bias.to(x).view(b, -1, 1, c) + center[:, None] @ weight
        theta = torch.cat([weight, bias], 2).mT
        theta = (theta[:, :, 1:] - theta[:, :, :1] if k == 1 else theta).to(problem.x)
    elif tol > 0 and loss is cross_entropy:
        theta, gradient = approach(problem, hint, tol, max_steps, map_)
    else:
        theta = problem.x.new_zeros(b, h // b, k, d + 1)
    if not (gradient <= tol).all():
        lost = ~theta.isfinite().all(-1, keepdim=True).all(-2, keepdim=True)
        theta = theta.masked_fill(lost, 0.0)
        theta, gradient = descend(problem, theta, tol, max_steps)
    if problem.x.dtype != x.dtype:
        theta = theta.to(x.dtype)
        gradient = problem.gradient(theta.to(problem.x)).abs().amax((2, 3))  # of what is returned
    hint = theta.mean((0, 1), keepdim=True)
    if k == 1:
        theta = torch.cat([-theta / 2, theta / 2], 2)
    theta = theta.mT  # (b, m, d + 1, c)
    weight, bias = theta[..., :-1, :], theta[..., -1:, :] - center[:, None] @ theta[..., :-1, :]
    return (weight.reshape(h, d, c), bias.reshape(h, 1, c), gradient.flatten()), hint


def _check_labels(target: Tensor, share: Tensor) -> tuple[Tensor, dict[int, str]]:
    """Targets that every head can be fitted on, and what is wrong with those of which head.

    Raises:
        ValueError: if a target is no label distribution, or no head sees every class.
    """
    if target.shape[-1] < 2:
        got = f"{target.shape[-1]}: labels are integers, strings or booleans, floats a regression"
        raise ValueError(f"target needs at least 2 classes, got {got}")
    # Labels that all heads share are checked once.
    each = target[:1] if target.stride(0) == 0 else target
    if each.min() < 0 or (each.sum(-1) - 1).abs().max() > 1e-4:
        raise ValueError("target must hold label distributions: at least 0, summing to 1")
    if target.stride(0) == 0:
        empty = share @ target[0] <= 0
    else:
        empty = (share[:, None] @ target)[:, 0] <= 0  # (h, c)
    failed = {}
    for head in empty.any(-1).nonzero().flatten().tolist():
        classes = ", ".join(str(label) for label in empty[head].nonzero().flatten().tolist())
        failed[head] = f"its target shows it no example of class {classes}"
    if len(failed) == len(target):
        raise ValueError(f"target must show every class to a head, head 0 fails: {failed[0]}")
    if failed:
        target = target.clone()
        target[[*failed]] = 1 / target.shape[-1]
    return target, failed
