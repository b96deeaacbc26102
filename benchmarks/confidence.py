"""The whole (p, q) grid at once against one fit at a time, in one run.

Five p, four q and three penalties on twenty draws of a labelled pool: 1,200 heads. One at a time
means the same loss on the examples that are kept, with scikit-learn's LogisticRegression fitted
again and again to weights p^q, from zero until the weights stand still, which is how one would do
it by hand. A few of the fits are timed, before and after ours, spread over the grid; their time
for all of them is the mean times 1,200. Both are compared by the loss that they reach.

    python benchmarks/confidence.py        (about a minute on one core)
"""

from __future__ import annotations

from functools import partial
from itertools import product

import numpy as np
import torch
from common import fastest
from sklearn.linear_model import LogisticRegression

from w2s_tutorial.confidence.compare import FORGIVING, KEPT, PENALTIES, vanilla
from w2s_tutorial.confidence.retrain import retrain
from w2s_tutorial.confidence.selection import confidence, keep_top, labels_of
from w2s_tutorial.confidence.synthetic import two_places

HEADS, POOL, TIMED, TOL = 20, 1000, 24, 1e-5


def loss(x: np.ndarray, y: np.ndarray, w: np.ndarray, b: float, q: float, l2: float) -> float:
    """Mean generalised cross-entropy + l2 / 2 |w|^2, in float64."""
    log_p = -np.logaddexp(0, -(2 * y - 1) * (x @ w + b))
    each = -np.expm1(q * log_p) / q if q else -log_p
    return float(each.mean() + l2 / 2 * (w @ w))


def one_fit(x: np.ndarray, y: np.ndarray, q: float, l2: float) -> tuple[np.ndarray, float]:
    """Reweighted logistic regression, the majoriser solved anew in each round."""
    weight, theta = np.full(len(y), 0.5**q), np.zeros(x.shape[1] + 1)
    for _ in range(200):
        model = LogisticRegression(C=1 / (len(y) * l2), tol=TOL, max_iter=2000)
        model.fit(x, y, sample_weight=weight)
        new = np.append(model.coef_[0], model.intercept_[0])
        moved, theta = np.abs(new - theta).max(), new
        if q == 0 or moved < 1e-3:
            break
        weight = np.exp(-q * np.logaddexp(0, -(2 * y - 1) * (x @ theta[:-1] + theta[-1])))
    return theta[:-1], float(theta[-1])


def main() -> None:
    sets = two_places(
        sizes={"labeled": 200, "pool": POOL},
        minority={"labeled": 0.05, "pool": 0.5},
        heads=HEADS,
        seed=torch.Generator().manual_seed(0),
    )
    few, pool = sets["labeled"], sets["pool"]
    label = labels_of(vanilla(few.weak, few.target, torch.tensor([0.1]))(pool.weak)).double()
    x = pool.strong.double()
    score = confidence(vanilla(x, label, torch.tensor([0.1]))(x))
    grid = list(product(KEPT, FORGIVING, PENALTIES))
    p, q, l2 = torch.tensor(grid, dtype=torch.float64).unbind(1)
    cells = [(n % HEADS, (n * 37) % len(grid)) for n in range(TIMED)]

    def alone(chosen: list[tuple[int, int]]) -> list[tuple[float, float]]:
        found = []
        for draw, cell in chosen:
            share, forgiving, penalty = grid[cell]
            keep = keep_top(score[draw : draw + 1], share)[0]
            xs, ys = x[draw, keep].numpy(), label[draw, keep, 1].numpy()
            spent, _, (w, b) = fastest(partial(one_fit, xs, ys, forgiving, penalty))
            found.append((spent, loss(xs, ys, w, b, forgiving, penalty)))
        return found

    theirs = alone(cells[: TIMED // 2])
    ours, _, heads = fastest(partial(retrain, x, label, score, p=p, q=q, l2=l2, tol=TOL))
    theirs += alone(cells[TIMED // 2 :])

    reached = []
    for draw, cell in cells:
        share, forgiving, penalty = grid[cell]
        keep = keep_top(score[draw : draw + 1], share)[0]
        head = draw * len(grid) + cell
        w = (heads.weight[head, :, 1] - heads.weight[head, :, 0]).numpy()
        b = float(heads.bias[head, 0, 1] - heads.bias[head, 0, 0])
        xs, ys = x[draw, keep].numpy(), label[draw, keep, 1].numpy()
        reached.append(loss(xs, ys, w, b, forgiving, penalty))
    every = len(grid) * HEADS
    whole = every * float(np.mean([spent for spent, _ in theirs]))
    worse = max(mine - other for mine, (_, other) in zip(reached, theirs, strict=True))
    print(f"{every} heads, pool of {POOL}, {x.shape[-1]} features, float64, one thread or all")
    print(f"at once {ours:.1f} s, one at a time {whole:.0f} s: ratio {whole / ours:.0f}")
    print(f"our loss exceeds theirs by {worse:.1e} at most, over {TIMED} fits")


if __name__ == "__main__":
    main()
