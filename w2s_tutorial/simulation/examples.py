"""Weak-to-strong least squares by the book: draw examples, solve, measure.

The slow counterpart of `simulation.intrinsic`. It takes features of any distribution and ridge
penalties, which the fast one does not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor

from w2s_tutorial.problems import IntrinsicProblem, Risks
from w2s_tutorial.seeds import Seed, generator_of
from w2s_tutorial.simulation._common import check_trials

Latent = Callable[[tuple[int, ...], torch.Generator], Tensor]  # (h, n, k) coordinates z


def gaussian(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Independent standard normal coordinates on the CPU, which the theory assumes."""
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def resampled(coordinates: Tensor) -> Latent:
    """Draws, with replacement, from examples that are at hand: a latent for `simulate_examples`.

    Args:
        coordinates: (m, k), uncorrelated columns of mean 0 and variance 1.
    """

    def draw(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        return coordinates[torch.randint(len(coordinates), shape[:2], generator=generator)]

    return draw


def simulate_examples(
    problem: IntrinsicProblem,
    *,
    trials: int,
    seed: Seed,
    latent: Latent = gaussian,
    weak_penalty: float = 0.0,
    strong_penalty: float = 0.0,
    on: Literal["fresh", "pool"] = "fresh",
) -> Risks:
    """Excess risks in independent trials, (trials,) each, by drawing examples and solving.

    Each role minimises mean squared error + penalty * |weights|^2; with penalty 0 it takes the
    solution of least norm.

    Args:
        trials: number h of trials, all in memory at once.
        seed: integer or generator, consumed.
        latent: draws the coordinates z, (h, n, k), uncorrelated with mean 0 and variance 1.
        weak_penalty: of the weak model, at least 0.
        strong_penalty: of student, baseline and ceiling, at least 0.
        on: "fresh", the mean over all possible examples; or "pool", over the pool's examples.

    Raises:
        ValueError: if trials is below 1, a penalty is negative, or `on` is something else.
    """
    generator = generator_of(seed)
    check_trials(trials)
    _check_penalties(weak_penalty=weak_penalty, strong_penalty=strong_penalty)
    if on not in ("fresh", "pool"):
        raise ValueError(f"on must be 'fresh' or 'pool', got {on!r}")
    n, k = problem.n_labeled, len(problem.target)
    z = latent((trials, n + problem.n_pool, k), generator).to(problem.target.device)
    label = z @ problem.target
    label = label + problem.noise**0.5 * gaussian(label.shape, generator).to(label.device)
    labeled, pool = z[:, :n], z[:, n:]
    to_weak, to_strong = (b * v.sqrt() for b, v in (problem.weak_axes, problem.strong_axes))
    weak = _fit(labeled, to_weak, label[:, :n], weak_penalty)
    pseudolabel = (pool @ weak[..., None])[..., 0]
    models = (
        weak,
        _fit(pool, to_strong, pseudolabel, strong_penalty),
        _fit(labeled, to_strong, label[:, :n], strong_penalty),
        _fit(z, to_strong, label, strong_penalty),
    )
    errors = [model - problem.target for model in models]
    if on == "fresh":
        return Risks(*(error.square().sum(1) for error in errors))
    return Risks(*((pool @ error[..., None]).square().mean((1, 2)) for error in errors))


def simulate_averaged(
    problem: IntrinsicProblem,
    *,
    trials: int,
    seed: Seed,
    latent: Latent = gaussian,
    weak_penalty: float = 0.0,
    strong_penalty: float = 0.0,
) -> tuple[Risks, Risks]:
    """Excess risks on fresh examples with the label noise averaged exactly, in two parts.

    Least squares is linear in its labels. So a role's risk, averaged over label noise, is
    a + noise * b, where a and b depend on the drawn examples alone: one trial serves every noise
    level, and nothing scatters that need not. The fits are those of `simulate_examples`, but need
    more examples than features where the penalty is 0. They solve normal equations, which square
    the features' condition number.

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
    _check_penalties(weak_penalty=weak_penalty, strong_penalty=strong_penalty)
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
        shape = min(batch, trials - done), total, len(problem.target)
        z = latent(shape, generator).to(problem.target.device)
        weak, strong, label = z @ weak_map, z @ strong_map, (z @ problem.target)[..., None]
        pool = strong[:, n:]
        taught, taught_noise = _fit_averaged(weak[:, :n], label[:, :n], weak_penalty)
        repeat, _ = _fit_averaged(
            pool, weak[:, n:], strong_penalty
        )  # the student of each weak weight
        models = [
            (weak_map, taught, taught_noise),
            (strong_map, repeat @ taught, repeat @ taught_noise @ repeat.mT),
            (strong_map, *_fit_averaged(strong[:, :n], label[:, :n], strong_penalty)),
            (strong_map, *_fit_averaged(strong, label, strong_penalty)),
        ]
        parts.append([_risk(problem.target, *model) for model in models])
    first, second = (
        Risks(*(torch.cat([trial[i][part] for trial in parts]) for i in range(4)))
        for part in (0, 1)
    )
    return first, second


def _check_penalties(**penalties: float) -> None:
    """Refuse a penalty, by its name, that is below 0."""
    for name, value in penalties.items():
        if not value >= 0:
            raise ValueError(f"{name} must be at least 0, got {value}")


def _fit(z: Tensor, factor: Tensor, label: Tensor, penalty: float) -> Tensor:
    """Coefficients (h, k) of z that ridge regression of label (h, n) on z @ factor finds."""
    x, y = z @ factor, label[..., None]
    h, n, d = x.shape
    if penalty > 0:
        # Extra examples that ask for weight 0 are the penalty, without squaring x.
        ask = (n * penalty) ** 0.5 * torch.eye(d, dtype=x.dtype, device=x.device)
        x = torch.cat([x, ask.expand(h, d, d)], 1)
        y = torch.cat([y, y.new_zeros(h, d, 1)], 1)
    weights = torch.linalg.lstsq(x, y, driver="gels").solution
    return weights[..., 0] @ factor.T


def _fit_averaged(x: Tensor, y: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Ridge weights (h, d, c) of y (h, n, c) on x, and their covariance (h, d, d) at noise 1."""
    gram = x.mT @ x
    identity = torch.eye(x.shape[-1], dtype=x.dtype, device=x.device)
    factor = torch.linalg.cholesky(gram + x.shape[-2] * penalty * identity)
    inverse = torch.cholesky_inverse(factor)
    return inverse @ (x.mT @ y), inverse @ gram @ inverse


def _risk(target: Tensor, view: Tensor, weights: Tensor, covariance: Tensor) -> list[Tensor]:
    """Squared distance to the target (h,), and the mean of what noise of variance 1 adds."""
    error = (view @ weights)[..., 0] - target
    return [error.square().sum(-1), ((view.T @ view) * covariance).sum((1, 2))]
