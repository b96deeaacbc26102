"""What a spurious problem accepts and refuses."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from spurious_cases import READINGS, aligned, in_general_position


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_bad_fields_are_refused(data):
    bad = {
        "n_labeled": st.integers(max_value=41) | st.just(1000.0) | st.just(True),
        "n_pool": st.integers(max_value=31) | st.just("many"),
        "d_core": st.integers(max_value=0) | st.just(2.5),
        "noise": st.floats(max_value=0) | st.sampled_from([math.nan, math.inf]),
        "minority_labeled": st.floats(min_value=1, exclude_min=True) | st.just(math.nan),
        "minority_pool": st.floats(max_value=0, exclude_max=True),
        "minority_test": st.just(torch.tensor([0.5, math.nan])) | st.just(torch.empty(0)),
        "reading": st.text().filter(lambda s: s not in READINGS),
        "shift": st.sampled_from([torch.zeros(6), torch.full((6,), math.nan).double()]),
        "weak": st.sampled_from(
            [torch.eye(6)[:, :3], 2 * torch.eye(6).double(), torch.eye(5).double()]
        ),
        "strong": st.sampled_from([torch.ones(6).double(), torch.ones(6, 2).double()]),
    }
    name = data.draw(st.sampled_from(sorted(bad)))
    with pytest.raises(ValueError, match=name):
        replace(in_general_position(0), **{name: data.draw(bad[name])})


def test_shares_that_do_not_broadcast_are_refused():
    with pytest.raises(ValueError, match=r"must broadcast, got shapes \[\(3,\), \(2,\), \(\)\]"):
        aligned(minority_labeled=torch.zeros(3), minority_pool=torch.zeros(2))


@settings(deadline=None, max_examples=60)
@given(
    p_weak=st.integers(1, 6),
    p_strong=st.integers(1, 6),
    share=st.floats(0, 0.99),
    separations=st.tuples(st.floats(0, 50), st.floats(0, 50)),
)
def test_aligned_has_the_sizes_asked_for(p_weak, p_strong, share, separations):
    seen = [s if p > 1 else 0.0 for s, p in zip(separations, (p_weak, p_strong), strict=True)]
    overlap = share * (min(p_weak, p_strong) - 1)
    problem = aligned(
        p_weak=p_weak,
        p_strong=p_strong,
        used=0.1 * p_weak / max(p_weak, p_strong),
        overlap=overlap,
        separation_weak=seen[0],
        separation_strong=seen[1],
    )
    assert (problem.p_weak, problem.p_strong) == (p_weak, p_strong)
    assert problem.p_shared == pytest.approx(1 + overlap)
    assert float(problem.shift_weak.square().sum()) == pytest.approx(seen[0], abs=1e-6)
    assert float(problem.shift_strong.square().sum()) == pytest.approx(seen[1], abs=1e-6)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"overlap": 2.1}, r"overlap must lie in \[0, 2\], got 2.1"),
        ({"overlap": -0.1}, r"overlap must lie in \[0, 2\], got -0.1"),
        ({"overlap": 2.0, "separation_strong": 9.0}, "separation_strong must be reachable"),
        ({"separation_weak": -1.0}, "separation_weak must be finite and at least 0, got -1"),
        ({"separation_strong": math.nan}, "separation_strong must be finite"),
        ({"p_strong": 0}, "p_strong must be an integer of at least 1, got 0"),
        ({"p_weak": 1, "overlap": 0.0}, "separation_weak, separation_strong must be reachable"),
    ],
)
def test_aligned_refuses(changes, message):
    with pytest.raises(ValueError, match=message):
        aligned(**{"separation_strong": 1.0, **changes})
