"""256 logistic heads at once against scikit-learn's one at a time, in one run.

Each head has its own random half of n = 4,000 examples with d = 512 features. Both are driven to
the same gradient: ours stops at `TOL`, scikit-learn's lbfgs is given the same number, and the
gradient that each one really reached is measured afterwards, in float64. scikit-learn fits a few
of the heads, before and after ours; its time for all of them is the median times 256.

    python benchmarks/heads.py
"""

from __future__ import annotations

import time

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from w2s_tutorial.heads.logistic import fit_logistic

HEADS, EXAMPLES, FEATURES, TIMED, TOL = 256, 4000, 512, 6, 1e-6


def problem(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Features with a decaying spectrum, noisy labels, and each head's half of the examples."""
    scale = torch.arange(1, FEATURES + 1, dtype=torch.float64) ** -0.25
    x = scale * torch.randn(EXAMPLES, FEATURES, generator=generator, dtype=torch.float64)
    truth = torch.randn(FEATURES, generator=generator, dtype=torch.float64) / 4
    noise = torch.rand(EXAMPLES, generator=generator, dtype=torch.float64).logit()
    label = (x @ truth + noise > 0).long()
    order = torch.rand(HEADS, EXAMPLES, generator=generator).argsort(-1)
    return x, label, order < EXAMPLES // 2


def gradient(x: np.ndarray, y: np.ndarray, weight: np.ndarray, bias: float, l2: float) -> float:
    """Largest gradient entry of mean cross-entropy + l2 / 2 * |weight|^2."""
    residual = 1 / (1 + np.exp(-(x @ weight + bias))) - y
    return max(np.abs(x.T @ residual / len(y) + l2 * weight).max(), abs(residual.mean()))


def compare(c: float, dtype: torch.dtype) -> str:
    """One line of the table: penalty 1 / c as scikit-learn counts it."""
    x, label, keep = problem(torch.Generator().manual_seed(0))
    x, l2 = x.to(dtype), 1 / (c * (EXAMPLES // 2))
    target = torch.nn.functional.one_hot(label, 2).to(dtype).expand(HEADS, -1, -1)
    one_by_one, reached, rival = [], [], []

    def scikit_learn(heads: range) -> None:
        for head in heads:
            xi, yi = x[keep[head]].numpy(), label[keep[head]].numpy()
            start = time.perf_counter()
            model = LogisticRegression(C=c, tol=TOL, max_iter=10_000).fit(xi, yi)
            one_by_one.append(time.perf_counter() - start)
            fit = model.coef_[0].astype(float), float(model.intercept_[0])
            rival.append(gradient(xi.astype(float), yi, *fit, l2))

    scikit_learn(range(TIMED // 2))
    start = time.perf_counter()
    heads = fit_logistic(x, target, l2=l2, example_weight=keep, tol=TOL)
    ours = time.perf_counter() - start
    scikit_learn(range(TIMED // 2, TIMED))

    for head in range(TIMED):
        weight = (heads.weight[head, :, 1] - heads.weight[head, :, 0]).double().numpy()
        bias = float(heads.bias[head, 0, 1] - heads.bias[head, 0, 0])
        mask = keep[head]
        reached.append(gradient(x[mask].double().numpy(), label[mask].numpy(), weight, bias, l2))
    theirs = HEADS * float(np.median(one_by_one))
    name = str(dtype).removeprefix("torch.")
    return (
        f"{name:8} {c:6g} {ours:8.2f} {theirs:12.1f} {theirs / ours:8.0f}x"
        f" {max(reached):11.1e} {max(rival):14.1e}"
    )


def main() -> None:
    threads = torch.get_num_threads()
    print(f"{HEADS} heads, n = {EXAMPLES} (half each), d = {FEATURES}, {threads} threads")
    print("dtype         C  ours (s)  scikit (s)    ratio  gradient    scikit's")
    for dtype in (torch.float64, torch.float32):
        for c in (0.1, 1.0, 10.0):
            print(compare(c, dtype), flush=True)
    print("Limit: matrix products. Heads share x, so each pays for all rows, its own half or not.")


if __name__ == "__main__":
    main()
