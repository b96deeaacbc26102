"""The loss that the batched solver minimises, digit by digit."""

import mpmath
import pytest
import torch

from w2s_tutorial.heads.majorise import Problem


@pytest.mark.parametrize("q", [0.0, 1e-12, 1e-6, 0.3, 1.0])
def test_the_loss_keeps_its_digits_in_float32(q):
    """Against mpmath, at log-odds from a sure mistake to a sure hit."""
    z = torch.linspace(-12, 12, 97)
    ones = torch.ones(1, 1, 1)
    for label in (0, 1):
        target = torch.tensor([1.0 - label, label]).view(2, 1, 1, 1)
        mpmath.mp.dps = 40
        q32 = torch.tensor(q)
        for value in z.tolist():
            problem = Problem(ones, target, ones, q32.view(1, 1, 1), torch.zeros(1, 1, 1, 1))
            got = float(problem.value(torch.zeros(1, 1, 1, 1), torch.full((1, 1, 1, 1), value)))
            p = 1 / (1 + mpmath.exp(-mpmath.mpf(value) * (2 * label - 1)))
            exact_q = mpmath.mpf(float(q32))
            exact = (1 - p**exact_q) / exact_q if q else -mpmath.log(p)
            assert abs(got - float(exact)) <= 1e-6 * max(1e-6, float(exact))
