"""Problems that several tests of the intrinsic-dimension theory share."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import inf

import torch
from assertions import assert_agrees

from w2s_tutorial.problems import IntrinsicProblem

z_score = partial(assert_agrees, sigmas=inf)


def small_problem(n_labeled=40, n_pool=60, d_shared=(1.0, 0.9, 0.6, 0.3), noise=1.0, **more):
    return IntrinsicProblem.aligned(
        n_labeled=n_labeled,
        n_pool=n_pool,
        d_weak=12,
        d_strong=8,
        d_shared=d_shared,
        noise=noise,
        **more,
    )


def with_target(given, size):
    """A target in general position, so that every term of the bias is there."""
    generator = torch.Generator().manual_seed(7)
    direction = torch.randn(given.target.shape, generator=generator, dtype=torch.float64)
    return replace(given, target=size * direction / direction.norm())


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=generator(seed), dtype=torch.float64)


def views(m, d_weak, d_strong, cosines, *, seed=0):
    """Gaussian views (m, d_weak), (m, d_strong) with these canonical correlations."""
    weak, strong = normal(m, d_weak, seed=seed), normal(m, d_strong, seed=seed + 10_000)
    for i, c in enumerate(cosines):
        strong[:, i] = c * weak[:, i] + (1 - c**2) ** 0.5 * strong[:, i]
    return weak, strong
