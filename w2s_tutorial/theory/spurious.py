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

A view psi = [1, group features] is symmetric about the direction in which it sees the groups
differ. So every symmetric matrix of the theory has at most four numbers, the coefficients of the
view's basis; and a mean over xi needs only the position along that direction and the distance from
its line. Both are integrated with nodes of the normal distribution.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.special import roots_genlaguerre, roots_hermitenorm
from torch import Tensor

from w2s_tutorial.problems import Risks, SpuriousProblem

_ALONG, _AROUND = 48, 20  # nodes: relative error 1e-8 at p gamma = .6, 1e-4 at .9


def risks(problem: SpuriousProblem) -> Risks:
    """Mean excess risk of the four roles: asymptotic, error of order 1/d_core, derived here.

    The work is done once for each value of minority_labeled and of minority_pool, not for each
    pair: on a surface, give the shares axes of their own.
    """
    labeled, pool, test = (_Groups.of(problem, share) for share in problem.shares)
    gamma, nu = problem.d_core / problem.n_labeled, problem.d_core / problem.n_pool
    weak, strong = _View.of(problem.shift_weak), _View.of(problem.shift_strong)
    weak_fit = _Fit.of(weak, labeled, gamma)
    baseline_fit = _Fit.of(strong, labeled, gamma)
    pool_fit = _Fit.of(strong, pool, nu)
    weak_test, strong_test = weak.second_moment(test), strong.second_moment(test)
    roles = (
        gamma * _trace(weak_fit.matrix, weak_test),
        gamma * _student(problem, weak_fit.matrix, pool_fit, strong_test, nu),
        gamma * _trace(baseline_fit.matrix, strong_test),
        nu * _trace(pool_fit.matrix, strong_test),
    )
    return Risks(*torch.broadcast_tensors(*(problem.noise * role for role in roles)))


def _student(problem: SpuriousProblem, weak: Tensor, pool: _Fit, test: Tensor, nu: float) -> Tensor:
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
    u_squared = _trace(weak, unseen)[..., None] + (weak @ moved @ moved)[..., None] * surprise**2
    kept = nodes.weight * pool.damping**2 * (nodes.forms @ k)[..., 0]
    return inherited + nu * (u_squared * kept).sum(-1)


def _trace(a: Tensor, b: Tensor) -> Tensor:
    """tr(a b) of symmetric matrices (..., p, p)."""
    return (a * b).sum((-2, -1))


@dataclass(frozen=True)
class _Groups:
    """xi as a mixture of normals: component c has probability (..., c), mean (..., c) * shift."""

    probability: Tensor
    mean: Tensor

    @classmethod
    def of(cls, problem: SpuriousProblem, share: Tensor) -> _Groups:
        if problem.reading == "mean":
            return cls(torch.ones_like(share)[..., None], share[..., None])
        probability = torch.stack([1 - share, share], -1)
        return cls(probability, share.new_tensor([0.0, 1.0]).expand_as(probability))


@dataclass(frozen=True)
class _Nodes:
    """Quadrature over xi in one view, every field (..., n) but the last.

    weight: sums to 1. mean: mean of the node's component, in shifts.
    position: along the shift. forms: (..., n, b), psi'E psi for each basis matrix E of the view,
    averaged over the directions away from the shift.
    """

    weight: Tensor
    mean: Tensor
    position: Tensor
    forms: Tensor


@dataclass(frozen=True)
class _View:
    """psi = [1, group features], and all symmetric matrices that treat the shift alone apart.

    along: (p,), the direction of the shift. length: how far it reaches.
    basis: (b, p, p), orthogonal, and such matrices are its sums; b = 1, 3, 4 at p = 1, 2, more.
    """

    along: Tensor
    length: Tensor
    basis: Tensor

    @classmethod
    def of(cls, shift: Tensor) -> _View:
        p, length = len(shift) + 1, torch.linalg.vector_norm(shift)
        identity = torch.eye(p).to(shift)
        one, along = identity[0], torch.zeros_like(identity[0])
        if p > 1:
            along[1:] = shift / length if length > 0 else identity[1, 1:]
        mixed = torch.outer(one, along)
        constant, own = torch.outer(one, one), torch.outer(along, along)
        basis = torch.stack([constant, mixed + mixed.T, own, identity - constant - own])
        return cls(along, length, basis[: (1, 3, 4)[min(p, 3) - 1]])

    def matrix(self, coefficients: Tensor) -> Tensor:
        """(..., b) -> (..., p, p)."""
        return torch.einsum("...b,bpq->...pq", coefficients, self.basis)

    def traces(self, matrix: Tensor) -> Tensor:
        """Trace of the product with each basis matrix, (..., p, p) -> (..., b)."""
        return torch.einsum("...pq,bpq->...b", matrix, self.basis)

    def second_moment(self, groups: _Groups) -> Tensor:
        """E[psi psi'], (..., p, p)."""
        first, second = ((groups.probability * groups.mean**n).sum(-1) for n in (1, 2))
        ones = torch.ones_like(first)
        parts = [ones, first * self.length, 1 + second * self.length**2, ones]
        return self.matrix(torch.stack(parts, -1)[..., : len(self.basis)])

    def sum_of_psi(self, nodes: _Nodes, weight: Tensor) -> Tensor:
        """Sum over nodes of weight * psi, (..., n) -> (..., p)."""
        total = (weight * nodes.position).sum(-1)[..., None] * self.along
        total[..., 0] += weight.sum(-1)
        return total

    def nodes(self, groups: _Groups) -> _Nodes:
        x, x_weight = roots_hermitenorm(_ALONG)
        away = len(self.along) - 2  # directions away from the shift
        half, half_weight = roots_genlaguerre(_AROUND, away / 2 - 1) if away > 0 else ([0.0], [1.0])
        x, x_weight, half, half_weight = (
            self.along.new_tensor(v) for v in (x, x_weight, half, half_weight)
        )
        normal = torch.outer(x_weight / x_weight.sum(), half_weight / half_weight.sum())
        mean = groups.mean[..., None, None]
        weight, mean, position, square = (
            v.flatten(-3)
            for v in torch.broadcast_tensors(
                groups.probability[..., None, None] * normal,
                mean,
                mean * self.length + x[:, None],
                2 * half,  # squared distance from the shift's line
            )
        )
        forms = [torch.ones_like(position), 2 * position, position**2, square]
        return _Nodes(weight, mean, position, torch.stack(forms[: len(self.basis)], -1))


@dataclass(frozen=True)
class _Fit:
    """Least squares of a function of z on z times psi, examples in proportion to d_core.

    matrix: H with H^-1 = E[psi psi' / (1 + ratio psi'H psi)], (..., p, p).
    damping: 1 / (1 + ratio psi'H psi) at each node, (..., n).
    response: (..., b, b), takes K to H^-1 K H^-1 - ratio E[psi psi' (psi'K psi) / (1 + ...)^2].
    """

    view: _View
    nodes: _Nodes
    matrix: Tensor
    damping: Tensor
    response: Tensor

    @classmethod
    def of(cls, view: _View, groups: _Groups, ratio: float) -> _Fit:
        nodes, basis = view.nodes(groups), view.basis
        size = (basis**2).sum((1, 2))
        h = view.traces(torch.linalg.inv(view.second_moment(groups))) / size
        # Newton rises to the solution from below, at most doubling h in a step.
        for _ in range(100):
            inverse = torch.linalg.inv(view.matrix(h))
            damping = 1 / (1 + ratio * (nodes.forms @ h[..., None])[..., 0])
            weight = nodes.weight * damping
            curved = (nodes.forms * (weight * damping)[..., None]).mT @ nodes.forms
            turned = basis @ inverse[..., None, :, :]
            response = torch.einsum("...bpq,...cqp->...bc", turned, turned) - ratio * curved
            excess = view.traces(inverse) - (weight[..., None, :] @ nodes.forms)[..., 0, :]
            step = torch.linalg.solve(response, excess[..., None])[..., 0]
            if (step.abs() <= 1e-11 * h.abs().amax(-1, keepdim=True)).all():
                return cls(view, nodes, view.matrix(h), damping, response)
            h = h + step
        raise ValueError(
            "n_labeled and n_pool must exceed p * d_core by more than rounding, got examples for"
            f" p * d_core / n = {len(view.along) * ratio:.12g}"
        )
