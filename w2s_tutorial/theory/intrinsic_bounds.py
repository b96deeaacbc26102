"""The forms that Dong et al. (ICML 2025, arXiv 2502.05075) state or plot, as published.

Each says where it is exact, where it is a bound, and where it fails. The names are those of
`theory.intrinsic`, which holds the exact risks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from w2s_tutorial.problems import IntrinsicProblem, Risks
from w2s_tutorial.theory import intrinsic


def student_variance(problem: IntrinsicProblem) -> Tensor:
    """σ²/(n−d_w−1) · (d_sw + (d_w−d_sw) d_s/N), the paper's (T1).

    Exact for the risk on the pool if the weak view holds the target (ρ_w = 0). On fresh examples
    it is too low: d_s/N has to be d_s/(N−d_s−1), 5 % more at N = 20 d_s, a third at N = 4 d_s.
    """
    problem.require_finite_risk()
    inherited = problem.d_shared
    cut = (problem.d_weak - inherited) * problem.d_strong / problem.n_pool
    per_direction = problem.noise / (problem.n_labeled - problem.d_weak - 1)
    return torch.tensor(per_direction * (inherited + cut), dtype=torch.float64)


def risks(problem: IntrinsicProblem) -> Risks:
    """The curves of the paper's plots: a fixed-design form for three roles, a bound for one.

    Weak model, baseline and ceiling: ρ + σ² d/n. With ρ = 0 exact on the training examples; its
    variance is too low on fresh ones (by half at n = 2 d). Student: (T1) plus (T2), ρ_w + ρ_s; an
    upper bound on the pool if ρ_w is far below σ², on fresh examples only if n_pool is also far
    above d_strong.
    """
    own = intrinsic.bias(problem)
    n, total = problem.n_labeled, problem.n_labeled + problem.n_pool
    return Risks(
        own.weak + problem.noise * problem.d_weak / n,
        student_variance(problem) + own.weak + own.ceiling,
        own.baseline + problem.noise * problem.d_strong / n,
        own.ceiling + problem.noise * problem.d_strong / total,
    )


def pgr_bound(problem: IntrinsicProblem) -> Tensor:
    """The paper's lower bound on PGR, 1 − ER_student/(σ² d_w/n), ER_student from its (T1), (T2).

    Fails on fresh examples when labels are many and n_pool is a small multiple of d_strong: the
    student's risk then exceeds its bound.
    """
    teacher = problem.noise * problem.d_weak / problem.n_labeled
    return 1 - risks(problem).student / teacher


def opr_bound(problem: IntrinsicProblem) -> Tensor:
    """The paper's lower bound on OPR, (σ² d_s/n)/ER_student, ER_student from its (T1), (T2).

    Fails on fresh examples for the same reason, at larger pools than `pgr_bound` does.
    """
    true_labels = problem.noise * problem.d_strong / problem.n_labeled
    return true_labels / risks(problem).student


def best_n_labeled(problem: IntrinsicProblem) -> Tensor:
    """The number of labels, not rounded, that maximises `pgr_bound`: exact for the bound.

    Fewer labels: a noisier weak model. More: so little noise that bias is what is left. Does not
    depend on problem.n_labeled; infinite if both views hold the target. Derived here.
    """
    own = intrinsic.bias(problem)
    used = problem.d_strong / problem.n_pool
    remaining = problem.d_shared + (problem.d_weak - problem.d_shared) * used
    d = problem.d_weak + 1
    return d + (d * remaining * problem.noise / (own.weak + own.ceiling)).sqrt()
