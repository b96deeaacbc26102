"""Simulating the published intrinsic-dimension sweep: sufficient statistics against examples.

Run: python benchmarks/intrinsic.py        (about a minute)

Both run side by side at points spread over the published grid, the three overlaps in turn, and are
compared in seconds per trial, each with one thread or all, whichever are faster. The direct trial
draws n + N examples of the 300 coordinates and solves four least-squares problems by QR, the least
that a simulation by the book can do. The fast one includes setting up its problem anew at every
point, for 40 trials.
"""

from __future__ import annotations

from functools import partial

import torch
from common import fastest

from w2s_tutorial.problems import IntrinsicProblem
from w2s_tutorial.simulation.examples import simulate_examples
from w2s_tutorial.simulation.intrinsic import simulate

TRIALS = 40  # of the published sweep at every point
DIRECT_TRIALS = 5
GRID = [(400, 4000), (2200, 4000), (4000, 4000), (2000, 400), (2000, 2200)]


def main() -> None:
    generator = torch.Generator().manual_seed(0)
    total_direct = total_fast = 0.0
    print("d_shared      n      N   direct, ms/trial   fast, ms/trial   ratio  threads of either")
    for d_shared in (10, 50, 90):
        for n_labeled, n_pool in GRID:
            problem = IntrinsicProblem.published(
                n_labeled=n_labeled, n_pool=n_pool, d_shared=d_shared, noise=0.01
            )

            def by_the_book(problem: IntrinsicProblem = problem) -> None:
                for _ in range(DIRECT_TRIALS):
                    simulate_examples(problem, trials=1, seed=generator)

            spent, rivals, _ = fastest(by_the_book)
            ours, threads, _ = fastest(partial(simulate, problem, trials=TRIALS, seed=generator))
            direct, fast = spent / DIRECT_TRIALS, ours / TRIALS
            total_direct += direct
            total_fast += fast
            print(
                f"{d_shared:8d} {n_labeled:6d} {n_pool:6d} {direct * 1e3:18.1f}"
                f" {fast * 1e3:16.2f} {direct / fast:7.0f} {rivals:8d} {threads}"
            )
    print(f"whole grid: ratio {total_direct / total_fast:.0f}")


if __name__ == "__main__":
    main()
