"""Risks of weak-to-strong least squares from intrinsic dimensions.

Dong, Li, Li, Lee, Lei: "Discrepancies are virtue: weak-to-strong generalization through lens of
intrinsic dimension", ICML 2025, arXiv 2502.05075.

| here                     | paper              |                                               |
| ------------------------ | ------------------ | --------------------------------------------- |
| n_labeled, n_pool        | n, N               | labelled and pseudolabelled examples          |
| d_weak, d_strong         | d_w, d_s           | intrinsic dimensions of the two views         |
| d_shared                 | d_sw               | correlation dimension, the sum of cos²        |
| noise                    | σ²                 | variance of the label noise                   |
| bias(problem).weak       | ρ_w                | error of the best linear model, weak view     |
| bias(problem).ceiling    | ρ_s                | the same, the student's view                  |
| weak, student            | weak teacher, W2S  |                                               |
| baseline, ceiling        | S-baseline, S-ceiling | on n, and on n + N, true labels            |

All risks are excess risks: mean squared distance to the noiseless label, averaged over training
sets, on fresh examples unless said otherwise. What is called published is the paper's, like
the bounds on PGR and OPR: each says where it is exact, where a bound, and where it fails. All else
is derived in this book, for Gaussian features.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from w2s_tutorial.problems import IntrinsicProblem, Risks


def risks(problem: IntrinsicProblem) -> Risks:
    """Mean excess risk of the four roles: exact for Gaussian features, derived here.

    Raises:
        ValueError: if a sample is too small for a finite mean.
    """
    problem.require_finite_risk()
    bias_, variance_ = _bias_and_variance(problem, _no_shrinkage(problem), spent=1)
    return Risks(*(b + v for b, v in zip(bias_, variance_, strict=True)))


def bias(problem: IntrinsicProblem) -> Risks:
    """What is left of `risks` with endless labels: exact, derived here.

    The student's still depends on n_pool: even a perfect weak model labels the pool with
    directions that the student cannot see, and they act on it as noise.
    """
    problem.require_finite_risk()
    return _bias_and_variance(problem, _no_shrinkage(problem), spent=1)[0]


def variance(problem: IntrinsicProblem) -> Risks:
    """The part of `risks` that label noise and out-of-view targets cause: exact, derived here."""
    problem.require_finite_risk()
    return _bias_and_variance(problem, _no_shrinkage(problem), spent=1)[1]


def ridge_risks(problem: IntrinsicProblem, *, weak_penalty: float, strong_penalty: float) -> Risks:
    """Mean excess risk of ridge fits: asymptotic, error of order 1/d, derived here.

    Each role minimises mean squared error + penalty * |weights|^2 on z @ weak or z @ strong.
    Needs no more examples than features; with penalty 0 it covers interpolation too.

    Args:
        weak_penalty: of the weak model, at least 0.
        strong_penalty: of student, baseline and ceiling, at least 0.

    Raises:
        ValueError: if a penalty is negative or not finite.
    """
    for name, value in (("weak_penalty", weak_penalty), ("strong_penalty", strong_penalty)):
        if not math.isfinite(value) or value < 0:
            raise ValueError(f"{name} must be finite and at least 0, got {value}")
    n, pool = problem.n_labeled, problem.n_pool
    spectrum = problem.strong_axes[1]
    keep = Risks(
        _shrinkage(problem.weak_axes[1], weak_penalty, n),
        _shrinkage(spectrum, strong_penalty, pool),
        _shrinkage(spectrum, strong_penalty, n),
        _shrinkage(spectrum, strong_penalty, n + pool),
    )
    bias_, variance_ = _bias_and_variance(problem, keep, spent=0)
    return Risks(*(b + v for b, v in zip(bias_, variance_, strict=True)))


def student_risk_on_pool(problem: IntrinsicProblem) -> Tensor:
    """The student's mean excess risk on the pool it was fitted to: exact, derived here.

    Its variance is the paper's (T1) with σ² + ρ_w for σ²; its bias never exceeds ρ_w + ρ_s.
    """
    weak_basis, strong_basis = problem.weak_axes[0], problem.strong_axes[0]
    missed = problem.target - weak_basis @ (weak_basis.T @ problem.target)
    missed_seen = (strong_basis.T @ missed).square().sum()
    used = problem.d_strong / problem.n_pool
    own = bias(problem)
    bias_ = missed_seen + used * (own.weak - missed_seen) + (1 - used) * own.ceiling
    inherited = problem.d_shared + (problem.d_weak - problem.d_shared) * used
    per_direction = (problem.noise + own.weak) / (problem.n_labeled - problem.d_weak - 1)
    return bias_ + per_direction * inherited


def pool_to_beat_teacher(problem: IntrinsicProblem) -> int:
    """The n_pool above which the student's variance is below the weak model's: 2 d_strong + 1.

    Exact on fresh examples whenever d_shared < d_weak; with d_shared = d_weak no pool is enough.
    Derived here.
    """
    return 2 * problem.d_strong + 1


def published_student_variance(problem: IntrinsicProblem) -> Tensor:
    """σ²/(n−d_w−1) · (d_sw + (d_w−d_sw) d_s/N), the paper's (T1).

    Exact for the risk on the pool if the weak view holds the target (ρ_w = 0). On fresh examples
    it is too low: d_s/N has to be d_s/(N−d_s−1), 5 % more at N = 20 d_s, a third at N = 4 d_s.
    """
    problem.require_finite_risk()
    inherited = problem.d_shared
    cut = (problem.d_weak - inherited) * problem.d_strong / problem.n_pool
    per_direction = problem.noise / (problem.n_labeled - problem.d_weak - 1)
    return problem.target.new_tensor(per_direction * (inherited + cut))


def published_risks(problem: IntrinsicProblem) -> Risks:
    """The curves of the paper's plots: a fixed-design form for three roles, a bound for one.

    Weak model, baseline and ceiling: ρ + σ² d/n. With ρ = 0 exact on the training examples; its
    variance is too low on fresh ones (by half at n = 2 d). Student: (T1) plus (T2), ρ_w + ρ_s; an
    upper bound on the pool if ρ_w is far below σ², on fresh examples only if n_pool is also far
    above d_strong.
    """
    own = bias(problem)
    n, total = problem.n_labeled, problem.n_labeled + problem.n_pool
    return Risks(
        own.weak + problem.noise * problem.d_weak / n,
        published_student_variance(problem) + own.weak + own.ceiling,
        own.baseline + problem.noise * problem.d_strong / n,
        own.ceiling + problem.noise * problem.d_strong / total,
    )


def pgr_bound(problem: IntrinsicProblem) -> Tensor:
    """The paper's lower bound on PGR, 1 − ER_student/(σ² d_w/n), ER_student from its (T1), (T2).

    Fails on fresh examples when labels are many and n_pool is a small multiple of d_strong: the
    student's risk then exceeds its bound.
    """
    teacher = problem.noise * problem.d_weak / problem.n_labeled
    return 1 - published_risks(problem).student / teacher


def opr_bound(problem: IntrinsicProblem) -> Tensor:
    """The paper's lower bound on OPR, (σ² d_s/n)/ER_student, ER_student from its (T1), (T2).

    Fails on fresh examples for the same reason, at larger pools than `pgr_bound` does.
    """
    true_labels = problem.noise * problem.d_strong / problem.n_labeled
    return true_labels / published_risks(problem).student


def best_n_labeled(problem: IntrinsicProblem) -> Tensor:
    """The number of labels, not rounded, that maximises `pgr_bound`: exact for the bound.

    Fewer labels: a noisier weak model. More: so little noise that bias is what is left. Does not
    depend on problem.n_labeled; infinite if both views hold the target. Derived here.
    """
    own = bias(problem)
    used = problem.d_strong / problem.n_pool
    remaining = problem.d_shared + (problem.d_weak - problem.d_shared) * used
    d = problem.d_weak + 1
    return d + (d * remaining * problem.noise / (own.weak + own.ceiling)).sqrt()


def _no_shrinkage(problem: IntrinsicProblem) -> Risks:
    weak, strong = (torch.ones_like(axes[1]) for axes in (problem.weak_axes, problem.strong_axes))
    return Risks(weak, strong, strong, strong)


def _shrinkage(spectrum: Tensor, penalty: float, n: int) -> Tensor:
    """λ/(λ+k) along each axis (d,), where k solves k (1 − Σ λ/(λ+k) / n) = penalty."""
    k = penalty + spectrum.sum() / n
    # The left side is convex in k and above the penalty here, so Newton descends to the largest
    # root and never crosses it. With penalty 0 and n > d that root is 0.
    for _ in range(200):
        keep = spectrum / (spectrum + k)
        excess = k * (1 - keep.sum() / n) - penalty
        step = excess / (1 - keep.square().sum() / n)
        if step <= 1e-14 * k:
            break
        k = k - step
    return spectrum / (spectrum + k)


def _bias_and_variance(
    problem: IntrinsicProblem, keep: Risks, *, spent: int
) -> tuple[Risks, Risks]:
    """Both parts of the risk of models that keep these shares of each axis of their view.

    With all shares 1 and spent = 1 this is exact (means of inverse Wishart matrices); with ridge
    shares and spent = 0 it is their deterministic equivalent.
    """
    target = problem.target
    weak_basis, strong_basis = problem.weak_axes[0], problem.strong_axes[0]

    def direct(basis: Tensor, share: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """Bias of a model fitted to true labels, and its variance per direction it keeps."""
        miss = (target - basis @ (share * (basis.T @ target))).square().sum()
        return miss, (problem.noise + miss) / (n - share.square().sum() - spent)

    n, total = problem.n_labeled, problem.n_labeled + problem.n_pool
    weak_miss, weak_noise = direct(weak_basis, keep.weak, n)
    baseline_miss, baseline_noise = direct(strong_basis, keep.baseline, n)
    ceiling_miss, ceiling_noise = direct(strong_basis, keep.ceiling, total)

    df = keep.student.square().sum()
    # What the student cannot express of its teacher comes back as noise, times this.
    returned = df / (problem.n_pool - df - spent)
    lesson = weak_basis @ (keep.weak * (weak_basis.T @ target))
    learned = strong_basis @ (keep.student * (strong_basis.T @ lesson))
    unlearned = lesson - learned
    student_miss = (target - learned).square().sum() + returned * unlearned.square().sum()
    squared_cosines = (strong_basis.T @ weak_basis).square() * keep.weak.square()
    seen = squared_cosines.sum(1)
    kept = (keep.student.square() * seen).sum()
    unkept = keep.weak.square().sum() - ((2 - keep.student) * keep.student * seen).sum()
    return (
        Risks(weak_miss, student_miss, baseline_miss, ceiling_miss),
        Risks(
            weak_noise * keep.weak.square().sum(),
            weak_noise * (kept + returned * unkept),
            baseline_noise * keep.baseline.square().sum(),
            ceiling_noise * keep.ceiling.square().sum(),
        ),
    )
