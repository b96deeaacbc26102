from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from w2s_tutorial.seeds import generator_of


def test_an_integer_draws_what_a_generator_of_that_seed_draws():
    expected = torch.randn(5, generator=torch.Generator().manual_seed(7))
    for seed in (7, np.int64(7)):
        torch.testing.assert_close(torch.randn(5, generator=generator_of(seed)), expected)
    other = torch.randn(5, generator=generator_of(8))
    assert not torch.equal(other, expected)


def test_a_generator_is_consumed_and_the_global_one_is_not():
    mine, state = torch.Generator().manual_seed(0), torch.get_rng_state()
    assert generator_of(mine) is mine
    first, second = (torch.randn(3, generator=generator_of(mine)) for _ in range(2))
    assert not torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("seed", [None, 1.0, "0", True, torch.tensor(0)])
def test_what_is_no_seed_is_refused(seed):
    with pytest.raises(TypeError, match=r"seed must be an integer or a torch\.Generator, got"):
        generator_of(seed)


@pytest.mark.parametrize("seed", [-1, 2**63])
def test_integers_that_torch_would_wrap_are_refused(seed):
    with pytest.raises(ValueError, match=re.escape(f"seed must lie in 0 to 2^63 - 1, got {seed}")):
        generator_of(seed)
