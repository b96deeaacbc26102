"""Risks of weak-to-strong least squares with spurious group features, data in proportion.

Set-up of Liu, Dong, Lei (ICLR 2026, arXiv 2509.24005); symbols as in `spurious_leading`.
The limit d_core, n_labeled, n_pool -> infinity at fixed ratios and fixed p is derived here, by
leaving one example out (not a proof), for both readings of the set-up.

With w = [1; T'xi] and psi = [1; S'xi], gamma = d_core/n_labeled, nu = d_core/n_pool, and E_l, E_u,
E_t the means over xi at the share of labelled set, pool and test, in units of noise:

    weak     gamma tr(G C_w)
    student  gamma tr(G P C P') + gamma nu E_u[ (u'G u) (psi'K psi) / (1 + nu q)^2 ]

    G^-1 = E_l[ w w' / (1 + gamma w'G w) ]           C_w = E_t[w w'],  C = E_t[psi psi']
    H^-1 = E_u[ psi psi' / (1 + nu q) ]              q = psi'H psi
    P = E_u[ w psi' / (1 + nu q) ] H                 u = w - P psi
    H^-1 K H^-1 - nu E_u[ psi psi' (psi'K psi) / (1 + nu q)^2 ] = C

Means over xi are sums over nodes, see `spurious_fit`, which finds G, H and K.
"""

from __future__ import annotations

import torch
from torch import Tensor

from w2s_tutorial.problems import Risks, SpuriousProblem
from w2s_tutorial.theory.spurious_fit import Fit, Groups, View


def risks(problem: SpuriousProblem) -> Risks:
    """Mean excess risk of the four roles: asymptotic, error of order 1/d_core, derived here.

    The work is done once for each value of minority_labeled and of minority_pool, not for each
    pair: on a surface, give the shares axes of their own.
    """
    labeled, pool, test = (Groups.of(problem, share) for share in problem.shares)
    gamma, nu = problem.d_core / problem.n_labeled, problem.d_core / problem.n_pool
    weak, strong = View.of(problem.shift_weak), View.of(problem.shift_strong)
    weak_fit = Fit.of(weak, labeled, gamma)
    baseline_fit = Fit.of(strong, labeled, gamma)
    pool_fit = Fit.of(strong, pool, nu)
    weak_test, strong_test = weak.second_moment(test), strong.second_moment(test)
    roles = (
        gamma * _trace(weak_fit.matrix, weak_test),
        gamma * _student(problem, weak_fit.matrix, pool_fit, strong_test, nu),
        gamma * _trace(baseline_fit.matrix, strong_test),
        nu * _trace(pool_fit.matrix, strong_test),
    )
    return Risks(*torch.broadcast_tensors(*(problem.noise * role for role in roles)))


def _student(problem: SpuriousProblem, weak: Tensor, pool: Fit, test: Tensor, nu: float) -> Tensor:
    """tr(G P C P') + nu E_u[(u'G u) (psi'K psi) / (1 + nu q)^2], with weak = G and test = C."""
    view, nodes, overlap = pool.view, pool.nodes, problem.overlap
    # Given psi and its component's mean s, w is normal: its mean is `carried` psi + s `moved`, its
    # covariance is `unseen`, of the weak model's group features that the student does not see.
    carried = torch.block_diag(overlap.new_ones(1, 1), overlap)
    unseen = torch.eye(problem.p_weak).to(carried) - carried @ carried.T
    moved = carried.new_zeros(problem.p_weak)
    moved[1:] = problem.shift_weak - overlap @ problem.shift_strong

    # P = carried + moved tilt', hence u = (s - tilt'psi) moved + what the student does not see.
    mean_psi = view.sum_of_psi(nodes, nodes.weight * pool.damping * nodes.mean)
    tilt = (pool.matrix @ mean_psi[..., None])[..., 0]
    to_weak = carried + moved[:, None] * tilt[..., None, :]
    inherited = _trace(to_weak.mT @ weak @ to_weak, test)

    k = torch.linalg.solve(pool.response, view.traces(test)[..., None])
    surprise = nodes.mean - (tilt[..., :1] + nodes.position * (tilt @ view.along)[..., None])
    u_squared = _trace(weak, unseen)[..., None] + (moved @ weak @ moved)[..., None] * surprise**2
    kept = nodes.weight * pool.damping**2 * (nodes.forms @ k)[..., 0]
    return inherited + nu * (u_squared * kept).sum(-1)


def _trace(a: Tensor, b: Tensor) -> Tensor:
    """tr(a b) of symmetric matrices (..., p, p)."""
    return (a * b).sum((-2, -1))
