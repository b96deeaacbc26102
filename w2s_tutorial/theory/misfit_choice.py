"""Choosing and mixing weak teachers by what their students refuse to learn.

The rule is of Charikar, Pabbaraju, Shiragur (NeurIPS 2024, arXiv 2405.15116): weak error minus
misfit is an upper bound on the student's error if the target is in the student's class, so take the
teacher for whom it is smallest. Mixtures of teachers are named in the paper as a way on; the
quadratic form is derived here.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import LinearConstraint, minimize
from torch import Tensor


def promised_error(weak_error: Tensor, misfit: Tensor) -> Tensor:
    """Weak error - misfit: an upper bound on the student's error, the paper's (T1).

    Under the assumptions of `misfit.guaranteed_gain`; with linear heads it is the error itself.
    """
    return weak_error - misfit


def choose_teacher(weak_error: Tensor, misfit: Tensor) -> int:
    """Index of the weak model whose student should be best: smallest weak error - misfit.

    A heuristic of the paper outside the assumptions of the bound.

    Args:
        weak_error: (k,) one per weak model, from examples with true labels.
        misfit: (k,) of their students, which needs no labels.

    Raises:
        ValueError: if the two are not of one length k > 0, or a value is not finite.
    """
    if weak_error.dim() != 1 or weak_error.shape != misfit.shape or not len(weak_error):
        shapes = tuple(weak_error.shape), tuple(misfit.shape)
        raise ValueError(f"weak_error and misfit must be (k,), k > 0, got {shapes}")
    promised = promised_error(weak_error, misfit)
    if not promised.isfinite().all():
        raise ValueError("weak_error and misfit must be finite, got NaN or infinity")
    return int(promised.argmin())


def promise_of_mixtures(
    weak_output: Tensor, student_output: Tensor, target: Tensor
) -> tuple[Tensor, Tensor]:
    """Weak error - misfit of mixed teachers as a quadratic: exact for linear heads, derived here.

    The teacher that says sum_i w_i weak_output[i] has a student that says the same mixture of the
    students, because least squares (and ridge, with one penalty for all) is linear in its labels.
    So weak error - misfit is w @ matrix @ w - 2 w @ vector, up to the mean square of the target.

    Args:
        weak_output: (k, n), what k weak models say.
        student_output: (k, n), what their students say of the same examples.
        target: (n,), the true labels.

    Returns:
        matrix (k, k) and vector (k,), float64.

    Raises:
        ValueError: if shapes disagree or a value is not finite.
    """
    if weak_output.dim() != 2 or weak_output.shape != student_output.shape:
        shapes = tuple(weak_output.shape), tuple(student_output.shape)
        raise ValueError(f"weak_output and student_output must be (k, n), got {shapes}")
    if target.shape != weak_output.shape[1:] or not weak_output.numel():
        raise ValueError(f"target must be (n,), n > 0, got shape {tuple(target.shape)}")
    weak, student, label = weak_output.double(), student_output.double(), target.double()
    if not all(value.isfinite().all() for value in (weak, student, label)):
        raise ValueError("weak_output, student_output and target must be finite")
    n = len(label)
    refused = weak - student
    return (weak @ weak.T - refused @ refused.T) / n, weak @ label / n


def mix_teachers(matrix: Tensor, vector: Tensor) -> Tensor:
    """Weights in the simplex that minimise w @ matrix @ w - 2 w @ vector: (k,), exact to 1e-8.

    By sequential quadratic programming (scipy's SLSQP) from the centre and every corner, of which
    the best is returned: on the examples that students were fitted on the form is convex and all
    agree, on fresh ones it need not be.

    Args:
        matrix: (k, k) symmetric, see `promise_of_mixtures`.
        vector: (k,).

    Raises:
        ValueError: if shapes disagree, or the matrix is not symmetric or finite.
    """
    k = len(vector)
    if matrix.shape != (k, k) or vector.dim() != 1 or not k:
        shapes = tuple(matrix.shape), tuple(vector.shape)
        raise ValueError(f"matrix must be (k, k) and vector (k,), got {shapes}")
    q, c = (part.double().cpu().numpy() for part in (matrix, vector))
    if not (np.isfinite(q).all() and np.isfinite(c).all() and np.allclose(q, q.T)):
        raise ValueError("matrix must be symmetric, and both finite")
    scale = max(np.abs(q).max(), np.abs(c).max()) or 1.0
    q, c = q / scale, c / scale
    starts = [np.full(k, 1 / k), *np.eye(k)]
    found = [
        minimize(
            lambda w: w @ q @ w - 2 * w @ c,
            start,
            jac=lambda w: 2 * (q @ w - c),
            method="SLSQP",
            bounds=[(0, 1)] * k,
            constraints=LinearConstraint(np.ones(k), 1, 1),
            options={"ftol": 1e-15, "maxiter": 1000},
        )
        for start in starts
    ]
    best = np.clip(min(found, key=lambda result: result.fun).x, 0, None)
    return torch.from_numpy(best / best.sum()).to(matrix.device)
