"""Weak-to-strong least squares on drawn examples, the label noise averaged exactly.

Least squares is linear in its labels. So a role's risk, averaged over label noise, is
a + noise * b, where a and b depend on the drawn examples alone: one trial serves every noise
level, and nothing scatters that need not.
"""

from __future__ import annotations

import torch
from torch import Tensor

from w2s_tutorial.problems import IntrinsicProblem, Risks
from w2s_tutorial.seeds import Seed, generator_of
from w2s_tutorial.simulation.examples import Latent, check_penalties, check_trials, gaussian


def simulate_averaged(
    problem: IntrinsicProblem,
    *,
    trials: int,
    seed: Seed,
    latent: Latent = gaussian,
    weak_penalty: float = 0.0,
    strong_penalty: float = 0.0,
) -> tuple[Risks, Risks]:
    """Excess risks on fresh examples in independent trials, in two parts of (trials,) each.

    The fits are those of `examples.simulate_examples`, but need more examples than features where
    the penalty is 0. They solve normal equations, which square the features' condition number.

    Args:
        problem: its noise is not used.
        trials: number h of trials, a few in memory at once.
        seed: integer or generator, consumed.
        latent: draws the coordinates z, (h, n, k), uncorrelated with mean 0 and variance 1.
        weak_penalty: of the weak model, at least 0.
        strong_penalty: of student, baseline and ceiling, at least 0.

    Returns:
        (a, b): the risk at label noise of variance s is a + s * b.

    Raises:
        ValueError: if trials is below 1, a penalty is negative, or a fit without a penalty has no
            more examples than features.
    """
    generator = generator_of(seed)
    check_trials(trials)
    check_penalties(weak_penalty=weak_penalty, strong_penalty=strong_penalty)
    n, total = problem.n_labeled, problem.n_labeled + problem.n_pool
    for name, given, d, penalty in (
        ("n_labeled", n, problem.d_weak, weak_penalty),
        ("n_labeled", n, problem.d_strong, strong_penalty),
        ("n_pool", problem.n_pool, problem.d_strong, strong_penalty),
    ):
        if penalty == 0 and given <= d:
            raise ValueError(f"{name} must exceed {d}, the features, without a penalty")
    weak_map, strong_map = (b * v.sqrt() for b, v in (problem.weak_axes, problem.strong_axes))
    batch = max(1, 10**7 // (total * len(problem.target)))
    parts = []
    for done in range(0, trials, batch):
        z = latent((min(batch, trials - done), total, len(problem.target)), generator)
        weak, strong, label = z @ weak_map, z @ strong_map, (z @ problem.target)[..., None]
        pool = strong[:, n:]
        taught, taught_noise = _fit(weak[:, :n], label[:, :n], weak_penalty)
        repeat, _ = _fit(pool, weak[:, n:], strong_penalty)  # the student of each weak weight
        models = [
            (weak_map, taught, taught_noise),
            (strong_map, repeat @ taught, repeat @ taught_noise @ repeat.mT),
            (strong_map, *_fit(strong[:, :n], label[:, :n], strong_penalty)),
            (strong_map, *_fit(strong, label, strong_penalty)),
        ]
        parts.append([_risk(problem.target, *model) for model in models])
    first, second = (
        Risks(*(torch.cat([trial[i][part] for trial in parts]) for i in range(4)))
        for part in (0, 1)
    )
    return first, second


def _fit(x: Tensor, y: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Ridge weights (h, d, c) of y (h, n, c) on x, and their covariance (h, d, d) at noise 1."""
    gram, identity = x.mT @ x, torch.eye(x.shape[-1], dtype=x.dtype)
    factor = torch.linalg.cholesky(gram + x.shape[-2] * penalty * identity)
    inverse = torch.cholesky_inverse(factor)
    return inverse @ (x.mT @ y), inverse @ gram @ inverse


def _risk(target: Tensor, view: Tensor, weights: Tensor, covariance: Tensor) -> list[Tensor]:
    """Squared distance to the target (h,), and the mean of what noise of variance 1 adds."""
    error = (view @ weights)[..., 0] - target
    return [error.square().sum(-1), ((view.T @ view) * covariance).sum((1, 2))]
