"""Simulated risks of weak-to-strong least squares with spurious group features.

Only examples are drawn. Risk is a quadratic form in the label noise, whose mean over the noise is
a trace, and in the test example, whose mean is its second moment: a trial scatters as much as its
examples make it and no more.
"""

from __future__ import annotations

import torch
from torch import Tensor

from w2s_tutorial.problems import Risks
from w2s_tutorial.spurious_problem import SpuriousProblem

_ROWS = 4096  # examples at a time: features of more leave the processor's cache


def simulate(problem: SpuriousProblem, *, trials: int, generator: torch.Generator) -> Risks:
    """Mean excess risks over label noise and test examples, exact for the examples drawn.

    One labelled set per trial and value of minority_labeled, one pool per value of minority_pool;
    settings that share a value share its examples, and all settings share none across trials.

    Args:
        trials: number h of trials, at least 1.
        generator: consumed.

    Returns:
        Each role (h, ...), the shape of the problem's shares behind the trials.

    Raises:
        ValueError: if trials is below 1.
    """
    if trials < 1:
        raise ValueError(f"trials must be at least 1, got {trials}")
    drawn = [_trial(problem, generator) for _ in range(trials)]
    return Risks(*(problem.noise * torch.stack(role) for role in zip(*drawn, strict=True)))


def _trial(problem: SpuriousProblem, generator: torch.Generator) -> tuple[Tensor, ...]:
    labeled, pool, test = problem.shares
    views = problem.weak, problem.strong
    c_weak, c_strong = (_second_moments(problem, view, test) for view in views)
    weak_covariance, baseline = [], []
    for share in labeled.flatten():
        weak, strong = _grams(problem, share, problem.n_labeled, generator, ("ww", "ss"))
        weak_covariance.append(torch.cholesky_inverse(torch.linalg.cholesky(weak)))
        baseline.append(...)
