"""Simulations and closed forms of intrinsic dimension on another device than the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from intrinsic_cases import small_problem, with_target
from standin import standin
from torch import Tensor

from w2s_tutorial.problems import IntrinsicProblem
from w2s_tutorial.simulation.examples import resampled, simulate_averaged, simulate_examples
from w2s_tutorial.simulation.intrinsic import simulate
from w2s_tutorial.theory import intrinsic

GIVEN = with_target(small_problem(), 0.7)
ROWS = torch.randn(200, 21, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
BOTH = {"trials": 3, "seed": 0}
RIDGE = {"weak_penalty": 0.1, "strong_penalty": 0.2}
CALLS: dict[str, Callable[[IntrinsicProblem], Any]] = {
    "simulate": lambda p: simulate(p, **BOTH),
    "examples": lambda p: simulate_examples(p, **BOTH),
    "examples, ridge on the pool": lambda p: simulate_examples(p, on="pool", **RIDGE, **BOTH),
    "examples, resampled": lambda p: simulate_examples(
        p, latent=resampled(ROWS.to(p.target.device)), **BOTH
    ),
    "averaged": lambda p: simulate_averaged(p, **RIDGE, **BOTH),
    "ridge risks": lambda p: intrinsic.ridge_risks(p, **RIDGE),
} | {
    name: getattr(intrinsic, name)
    for name in (
        *("risks", "bias", "variance", "student_risk_on_pool", "published_student_variance"),
        *("published_risks", "pgr_bound", "opr_bound", "best_n_labeled"),
    )
}


def flat(found: Any) -> list[Tensor]:
    return [found] if isinstance(found, Tensor) else [one for part in found for one in flat(part)]


@pytest.mark.parametrize("call", CALLS)
def test_the_device_gives_what_the_cpu_gives(call: str):
    expected = flat(CALLS[call](GIVEN))
    with standin() as device:
        there = GIVEN.to(device)
        assert there.target.device == device
        assert there.noise == GIVEN.noise
        found = flat(CALLS[call](there))
        assert all(tensor.device == device for tensor in found)
        found = [tensor.cpu() for tensor in found]
    assert expected
    assert len(found) == len(expected)
    for one, other in zip(expected, found, strict=True):
        torch.testing.assert_close(other, one, rtol=1e-12, atol=0)
