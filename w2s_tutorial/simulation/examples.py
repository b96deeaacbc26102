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

Latent = Callable[[tuple[int, ...], torch.Generator], Tensor]  # (h, n, k) coordinates z


def gaussian(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    """Independent standard normal coordinates, which the theory assumes."""
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
    check_penalties(weak_penalty=weak_penalty, strong_penalty=strong_penalty)
    if on not in ("fresh", "pool"):
        raise ValueError(f"on must be 'fresh' or 'pool', got {on!r}")
    n, k = problem.n_labeled, len(problem.target)
    z = latent((trials, n + problem.n_pool, k), generator)
    label = z @ problem.target
    label = label + problem.noise**0.5 * gaussian(label.shape, generator)
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


def check_trials(trials: int) -> None:
    """Refuse fewer trials than one."""
    if trials < 1:
        raise ValueError(f"trials must be at least 1, got {trials}")


def check_penalties(**penalties: float) -> None:
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
        ask = (n * penalty) ** 0.5 * torch.eye(d, dtype=x.dtype)
        x = torch.cat([x, ask.expand(h, d, d)], 1)
        y = torch.cat([y, y.new_zeros(h, d, 1)], 1)
    weights = torch.linalg.lstsq(x, y, driver="gels").solution
    return weights[..., 0] @ factor.T
