"""The full limit against the usual way to evaluate it; the chapter's grid, timed and checked.

1. One evaluation of `theory.spurious.risks` against iterating its equations on 200,000 draws of
   the group feature, each with one thread or all, whichever are faster; and the Monte Carlo error
   that the draws leave.
2. The chapter's grid (11 pool shares x 3 labelled shares x 2 readings, d_core = 64): seconds of
   the simulation, and how far its mean is from the limit and from the quoted theorem. At a finite
   d_core the limit is off by about 1/d_core (tests/test_spurious_agreement.py), and eight trials
   can resolve that: |z| measures both.

    python benchmarks/spurious.py
"""

from __future__ import annotations

import time
from functools import partial

import torch
from common import fastest

from w2s_tutorial.problems import Risks, SpuriousProblem
from w2s_tutorial.simulation.spurious import simulate
from w2s_tutorial.theory import spurious
from w2s_tutorial.theory.spurious_leading import published_risks

DRAWS, STEPS, TRIALS, D_CORE = 200_000, 30, 8, 64


def monte_carlo(problem: SpuriousProblem, generator: torch.Generator) -> Risks:
    """The equations in the docstring of `spurious`, each mean over DRAWS of xi."""
    gamma, nu = problem.d_core / problem.n_labeled, problem.d_core / problem.n_pool
    labeled, pool, test = problem.shares

    def draw(share: torch.Tensor) -> list[torch.Tensor]:
        xi = torch.randn(DRAWS, len(problem.shift), generator=generator, dtype=torch.float64)
        minority = share.expand(DRAWS, 1)
        if problem.reading == "mixture":
            minority = torch.bernoulli(minority, generator=generator)
        xi = xi + minority * problem.shift
        one = torch.ones(DRAWS, 1, dtype=torch.float64)
        return [torch.cat([one, xi @ view], 1) for view in (problem.weak, problem.strong)]

    def mean(weight: torch.Tensor, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return left.T @ (weight[:, None] * right) / DRAWS

    def form(phi: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
        return ((phi @ matrix) * phi).sum(1)

    def fit(phi: torch.Tensor, ratio: float) -> tuple[torch.Tensor, torch.Tensor]:
        h = torch.zeros(phi.shape[1], phi.shape[1], dtype=torch.float64)
        for _ in range(STEPS):
            h = torch.linalg.inv(mean(1 / (1 + ratio * form(phi, h)), phi, phi))
        return h, 1 / (1 + ratio * form(phi, h))

    (w_labeled, psi_labeled), (w, psi), (w_test, psi_test) = map(draw, (labeled, pool, test))
    one = torch.ones(DRAWS, dtype=torch.float64)
    c_weak, c = mean(one, w_test, w_test), mean(one, psi_test, psi_test)
    (g, _), (baseline, _), (h, damping) = (
        fit(*given) for given in ((w_labeled, gamma), (psi_labeled, gamma), (psi, nu))
    )
    to_weak = mean(damping, w, psi) @ h
    kept = c
    for _ in range(STEPS):
        kept = c + nu * mean(damping**2 * form(psi, h @ kept @ h), psi, psi)
    through = damping**2 * form(psi, h @ kept @ h) * form(w - psi @ to_weak.T, g)
    student = torch.trace(g @ to_weak @ c @ to_weak.T) + nu * through.mean()
    traces = gamma * torch.trace(g @ c_weak), gamma * student, gamma * torch.trace(baseline @ c)
    return Risks(*(problem.noise * role for role in (*traces, nu * torch.trace(h @ c))))


def problem(reading: str, labeled: torch.Tensor, pool: torch.Tensor) -> SpuriousProblem:
    return SpuriousProblem.aligned(
        n_labeled=50 * D_CORE,
        n_pool=100 * D_CORE,
        d_core=D_CORE,
        p_weak=5,
        p_strong=3,
        overlap=0.5,
        separation_weak=4.0,
        separation_strong=1.0,
        minority_labeled=labeled,
        minority_pool=pool,
        minority_test=0.5,
        reading=reading,
    )


def evaluate_once() -> None:
    generator = torch.Generator().manual_seed(0)
    for reading in ("mean", "mixture"):
        given = problem(reading, torch.tensor(0.1), torch.tensor(0.3))
        spurious.risks(given)
        seconds, draws, ours = [], [], []
        for _ in range(4):
            spent, rivals, drawn = fastest(partial(monte_carlo, given, generator))
            quick, threads, exact = fastest(partial(spurious.risks, given))
            draws.append(torch.stack(drawn))
            ours.append(torch.stack(exact))
            seconds.append((spent, quick))
        slow, fast = (sorted(s)[1] for s in zip(*seconds, strict=True))
        error = (torch.stack(draws) / ours[0] - 1).abs().max()
        print(
            f"one limit, {reading:8} draws {slow:6.2f} s, ours {1000 * fast:5.1f} ms: "
            f"{slow / fast:4.0f}x ({rivals} and {threads} threads); error of the draws up to"
            f" {float(error):.1e}"
        )
    shares = torch.linspace(0, 0.5, 51, dtype=torch.float64)
    given = problem("mixture", shares[:, None], shares)
    start = time.perf_counter()
    spurious.risks(given)
    print(f"surface of {len(shares) ** 2} settings: {time.perf_counter() - start:.2f} s")


def simulate_grid() -> None:
    labeled = torch.tensor([[0.1], [0.3], [0.5]], dtype=torch.float64)
    pool = torch.linspace(0, 0.5, 11, dtype=torch.float64)
    total = 0.0
    for reading in ("mean", "mixture"):
        given = problem(reading, labeled, pool)
        start = time.perf_counter()
        measured = simulate(given, trials=TRIALS, seed=torch.Generator().manual_seed(0))
        total += time.perf_counter() - start
        limit, quoted = spurious.risks(given), published_risks(given)
        for role in ("weak", "student"):
            values = getattr(measured, role)
            mean, error = values.mean(0), values.std(0) / TRIALS**0.5
            off, z = mean / getattr(limit, role) - 1, (mean - getattr(limit, role)) / error
            print(
                f"grid of 33, {reading:8} {role:8} simulated over limit: {float(off.min()):+.3f} to"
                f" {float(off.max()):+.3f} (|z| median {float(z.abs().median()):.1f}, most"
                f" {float(z.abs().max()):.1f}); over quoted theorem:"
                f" {float((mean / getattr(quoted, role)).min()):.2f} to"
                f" {float((mean / getattr(quoted, role)).max()):.2f}"
            )
    print(f"66 settings, {TRIALS} trials, {torch.get_num_threads()} threads: {total:.1f} s")


if __name__ == "__main__":
    evaluate_once()
    simulate_grid()
