"""The gain of a student is what it refuses to learn: bounds and identities.

Charikar, Pabbaraju, Shiragur: "Quantifying the gain in weak-to-strong generalization", NeurIPS
2024, arXiv 2405.15116. Its extension to other losses: Mulgund, Pabbaraju, ICML 2025, arXiv
2501.19105, here in `misfit_divergence`. Mixtures of teachers: `misfit_choice`.

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

import torch
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


def guaranteed_gain(misfit: Tensor) -> Tensor:
    """The least gain that a misfit promises, which is the misfit itself: a bound, the paper's (T1).

    Holds for squared loss, a convex class of heads, a student that minimises the squared distance
    to its teacher exactly, and a target inside the student's class ("realizable"). For linear heads
    it is an equality (derived here, see `linear_gain`).

    Raises:
        ValueError: if a misfit is negative or not finite.
    """
    _check_error("misfit", misfit)
    return misfit


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
