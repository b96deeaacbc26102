"""Risks of weak-to-strong least squares with spurious group features, when data are plentiful.

Liu, Dong, Lei: "Does weak-to-strong generalization happen under spurious correlations?",
ICLR 2026, arXiv 2509.24005. `spurious` holds the same risks for data in proportion.

| here                             | paper          |                                            |
| -------------------------------- | -------------- | ------------------------------------------ |
| d_core / n_labeled, / n_pool     | γ_z, ν_z       | core dimensions per example                |
| p_weak, p_strong, p_shared       | p_T, p_S, p_T∧S | entries of w, of ψ, and 1 + ‖Ξ‖²          |
| shift_weak, shift_strong         | μ_T/σ_ξ, μ_S/σ_ξ | how far apart each model sees the groups |
| overlap                          | Ξ              | cosines between the group features         |
| minority_labeled, _pool, _test   | η_ℓ, η_u, η_t  | share of the minority                      |
| noise                            | σ_y²           | variance of the label noise                |

All risks are mean squared distances to the noiseless label. `published_*` functions are the
paper's theorem, quoted from notes on it; all others are derived here. The theorem's terms are
those of the reading "mean" (see SpuriousProblem), whatever the problem's own reading.
"""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from w2s_tutorial.problems import Risks, SpuriousProblem


def published_risks(problem: SpuriousProblem) -> Risks:
    """The paper's theorem: asymptotic, and of leading order in d_core per example.

    Low by about p_weak γ_z of itself for the weak model. The student's Θ(ν_z) is `theta`. Baseline
    and ceiling: the theorem's form of the weak model, with the student's features and, for the
    ceiling, the pool; derived here.
    """
    labeled, pool, test = problem.shares
    per_label = problem.noise * problem.d_core / problem.n_labeled
    per_pool = problem.noise * problem.d_core / problem.n_pool
    weak_separation = problem.shift_weak.square().sum()
    strong_separation = problem.shift_strong.square().sum()
    moved = (pool - labeled)[..., None] * problem.shift_weak
    moved = moved + (test - pool)[..., None] * (problem.overlap @ problem.shift_strong)
    student = problem.p_shared + moved.square().sum(-1) + _theta(problem)
    return _broadcast(
        per_label * (problem.p_weak + (test - labeled).square() * weak_separation),
        per_label * student,
        per_label * (problem.p_strong + (test - labeled).square() * strong_separation),
        per_pool * (problem.p_strong + (test - pool).square() * strong_separation),
    )


def _theta(problem: SpuriousProblem) -> Tensor:
    """What the theorem calls Θ(ν_z), of first order in ν_z: derived here, reading "mean".

    ν_z (p_T − p_T∧S) (p_S + (η_t − η_u)² ‖μ_S‖²/σ_ξ²): the weak model's noise in directions that
    the student cannot see, of which a pool of finite size lets some through.
    """
    _, pool, test = problem.shares
    separation = problem.shift_strong.square().sum()
    seen = problem.p_strong + (test - pool).square() * separation
    return problem.d_core / problem.n_pool * (problem.p_weak - problem.p_shared) * seen


def leading_order_risks(problem: SpuriousProblem) -> Risks:
    """First order in γ_z, and in an endless pool, for the problem's own reading: derived here.

    With C(η) the second moment of a view at share η and P the best linear map from ψ to w on the
    pool: σ_y² γ_z tr(C_w(η_ℓ)⁻¹ C_w(η_t)) for the weak model, σ_y² γ_z tr(C_w(η_ℓ)⁻¹ P C_ψ(η_t) Pᵀ)
    for the student. Holds for any distribution of ξ with these second moments. The ceiling's pool
    is not endless: first order in ν_z.
    """
    labeled, pool, test = (_second_moment(problem, share) for share in problem.shares)
    per_label = problem.noise * problem.d_core / problem.n_labeled
    per_pool = problem.noise * problem.d_core / problem.n_pool
    w, psi = (_with_constant(view) for view in (problem.weak, problem.strong))
    w_labeled, psi_test = w.T @ labeled @ w, psi.T @ test @ psi
    to_weak = torch.linalg.solve(psi.T @ pool @ psi, psi.T @ pool @ w)  # P', (..., p_S, p_T)
    return _broadcast(
        per_label * _trace_of_ratio(w_labeled, w.T @ test @ w),
        per_label * _trace_of_ratio(w_labeled, to_weak.mT @ psi_test @ to_weak),
        per_label * _trace_of_ratio(psi.T @ labeled @ psi, psi_test),
        per_pool * _trace_of_ratio(psi.T @ pool @ psi, psi_test),
    )


def best_minority_pool(problem: SpuriousProblem) -> Tensor:
    """The share of the pool in [0, 1/2] at which `published_risks` is lowest for the student.

    Exact for that formula, derived here. For an endless pool it is
    (μ_T − Ξμ_S)·(η_ℓ μ_T − η_t Ξμ_S)/‖μ_T − Ξμ_S‖²: η_ℓ if the student sees no shift. NaN if no
    share is better than another.
    """
    labeled, _, test = problem.shares
    weak_shift = problem.shift_weak
    carried = problem.overlap @ problem.shift_strong
    apart = weak_shift - carried
    # The student's risk is |pool * apart - wanted|^2 + through * (test - pool)^2.
    wanted = labeled[..., None] * weak_shift - test[..., None] * carried
    through = problem.shift_strong.square().sum() * (problem.p_weak - problem.p_shared)
    through = through * problem.d_core / problem.n_pool
    curvature = apart.square().sum() + through
    best = ((wanted * apart).sum(-1) + through * test) / curvature
    return best.clamp(0.0, 0.5)


def failure_separation(problem: SpuriousProblem) -> Tensor:
    """Group separation ‖μ_T‖²/σ_ξ² above which the student is no better than its teacher.

    The shift grows, its direction stays. Exact for `published_risks`, derived here; infinite if
    the student wins at every separation. With an endless pool, Ξ = 0, a balanced test and
    η_ℓ = .4, η_u = .1 it is the paper's 12.5 (p_T − 1).

    Raises:
        ValueError: if the weak model sees no shift.
    """
    separation = problem.shift_weak.square().sum()
    if separation == 0:
        raise ValueError("shift must have a part that the weak model sees, got weak' shift = 0")
    # Every term of the formula is constant or quadratic in the shift.
    unshifted = published_risks(replace(problem, shift=torch.zeros_like(problem.shift)))
    shifted = published_risks(problem)
    gain = unshifted.weak - unshifted.student
    lost = gain - (shifted.weak - shifted.student)
    return torch.where(lost > 0, separation * gain / lost, math.inf)


def _with_constant(view: Tensor) -> Tensor:
    """The map (k + 1, p) from [1, xi] to [1, xi @ view]."""
    return torch.block_diag(view.new_ones(1, 1), view)


def _second_moment(problem: SpuriousProblem, share: Tensor) -> Tensor:
    """E[v v'] of v = [1, xi] at these shares, (..., k + 1, k + 1)."""
    shift = problem.shift
    mean = torch.cat([share.new_ones(*share.shape, 1), share[..., None] * shift], -1)
    moment = mean[..., :, None] * mean[..., None, :]
    group_variance = (
        share * (1 - share) if problem.reading == "mixture" else torch.zeros_like(share)
    )
    spread = torch.eye(len(shift), dtype=shift.dtype, device=shift.device)
    moment[..., 1:, 1:] += spread + group_variance[..., None, None] * torch.outer(shift, shift)
    return moment


def _trace_of_ratio(denominator: Tensor, numerator: Tensor) -> Tensor:
    return torch.linalg.solve(denominator, numerator).diagonal(dim1=-2, dim2=-1).sum(-1)


def _broadcast(*risks: Tensor) -> Risks:
    return Risks(*torch.broadcast_tensors(*risks))
