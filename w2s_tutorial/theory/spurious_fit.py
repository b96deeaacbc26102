"""Fixed points behind `spurious`: one view of the examples, its quadrature, its least squares.

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

from w2s_tutorial.problems import SpuriousProblem

_ALONG, _AROUND = 48, 20  # nodes: relative error 1e-8 at p gamma = .6, 1e-4 at .9


@dataclass(frozen=True)
class Groups:
    """xi as a mixture of normals: component c has probability (..., c), mean (..., c) * shift."""

    probability: Tensor
    mean: Tensor

    @classmethod
    def of(cls, problem: SpuriousProblem, share: Tensor) -> Groups:
        if problem.reading == "mean":
            return cls(torch.ones_like(share)[..., None], share[..., None])
        probability = torch.stack([1 - share, share], -1)
        return cls(probability, share.new_tensor([0.0, 1.0]).expand_as(probability))


@dataclass(frozen=True)
class Nodes:
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
class View:
    """psi = [1, group features], and all symmetric matrices that treat the shift alone apart.

    along: (p,), the direction of the shift. length: how far it reaches.
    basis: (b, p, p), orthogonal, and such matrices are its sums; b = 1, 3, 4 at p = 1, 2, more.
    """

    along: Tensor
    length: Tensor
    basis: Tensor

    @classmethod
    def of(cls, shift: Tensor) -> View:
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

    def second_moment(self, groups: Groups) -> Tensor:
        """E[psi psi'], (..., p, p)."""
        first, second = ((groups.probability * groups.mean**n).sum(-1) for n in (1, 2))
        ones = torch.ones_like(first)
        parts = [ones, first * self.length, 1 + second * self.length**2, ones]
        return self.matrix(torch.stack(parts, -1)[..., : len(self.basis)])

    def sum_of_psi(self, nodes: Nodes, weight: Tensor) -> Tensor:
        """Sum over nodes of weight * psi, (..., n) -> (..., p)."""
        total = (weight * nodes.position).sum(-1)[..., None] * self.along
        total[..., 0] += weight.sum(-1)
        return total

    def nodes(self, groups: Groups) -> Nodes:
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
        return Nodes(weight, mean, position, torch.stack(forms[: len(self.basis)], -1))


@dataclass(frozen=True)
class Fit:
    """Least squares of a function of z on z times psi, examples in proportion to d_core.

    matrix: H with H^-1 = E[psi psi' / (1 + ratio psi'H psi)], (..., p, p).
    damping: 1 / (1 + ratio psi'H psi) at each node, (..., n).
    response: (..., b, b), takes K to H^-1 K H^-1 - ratio E[psi psi' (psi'K psi) / (1 + ...)^2].
    """

    view: View
    nodes: Nodes
    matrix: Tensor
    damping: Tensor
    response: Tensor

    @classmethod
    def of(cls, view: View, groups: Groups, ratio: float) -> Fit:
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
