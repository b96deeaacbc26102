"""A problem refuses what cannot be simulated or solved, and has the overlap asked for."""

from dataclasses import replace

import pytest
import torch
from intrinsic_cases import small_problem


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_labeled": 0}, "n_labeled must be an integer of at least 1, got 0"),
        ({"n_pool": 2.5}, "n_pool must be an integer of at least 1, got 2.5"),
        ({"noise": 0.0}, "noise must be finite and above 0, got 0.0"),
        ({"noise": float("nan")}, "noise must be finite and above 0, got nan"),
        ({"target": torch.zeros(3, 1)}, r"target must be \(k,\), k > 0, got shape \(3, 1\)"),
        ({"weak": torch.zeros(21, 2)}, r"weak must be \(21, any\) and not all 0"),
        ({"strong": torch.ones(20, 2)}, r"strong must be \(21, any\)"),
        ({"target": torch.ones(21)}, "target must be finite float64, got torch.float32"),
        ({"weak": torch.full((21, 2), torch.nan).double()}, "weak must be finite float64"),
    ],
)
def test_bad_problems_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(small_problem(), **change)


@pytest.mark.parametrize("d_shared", [-1, 9, [1.5], [0.1] * 9, [float("nan")]])
def test_impossible_overlaps_are_refused(d_shared):
    with pytest.raises(ValueError, match="d_shared must be"):
        small_problem(d_shared=d_shared)


@pytest.mark.parametrize("d_shared", [0, 3, 8, (0.9, 0.5), (0.7,) * 8])
def test_aligned_views_have_the_overlap_asked_for(d_shared):
    given = small_problem(d_shared=d_shared)
    assert (given.d_weak, given.d_strong) == (12, 8)
    expected = d_shared if isinstance(d_shared, int) else sum(c**2 for c in d_shared)
    assert given.d_shared == pytest.approx(expected, abs=1e-12)
