"""Simulated risks of weak-to-strong least squares with spurious group features.

Only examples are drawn. Risk is a quadratic form in the label noise, whose mean over the noise is
a trace, and in the test example, whose mean is its second moment: a trial scatters as much as its
examples make it, and no more.
"""

from __future__ import annotations

import torch
from torch import Tensor

from w2s_tutorial.problems import Risks, SpuriousProblem
from w2s_tutorial.seeds import Seed, generator_of

_WEAK, _STRONG, _MIXED = ("weak", "weak"), ("strong", "strong"), ("strong", "weak")
_ROWS = 512  # features of this many examples stay in the processor's cache


def simulate(problem: SpuriousProblem, *, trials: int, seed: Seed) -> Risks:
    """Excess risks, averaged over label noise and test examples: exact for the examples drawn.

    A trial draws a labelled set for each value of minority_labeled and a pool for each value of
    minority_pool; settings that have a value in common share its examples.

    Args:
        trials: number h of independent trials, at least 1.
        seed: integer or generator, consumed.

    Returns:
        For each role (h, ...): trials, then the shape of the problem's shares.

    Raises:
        ValueError: if trials is below 1.
    """
    generator = generator_of(seed)
    if trials < 1:
        raise ValueError(f"trials must be at least 1, got {trials}")
    drawn = [_trial(problem, generator) for _ in range(trials)]
    return Risks(*(problem.noise * torch.stack(role) for role in zip(*drawn, strict=True)))


def _trial(problem: SpuriousProblem, generator: torch.Generator) -> tuple[Tensor, ...]:
    labeled, pool, test = problem.shares
    weak_noise, baseline_noise, ceiling_noise, lessons = [], [], [], []
    for share in labeled.flatten():
        weak_gram, strong_gram = _grams(
            problem, share, problem.n_labeled, (_WEAK, _STRONG), generator
        )
        weak_noise.append(_inverse(weak_gram))
        baseline_noise.append(_inverse(strong_gram))
    for share in pool.flatten():
        strong_gram, mixed_gram = _grams(
            problem, share, problem.n_pool, (_STRONG, _MIXED), generator
        )
        ceiling_noise.append(_inverse(strong_gram))
        lessons.append(ceiling_noise[-1] @ mixed_gram)  # the weak model's weights -> the student's

    pairs = torch.broadcast_shapes(labeled.shape, pool.shape)
    which = (
        torch.arange(share.numel()).view(share.shape).expand(pairs).flatten().tolist()
        for share in (labeled, pool)
    )
    student_noise = [
        lessons[of_pool] @ weak_noise[of_labeled] @ lessons[of_pool].T
        for of_labeled, of_pool in zip(*which, strict=True)
    ]
    weak_test, strong_test = (
        _second_moment(problem, view, test) for view in (problem.weak, problem.strong)
    )
    risks = (
        _risk(weak_noise, labeled.shape, weak_test),
        _risk(student_noise, pairs, strong_test),
        _risk(baseline_noise, labeled.shape, strong_test),
        _risk(ceiling_noise, pool.shape, strong_test),
    )
    return torch.broadcast_tensors(*risks)


def _grams(
    problem: SpuriousProblem,
    share: Tensor,
    n: int,
    pairs: tuple[tuple[str, str], ...],
    generator: torch.Generator,
) -> list[Tensor]:
    """left' right of the features of n fresh examples, for each pair (left, right) of models."""
    size = {"weak": problem.p_weak * problem.d_core, "strong": problem.p_strong * problem.d_core}
    grams = [problem.shift.new_zeros(size[left], size[right]) for left, right in pairs]
    for start in range(0, n, _ROWS):
        rows = min(_ROWS, n - start)
        core = _normal(rows, problem.d_core, problem, generator)
        xi = _normal(rows, len(problem.shift), problem, generator)
        if problem.reading == "mixture":
            draw = torch.rand(rows, 1, generator=generator, dtype=xi.dtype).to(xi.device)
            xi = xi + (draw < share) * problem.shift
        else:
            xi = xi + share * problem.shift
        views = {"weak": problem.weak, "strong": problem.strong}
        seen = {model: _entangle(core, xi @ view) for model, view in views.items()}
        for gram, (left, right) in zip(grams, pairs, strict=True):
            gram.addmm_(seen[left].T, seen[right])
    return grams


def _normal(rows: int, columns: int, like: SpuriousProblem, generator: torch.Generator) -> Tensor:
    drawn = torch.randn(rows, columns, generator=generator, dtype=torch.float64)
    return drawn.to(like.shift.device)


def _entangle(core: Tensor, seen: Tensor) -> Tensor:
    """Products of [1, seen] (n, p) with core (n, d): (n, p * d)."""
    with_constant = torch.cat([seen.new_ones(len(seen), 1), seen], 1)
    return (with_constant[:, :, None] * core[:, None, :]).flatten(1)


def _inverse(gram: Tensor) -> Tensor:
    return torch.cholesky_inverse(torch.linalg.cholesky(gram))


def _risk(noise: list[Tensor], shape: torch.Size, test: Tensor) -> Tensor:
    """Mean risk of weights with covariances (p * d, p * d), one for each entry of shape.

    test: (..., p, p), second moment of what multiplies the core feature.
    """
    p = test.shape[-1]
    d = len(noise[0]) // p
    by_entry = torch.stack([n.view(p, d, p, d).diagonal(dim1=1, dim2=3).sum(-1) for n in noise])
    return (by_entry.view(*shape, p, p) * test).sum((-2, -1))


def _second_moment(problem: SpuriousProblem, view: Tensor, share: Tensor) -> Tensor:
    """E[v v'] of v = [1, xi @ view] where the minority has this share, (..., p, p)."""
    shift = torch.cat([share.new_zeros(1), view.T @ problem.shift])
    second = torch.outer(shift, shift)
    constant = torch.eye(len(shift)).to(shift)
    cross = torch.outer(constant[0], shift)
    square = share if problem.reading == "mixture" else share**2
    share, square = share[..., None, None], square[..., None, None]
    return constant + share * (cross + cross.T) + square * second
