"""Logistic heads against scikit-learn at its best, to the same gradient, in one run.

Heads with features of their own, (n, d) each; 256 heads on shared features, n = 4,000, where each
keeps its own half of the examples or has its own labels; one head on many examples, and 1,000
heads at once. scikit-learn fits a few of the heads in three ways: with one BLAS thread, with all,
and by joblib over heads with one thread each; the fastest is the rival, and named. Ours and its
runs alternate; of the rounds' ratios the least, the median and the largest are printed. Both are
driven to the same gradient, and the one that is reached is measured afterwards in float64. On a
GPU ours run there, and scikit-learn on the processor beside it.

    python benchmarks/heads.py
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from w2s_tutorial import FAST, device
from w2s_tutorial.heads import fit_logistic
from w2s_tutorial.heads._newton import Problem

OWN = ((60, 4),) if FAST else ((500, 4), (500, 100), (1500, 64), (4000, 100))
TIMED, ROUNDS, L2 = 2 if FAST else 8, 1 if FAST else 3, 0.01
MANY, WIDTHS = (4, 80), (6,)  # heads, and examples of which they see half
if not FAST:
    MANY, WIDTHS = (256, 4000), (512, 100)
LARGE = (400, 8) if FAST else (200_000, 200)
Case = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]


def own(n: int, d: int, dtype: torch.dtype, h: int = 24) -> Case:
    """Features of each head's own, half of them 0 or 1, and noisy labels."""
    g = torch.Generator().manual_seed(3)
    x = torch.randn(h, n, d, generator=g, dtype=torch.float64)
    x[..., : d // 2] = (x[..., : d // 2] > 1).double()
    truth = 2 * torch.randn(d, generator=g, dtype=torch.float64) / d**0.5
    label = x @ truth + 0.5 * torch.randn(h, n, generator=g, dtype=torch.float64) > 0
    return x.to(dtype), torch.nn.functional.one_hot(label.long(), 2), None


def shared(d: int, dtype: torch.dtype, halves: bool, h: int = MANY[0]) -> Case:
    """Features with a decaying spectrum; own halves of one set of labels, or own labels."""
    n = MANY[1]
    g = torch.Generator().manual_seed(0)
    scale = torch.arange(1, d + 1, dtype=torch.float64) ** -0.25
    x = scale * torch.randn(n, d, generator=g, dtype=torch.float64)
    truth = torch.randn(d, generator=g, dtype=torch.float64) / 4
    noise = torch.rand(1 if halves else h, n, generator=g, dtype=torch.float64).logit()
    target = torch.nn.functional.one_hot((x @ truth + noise > 0).long(), 2).expand(h, n, 2)
    keep = torch.rand(h, n, generator=g).argsort(-1) < n // 2 if halves else None
    return x.to(dtype), target, keep


def one(x: np.ndarray, y: np.ndarray, l2: float, tol: float) -> tuple[np.ndarray, float]:
    model = LogisticRegression(C=1 / (len(x) * l2), tol=tol, max_iter=10_000).fit(x, y)
    return model.coef_[0].astype(float), float(model.intercept_[0])


def gradient(x: np.ndarray, y: np.ndarray, weight: np.ndarray, bias: float, l2: float) -> float:
    """Largest gradient entry of mean cross-entropy + l2 / 2 * |weight|^2."""
    residual = 1 / (1 + np.exp(-(x @ weight + bias))) - y
    return max(np.abs(x.T @ residual / len(y) + l2 * weight).max(), abs(residual.mean()))


def timed(action: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    found = action()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - start, found


def compare(name: str, case: Case, l2: float, tol: float) -> str:
    """One line: seconds of all heads, ratio to the best rival, gradients, and products used."""
    x, target, keep = case
    h, (n, d) = len(target), x.shape[-2:]
    data = []
    for i in range(min(TIMED, h)):
        rows = slice(None) if keep is None else keep[i]
        seen = x if x.dim() == 2 else x[i]
        data.append((seen[rows].numpy(), target[i].argmax(-1)[rows].numpy()))

    def in_turn() -> list[tuple[np.ndarray, float]]:
        return [one(*pair, l2, tol) for pair in data]

    def limited() -> list[tuple[np.ndarray, float]]:
        with threadpool_limits(1):
            return in_turn()

    def side_by_side() -> list[tuple[np.ndarray, float]]:
        with threadpool_limits(1):
            jobs = (delayed(one)(*pair, l2, tol) for pair in data)
            return Parallel(n_jobs=os.cpu_count(), prefer="threads")(jobs)

    rivals = {"one thread": limited, "all threads": in_turn, "joblib": side_by_side}
    ours, theirs = [], dict[str, list[float]]((way, []) for way in rivals)
    here = device()
    there = [None if part is None else part.to(here) for part in (x, target, keep)]
    fit = partial(fit_logistic, *there[:2], l2=l2, example_weight=there[2], tol=tol)
    products, plain = [0.0], Problem.outputs

    def counted(problem: Problem, theta: torch.Tensor) -> torch.Tensor:
        products[0] += 2.0 * problem.x.shape[-2] * theta.numel()
        return plain(problem, theta)

    Problem.outputs = counted  # type: ignore[method-assign]
    fit()
    Problem.outputs = plain  # type: ignore[method-assign]
    for _ in range(ROUNDS):
        spent, heads = timed(fit)
        ours.append(spent)
        for way, run in rivals.items():
            spent, found = timed(run)
            theirs[way].append(spent)
    reached = []
    for i, (xi, yi) in enumerate(data):
        weight = (heads.weight[i, :, 1] - heads.weight[i, :, 0]).double()
        weight, bias = weight.cpu().numpy(), float(heads.bias[i, 0, 1] - heads.bias[i, 0, 0])
        fits = ((weight, bias), found[i])
        reached.append([gradient(xi.astype(float), yi, *f, l2) for f in fits])
    way = min(theirs, key=lambda name: min(theirs[name]))
    times = np.array(theirs[way]) * h / len(data)
    ratio, seconds, worst = np.sort(times / ours), min(ours), np.max(reached, 0)
    # Each product with the features has its partner, the gradient's.
    pairs, used = products[0] / (2 * h * n * d), 2 * products[0] / seconds / rate(x.dtype)
    return (
        f"{name:24} {str(x.dtype)[6:]:8} {seconds:7.3f} {times.min():8.3f}"
        f" {ratio[0]:5.1f} {np.median(ratio):5.1f} {ratio[-1]:5.1f} {way:12}"
        f" {worst[0]:8.0e} {worst[1]:8.0e} {pairs:6.1f} {used:5.0%}"
    )


def rate(dtype: torch.dtype) -> float:
    """Operations a second of a square product here, the most a fit could use."""
    side = 128 if FAST else 1024
    a = torch.randn(side, side, dtype=dtype).to(device())
    a @ a
    return 2 * side**3 / min(timed(lambda: a @ a)[0] for _ in range(5))


def main() -> None:
    print(
        f"ours on {device()}, {torch.get_num_threads()} threads; seconds for all heads, the best of"
        f" {ROUNDS} runs"
    )
    print(
        f"{'heads':24} {'dtype':8} {'ours':>7} {'rival':>8} {'ratio':>17} {'rival is':12}"
        f" {'gradient':>8} {'rival':>8} {'pairs':>6} {'rate':>5}"
    )
    for dtype, tol in ((torch.float64, 1e-8), (torch.float32, 1e-6)):
        for n, d in OWN:
            print(compare(f"24 own, {n} x {d}", own(n, d, dtype), L2, tol), flush=True)
    for d in WIDTHS:
        for halves, kind in ((True, "halves"), (False, "labels")):
            for dtype in (torch.float64, torch.float32):
                l2 = (2 if halves else 1) / MANY[1]
                case = shared(d, dtype, halves)
                print(compare(f"{MANY[0]} own {kind}, d = {d}", case, l2, 1e-6), flush=True)
    n, d = LARGE
    print(compare(f"1, {n:,} x {d}", own(n, d, torch.float64, 1), 1e-3, 1e-6))
    h, d = 4 * MANY[0], WIDTHS[0]
    x, target = (part.to(device()) for part in shared(d, torch.float32, False, h=h)[:2])
    fit = partial(fit_logistic, x, target, l2=1 / MANY[1], tol=1e-6)
    low, middle, high = sorted(timed(fit)[0] for _ in range(3))
    print(f"{h:,} heads on {MANY[1]:,} x {d}, float32: {low:.2f} {middle:.2f} {high:.2f} seconds")
    print(
        "pairs: of products with the features, a head; rate: roofline, share of a square product's."
    )


if __name__ == "__main__":
    main()
