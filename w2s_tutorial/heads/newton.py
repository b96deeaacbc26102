"""Newton's method for many penalised logistic (softmax) losses at once.

The Newton equations are solved by conjugate gradients, preconditioned with one curvature matrix
that all heads share: heads on the same features differ in labels, examples and penalty, but
hardly in the shape of their loss. A step costs a few matrix products over all heads side by
side, where separate fits pay for each of them alone.

Shapes: h heads, n examples, d features; k outputs, 1 for two classes (the log-odds of class 1),
else the number of classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from w2s_tutorial.heads.linear import apply

Product = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Problem:
    """Share-weighted cross-entropy + penalty / 2 * |weight|^2, one per head.

    Parameters theta (h, d + 1, k) end with the bias; k is 1 for two classes (theta then gives
    the log-odds of class 1), else the number of classes.
    """

    x: Tensor  # (n, d + 1) or (h, n, d + 1); the last column is 1
    target: Tensor  # (h, n, k)
    share: Tensor  # (h, n, 1)
    penalty: Tensor  # (h, d + 1, 1); 0 for the bias

    def take(self, heads: Tensor) -> Problem:
        x = self.x[heads] if self.x.dim() == 3 else self.x
        return Problem(x, self.target[heads], self.share[heads], self.penalty[heads])

    def value(self, theta: Tensor, z: Tensor) -> Tensor:
        if z.shape[-1] == 1:
            loss = torch.nn.functional.softplus(z) - self.target * z
        else:
            loss = z.logsumexp(-1, keepdim=True) - (self.target * z).sum(-1, keepdim=True)
        return _dot(self.share, loss) + _dot(self.penalty * theta, theta) / 2

    def gradient(self, theta: Tensor, p: Tensor) -> Tensor:
        return apply(self.x.mT, self.share * (p - self.target)) + self.penalty * theta


def minimize(problem: Problem, tol: float, max_steps: int) -> tuple[Tensor, Tensor]:
    """Minimise every head's loss until no entry of its gradient exceeds tol.

    Returns:
        Parameters (h, d + 1, k), and the largest gradient entry of each head (h,).
    """
    h, _, k = problem.target.shape
    theta = problem.target.new_zeros(h, problem.x.shape[-1], k)
    largest = theta.new_full((h,), math.inf)
    active = torch.arange(h, device=theta.device)
    part, z = problem, apply(problem.x, theta)
    rough_x = problem.x.float()
    for step in range(max_steps + 1):
        p = z.sigmoid() if k == 1 else z.softmax(-1)
        gradient = part.gradient(theta[active], p)
        largest[active] = gradient.abs().amax((1, 2))
        unsolved = largest[active] > tol
        if step == max_steps or not unsolved.any():
            break
        active, part = active[unsolved], part.take(unsolved)
        z, p, gradient = z[unsolved], p[unsolved], gradient[unsolved]
        # A Newton direction needs few digits: single precision halves its cost, and the
        # gradient, in full precision, corrects what it loses.
        x = rough_x[active] if rough_x.dim() == 3 else rough_x
        curvature = _Curvature(x, (part.share * p).float(), p.float(), part.penalty.float())
        if x.dim() == 3:
            precondition = curvature.own_inverse()
        else:
            if step in (0, 2, 5):  # by then the probabilities have settled
                eigen = curvature.mean_eigen()
            precondition = curvature.shared_inverse(*eigen)
        direction = _conjugate_gradients(curvature, gradient.float(), precondition)
        direction = direction.to(theta.dtype)
        z_change = apply(part.x, direction)
        length = _line_search(part, theta[active], z, gradient, direction, z_change)
        theta[active] += length * direction
        z = z + length * z_change
    return theta, largest


@dataclass(frozen=True)
class _Curvature:
    """The second derivative of each head's loss, at probabilities p (h, n, k)."""

    x: Tensor
    weighted_p: Tensor  # share * p
    p: Tensor
    penalty: Tensor

    def __call__(self, direction: Tensor) -> Tensor:
        u = apply(self.x, direction)
        if self.p.shape[-1] == 1:
            v = self.weighted_p * (1 - self.p) * u
        else:
            v = self.weighted_p * (u - (self.p * u).sum(-1, keepdim=True))
        return apply(self.x.mT, v) + self.penalty * direction

    def _weights(self) -> Tensor:
        return (self.weighted_p * (1 - self.p)).mean(-1, keepdim=True)  # averaged over classes

    def own_inverse(self) -> Product:
        """For heads with features of their own: each one's penalised curvature, inverted."""
        gram = (self.x * self._weights()).mT @ self.x
        floor = 1e-6 * gram.diagonal(dim1=1, dim2=2).amax(-1)  # what single precision resolves
        ridge = torch.diag_embed(self.penalty[..., 0] + floor[:, None])
        factor = torch.linalg.cholesky(gram + ridge)
        return lambda v: torch.cholesky_solve(v, factor)

    def mean_eigen(self) -> tuple[Tensor, Tensor]:
        """Eigenvalues and eigenvectors of the curvature without penalty, averaged over heads."""
        values, vectors = torch.linalg.eigh((self.x * self._weights().mean(0)).mT @ self.x)
        return values.clamp_min(0)[:, None], vectors

    def shared_inverse(self, values: Tensor, vectors: Tensor) -> Product:
        """The averaged curvature inverted, each head with its own penalty (the bias too: a
        preconditioner may be rough)."""
        inverse = 1 / (values + self.penalty[:, :1])  # (h, d + 1, 1)
        return lambda v: apply(vectors, inverse * apply(vectors.mT, v))


def _conjugate_gradients(
    curvature: _Curvature, gradient: Tensor, precondition: Product, limit: int = 100
) -> Tensor:
    """The Newton direction of each head, to a tenth of its size."""
    direction, residual = torch.zeros_like(gradient), -gradient
    step = z = precondition(residual)
    size = _dot(residual, z)
    # One digit per Newton step: a gradient costs little more than one of the products below.
    enough = 0.01 * size
    for _ in range(limit):
        unsolved = size > enough
        if not unsolved.any():
            break
        image = curvature(step)
        length = torch.where(unsolved, size / _dot(step, image), 0.0)  # solved heads stand still
        direction = direction + length * step
        residual = residual - length * image
        z = precondition(residual)
        new_size = torch.where(unsolved, _dot(residual, z), size)
        step = z + new_size / size * step
        size = new_size
    return direction


def _line_search(
    problem: Problem,
    theta: Tensor,
    z: Tensor,
    gradient: Tensor,
    direction: Tensor,
    z_change: Tensor,
) -> Tensor:
    """Step lengths (h, 1, 1): the first of 1, 1/2, 1/4, ... that lowers a head's loss enough."""
    before = problem.value(theta, z)
    slope = _dot(gradient, direction)
    rounding = 10 * torch.finfo(z.dtype).eps * before.abs()
    length = torch.ones_like(before)
    for _ in range(30):
        after = problem.value(theta + length * direction, z + length * z_change)
        short = after > before + 1e-4 * length * slope + rounding
        if not short.any():
            break
        length = torch.where(short, length / 2, length)
    return length


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum((1, 2), keepdim=True)
