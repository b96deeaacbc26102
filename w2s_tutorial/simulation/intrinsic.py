"""Weak-to-strong least squares on Gaussian features, simulated exactly.

`simulate` draws what the four fits depend on instead of the examples. For n examples of q
independent standard normal features, Z = Q T' with T lower triangular, its entries independent:
normal below the diagonal, and on it the root of a chi-square with n, n−1, ... degrees of freedom
(Bartlett 1933). Least squares needs T and Q' y, and Q' applied to anything independent of Z is
normal. So a trial costs the same for any number of examples.

`examples.simulate_examples` draws the examples and solves: slower, with more freedom.
"""

from __future__ import annotations

import torch
from torch import Tensor

from w2s_tutorial.problems import IntrinsicProblem, Risks
from w2s_tutorial.seeds import Seed, generator_of
from w2s_tutorial.simulation._common import check_trials
from w2s_tutorial.simulation.examples import gaussian


def simulate(problem: IntrinsicProblem, *, trials: int, seed: Seed) -> Risks:
    """Excess risks on fresh examples in independent trials, (trials,) each: exact in distribution.

    The four are drawn jointly: weak model and baseline share the labelled examples, student and
    ceiling the pool, and the ceiling sees both.

    Args:
        trials: number h of trials, at least 1.
        seed: integer or generator, consumed.

    Raises:
        ValueError: if trials is below 1, or a sample is too small for a finite mean risk.
    """
    generator = generator_of(seed)
    check_trials(trials)
    problem.require_finite_risk()
    # A triangle is at most this wide, and a batch of them should fit into a processor's cache.
    batch = max(1, 10**6 // (problem.d_weak + problem.d_strong) ** 2)
    sizes = [min(batch, trials - done) for done in range(0, trials, batch)]
    parts = [_simulate(problem, size, generator) for size in sizes]
    return Risks(*(torch.cat(role) for role in zip(*parts, strict=True)))


def _simulate(problem: IntrinsicProblem, trials: int, generator: torch.Generator) -> Risks:
    target, d_weak, d_strong = problem.target, problem.d_weak, problem.d_strong
    weak, strong, cosines = _principal_bases(problem)
    paired = len(cosines)

    # Axes of both views together: the weak ones, then what each strong one adds to its partner.
    added = strong.clone()
    added[:, :paired] -= weak[:, :paired] * cosines
    sines = torch.linalg.vector_norm(added, dim=0)
    adds = sines > 1e-7
    axes = torch.cat([weak, added[:, adds] / sines[adds]], 1)

    in_weak, in_strong, in_axes = (basis.T @ target for basis in (weak, strong, axes))
    miss_weak, miss_strong, miss_axes = (
        (target.square().sum() - part.square().sum()).clamp(min=0.0)
        for part in (in_weak, in_strong, in_axes)
    )

    # Labelled examples, seen through Q': the design is `rows`, the labels are `label`.
    place = target.device
    rows = _triangle(problem.n_labeled, axes.shape[1], trials, generator).to(place).mT
    label = rows @ in_axes
    label = label + (problem.noise + miss_axes).sqrt() * gaussian(label.shape, generator).to(place)
    fitted_weak = _solve_upper(rows[:, :d_weak, :d_weak], label[:, :d_weak])
    design = rows.new_zeros(trials, rows.shape[1], d_strong)
    design[..., :paired] = rows[..., :paired] * cosines
    design[..., adds] += rows[..., d_weak:] * sines[adds]
    gram, moment = design.mT @ design, (label[:, None] @ design)[:, 0]

    # Pool. Given the student's features, what it cannot express of the lesson and what the
    # ceiling cannot express of the labels are two correlated normal noises.
    pool = _triangle(problem.n_pool, d_strong, trials, generator).to(place)
    lesson = torch.nn.functional.pad(cosines * fitted_weak[:, :paired], (0, d_strong - paired))
    unseen = (fitted_weak.square().sum(1) - lesson.square().sum(1)).clamp(min=0.0)
    common = fitted_weak @ (in_weak - weak.T @ (strong @ in_strong))
    label_noise = problem.noise + miss_strong
    true_noise, other = (gaussian((trials, d_strong), generator).to(place) for _ in range(2))
    rest = (unseen - common.square() / label_noise).clamp(min=0.0).sqrt()
    lesson_noise = (common / label_noise.sqrt())[:, None] * true_noise + rest[:, None] * other
    student = lesson + _solve_upper(pool.mT, lesson_noise)

    pool_label = (in_strong[None, None] @ pool)[:, 0] + label_noise.sqrt() * true_noise
    all_moments = moment + (pool_label[:, None] @ pool.mT)[:, 0]
    baseline = _solve_gram(gram, moment)
    ceiling = _solve_gram(gram + pool @ pool.mT, all_moments)
    return Risks(
        miss_weak + (fitted_weak - in_weak).square().sum(1),
        *(miss_strong + (w - in_strong).square().sum(1) for w in (student, baseline, ceiling)),
    )


def _principal_bases(problem: IntrinsicProblem) -> tuple[Tensor, Tensor, Tensor]:
    """Bases (k, d_weak), (k, d_strong) in which only partners overlap, by the cosines returned."""
    weak, strong = problem.weak_axes[0], problem.strong_axes[0]
    left, cosines, right = torch.linalg.svd(weak.T @ strong)
    return weak @ left, strong @ right.T, cosines.clamp(max=1.0)


def _triangle(n: int, q: int, trials: int, generator: torch.Generator) -> Tensor:
    """T (trials, q, min(n, q)), lower triangular, with T T' distributed as Wishart(n, identity)."""
    width = min(n, q)
    triangle = torch.zeros(trials, q, width, dtype=torch.float64)
    row, column = torch.tril_indices(q, width, -1)
    triangle[:, row, column] = gaussian((trials, len(row)), generator)
    freedom = n - torch.arange(width, dtype=torch.float64)
    # torch.distributions draws a gamma from this very function, but takes no generator.
    half_chi2 = torch._standard_gamma((freedom / 2).expand(trials, width), generator=generator)
    triangle.diagonal(dim1=-2, dim2=-1).copy_((2 * half_chi2).sqrt())
    return triangle


def _solve_upper(matrix: Tensor, v: Tensor) -> Tensor:
    return torch.linalg.solve_triangular(matrix, v[..., None], upper=True)[..., 0]


def _solve_gram(gram: Tensor, moment: Tensor) -> Tensor:
    return torch.cholesky_solve(moment[..., None], torch.linalg.cholesky(gram))[..., 0]
