"""The gain of a student is what it refuses to learn: bounds and identities.

Charikar, Pabbaraju, Shiragur: "Quantifying the gain in weak-to-strong generalization", NeurIPS
2024, arXiv 2405.15116. Its extension to other losses: Mulgund, Pabbaraju, ICML 2025, arXiv
2501.19105, here in `misfit_divergence`. The paper names mixtures of teachers as a way on.

| here                  | paper              |                                                     |
| --------------------- | ------------------ | --------------------------------------------------- |
| target                | f* o h*            | the true labels, without noise                      |
| weak_output           | f_w o h_w          | what the weak model says                            |
| strong                | h_s                | features of the student, on which heads are fitted  |
| weak_error            | d_P(f_w, f*)       | mean squared distance                               |
| misfit                | d_P(f_sw, f_w)     | what the student does not follow of its teacher     |
| epsilon               | epsilon            | error of the best student that the class contains   |

The student is the projection of the weak model's outputs onto what its class of heads can say. All
statements hold for means over any one set of examples, the training set or a whole distribution,
if the projection is with respect to the same mean.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from scipy.optimize import LinearConstraint, minimize
from torch import Tensor


class LinearGain(NamedTuple):
    """The parts of the identity gain = misfit - 2 overlap, per head (h,).

    Attributes:
        gain: weak error minus student's error.
        misfit: mean squared distance between student and weak model.
        overlap: mean product of what the student does not follow of its teacher with what its
            class cannot say of the target.
        epsilon: mean square of the latter: the error of the best student in the class.
    """

    gain: Tensor
    misfit: Tensor
    overlap: Tensor
    epsilon: Tensor


def gain(weak_error: Tensor, student_error: Tensor) -> Tensor:
    """Weak error minus student's error, (h,) or any shape: a definition. Errors, not accuracies."""
    return weak_error - student_error


def linear_gain(strong: Tensor, weak_output: Tensor, target: Tensor) -> LinearGain:
    """The gain of linear heads with a bias, part by part: exact on these examples, derived here.

    With P the projection onto what heads on these features can say, and means over examples,
    gain = misfit - 2 mean (I-P)weak_output (I-P)target. Needs no student: it is P weak_output.

    Args:
        strong: (n, d) features of the student.
        weak_output: (h, n, c), what the weak models say.
        target: (h, n, c), the true labels.

    Raises:
        ValueError: if shapes disagree or a value is not finite.
    """
    n = len(strong)
    shapes = strong.shape, weak_output.shape, target.shape
    if strong.dim() != 2 or weak_output.dim() != 3 or n != weak_output.shape[1]:
        raise ValueError(f"strong must be (n, d) and weak_output (h, n, c), got {shapes[:2]}")
    if weak_output.shape[1:] != target.shape[1:] or len(target) not in (1, len(weak_output)):
        raise ValueError(f"target must match weak_output {shapes[1]}, got {shapes[2]}")
    for name, value in (("strong", strong), ("weak_output", weak_output), ("target", target)):
        if not value.isfinite().all():
            raise ValueError(f"{name} must be finite, got NaN or infinity")
    basis = _basis(strong)
    refused, unseen = (
        values.double() - basis @ (basis.T @ values.double()) for values in (weak_output, target)
    )
    said = weak_output.double() - refused

    def mean(product: Tensor) -> Tensor:
        return product.sum(-1).mean(-1)

    weak_error = mean((weak_output.double() - target).square())
    student_error = mean((said - target).square())
    return LinearGain(
        gain(weak_error, student_error),
        mean(refused.square()),
        mean(refused * unseen),
        mean(unseen.square()).expand(len(weak_output)),
    )


def deviation_bound(misfit: Tensor, epsilon: Tensor) -> Tensor:
    """How far gain and misfit can be apart: 2 sqrt(misfit epsilon), a bound, derived here.

    For linear heads on the examples they were fitted on, both ways; by Cauchy-Schwarz from
    `linear_gain`, and reached when what is refused is parallel to what cannot be said.

    Args:
        misfit: mean squared distance between student and weak model, any shape.
        epsilon: error of the best student in its class.

    Raises:
        ValueError: if one is negative or not finite.
    """
    _check_error("misfit", misfit)
    _check_error("epsilon", epsilon)
    return 2 * (misfit * epsilon).sqrt()


def finite_sample_bound(
    weak_error: float,
    misfit: float,
    *,
    epsilon: float,
    n: int,
    complexity: float,
    delta: float,
    constants: tuple[float, float, float],
) -> float:
    """A bound on the student's error from n examples, with probability 1 - delta: a form only.

    weak_error - misfit + a sqrt(epsilon) + b (complexity/n)^(1/4) + c (log(1/delta)/n)^(1/4).
    The paper has a theorem of this kind for targets outside the class and finite samples; the form
    here is our derivation. The constants a, b, c depend on how outputs and labels are bounded and
    are not known to us, so the caller has to say them. For linear heads on their own training
    examples a = 2 sqrt(misfit), b = c = 0, see `deviation_bound`.

    Args:
        weak_error: error of the weak model, over the distribution.
        misfit: measured on the n examples.
        epsilon: error of the best student in its class.
        n: examples that the student is fitted on.
        complexity: of the class of heads: for linear ones, the number of features.
        delta: probability with which the bound may fail, in (0, 1).
        constants: a, b, c, each at least 0.

    Raises:
        ValueError: if a number leaves its range.
    """
    numbers = {"weak_error": weak_error, "misfit": misfit, "epsilon": epsilon}
    numbers |= {"complexity": complexity} | dict(zip("abc", constants, strict=True))
    for name, value in numbers.items():
        _check_error(name, torch.tensor(float(value)))
    if n < 1 or not 0 < delta < 1:
        raise ValueError(f"n must be at least 1 and delta in (0, 1), got {n} and {delta}")
    a, b, c = constants
    class_term, luck = (complexity / n) ** 0.25, (math.log(1 / delta) / n) ** 0.25
    return weak_error - misfit + a * math.sqrt(epsilon) + b * class_term + c * luck


def promised_error(weak_error: Tensor, misfit: Tensor) -> Tensor:
    """Weak error - misfit: an upper bound on the student's error, the paper's (T1).

    Holds for squared loss, a convex class of heads, a student that minimises the squared distance
    to its teacher exactly, and a target inside the student's class ("realizable"). For linear heads
    it is the error itself (derived here, see `linear_gain`).

    Raises:
        ValueError: if an error or a misfit is negative or not finite.
    """
    _check_error("weak_error", weak_error)
    _check_error("misfit", misfit)
    return weak_error - misfit


def choose_teacher(weak_error: Tensor, misfit: Tensor) -> int:
    """Index of the weak model whose student should be best: smallest weak error - misfit.

    The rule is the paper's; a heuristic outside the assumptions of the bound.

    Args:
        weak_error: (k,) one per weak model, from examples with true labels.
        misfit: (k,) of their students, which needs no labels.

    Raises:
        ValueError: if the two are not of one length k > 0, or a value is negative or not finite.
    """
    if weak_error.dim() != 1 or weak_error.shape != misfit.shape or not len(weak_error):
        shapes = tuple(weak_error.shape), tuple(misfit.shape)
        raise ValueError(f"weak_error and misfit must be (k,), k > 0, got {shapes}")
    return int(promised_error(weak_error, misfit).argmin())


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


def _basis(features: Tensor) -> Tensor:
    """Orthonormal columns that span the constant and the features (n, d), rank by rank."""
    centered = features.double() - features.double().mean(0)
    centered -= centered.mean(0)  # what the rounding of a large mean leaves in all rows alike
    scale = centered.norm(dim=0)
    rounding = len(features) * torch.finfo(torch.float64).eps * features.double().norm(dim=0)
    kept = scale > rounding
    u, singular, _ = torch.linalg.svd(centered[:, kept] / scale[kept], full_matrices=False)
    cut = max(features.shape) * torch.finfo(torch.float64).eps
    ones = u.new_full((len(features), 1), len(features) ** -0.5)
    return torch.cat([ones, u[:, singular > cut * singular[:1]]], 1)


def _check_error(name: str, value: Tensor) -> None:
    if not ((value >= 0) & value.isfinite()).all():
        raise ValueError(f"{name} must be finite and at least 0, got {value}")
