"""Checks on discrepancy in real features: right answers pass, wrong ones get their own hint."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from helpers_data import ROOT

from w2s_tutorial.checks import real_features as checks
from w2s_tutorial.checks._common import CheckError
from w2s_tutorial.metrics import pgr
from w2s_tutorial.problems import IntrinsicProblem
from w2s_tutorial.tables import load_result
from w2s_tutorial.theory import intrinsic


def noisy_end(n, pool, dw, ds, shared, *, fresh=True, best=None, back=1):
    g = ds / (pool - ds - 1) if fresh else ds / pool
    per_direction = 1 / (n - dw - 1)
    ceiling = ds / (n + pool - ds - 1) if best is None else best(n, pool, ds)
    student = per_direction * (shared + back * g * (dw - shared))
    return (per_direction * dw - student) / (per_direction * dw - ceiling)


def by_theory(n_labeled, n_pool, d_weak, d_strong, d_shared):
    whole = int(d_shared)
    given = IntrinsicProblem.aligned(
        n_labeled=n_labeled,
        n_pool=n_pool,
        d_weak=d_weak,
        d_strong=d_strong,
        d_shared=[1.0] * whole + [(d_shared - whole) ** 0.5],
        noise=1.0,
    )
    risks = intrinsic.variance(given)
    return pgr(risks.weak[None], risks.student[None], risks.ceiling[None])


def test_check_noisy_end():
    assert "Right" in checks.check_noisy_end(by_theory)
    assert "Right" in checks.check_noisy_end(noisy_end)


@pytest.mark.parametrize(
    ("slip", "hint"),
    [
        ({"fresh": False}, "fresh ones"),
        ({"best": lambda n, pool, ds: 0}, "not perfect"),
        ({"best": lambda n, pool, ds: ds / (pool - ds - 1)}, "pool together"),
        ({"back": 0}, "endless pool"),
        ({"best": lambda n, pool, ds: 1}, "yours is"),
    ],
)
def test_check_noisy_end_names_the_slip(slip, hint):
    with pytest.raises(CheckError, match=f"n=200, .*{hint}"):
        checks.check_noisy_end(partial(noisy_end, **slip))


def test_check_noisy_end_fails_fits_that_spend_nothing():
    def lavish(n, pool, dw, ds, shared):
        student = (shared + ds / (pool - ds - 1) * (dw - shared)) / n
        return (dw / n - student) / (dw / n - ds / (n + pool))

    with pytest.raises(CheckError, match="spends examples"):
        checks.check_noisy_end(lavish)


def lesson(d_shared, known):
    """A teacher that sees this share of the target, all of which the student sees."""
    sizes = {"n_labeled": 150, "n_pool": 300, "d_weak": 20, "d_strong": 16}
    given = IntrinsicProblem.aligned(**sizes, d_shared=d_shared, noise=1.0)
    target = torch.zeros_like(given.target)
    target[0], target[15] = known**0.5, (1 - known) ** 0.5
    return replace(given, target=target)


def test_check_turn():
    pair = lesson(2, 0.7), lesson(12, 1.0)
    assert "Right" in checks.check_turn(TURN, *pair)
    for wrong, hint in (
        (TURN / 1.5, "too small"),
        (TURN * 1.5, "too large"),
        (0, "between 0 and 100"),
        (None, "between"),
    ):
        with pytest.raises(CheckError, match=hint):
            checks.check_turn(wrong, *pair)
    with pytest.raises(CheckError, match="too small"):
        checks.check_turn(TURN, *pair[::-1])


TURN = 1.8  # where the closed forms cross, to two digits


def pairs(*, fooled=True):
    draw = {"generator": torch.Generator().manual_seed(0), "dtype": torch.float64}
    scale = 0.8 ** torch.arange(16, dtype=torch.float64)
    first, second = (torch.randn(400, 16, **draw) * scale for _ in range(2))
    found = {"missed": (first, first.flip(1)), "invented": (first, second)}
    return found if fooled else {"missed": (first, first), "invented": (first, second.flip(1))}


def test_check_fooled():
    right, wrong = pairs(), pairs(fooled=False)
    assert "Found both" in checks.check_fooled(right)
    for answer, hint in (
        (right | {"missed": wrong["missed"]}, "missed: .* 4.00 directions are shared, by axes 4"),
        (right | {"missed": right["invented"]}, "missed: .*Asked for: all 4"),
        (right | {"invented": wrong["invented"]}, "invented: .*by axes 0"),
        (right | {"invented": wrong["missed"]}, "Asked for: none"),
        ({"missed": right["missed"]}, "no pair 'invented'"),
    ):
        with pytest.raises(CheckError, match=hint):
            checks.check_fooled(answer)


def few(n_labeled, n_pool, **sizes):
    given = {"d_weak": 4, "d_strong": 30, "d_shared": 0, "noise": 1.0}
    return IntrinsicProblem.aligned(n_labeled=n_labeled, n_pool=n_pool, **given | sizes)


def test_check_failed_baseline():
    assert "Found one" in checks.check_failed_baseline(few(36, 45))
    for problem, hint in (
        (few(36, 300), "above 1. How large is the pool"),
        (few(300, 45), "With how many labels"),
        (few(36, 45, d_shared=4), "above 1"),
    ):
        with pytest.raises(CheckError, match=hint):
            checks.check_failed_baseline(problem)


NOISE_RUNS = load_result(ROOT / "data" / "intrinsic" / "noise.csv")


def audit(query, *, rank=True, sign=-1):
    """Correlations of PGR and sign times the overlap."""
    chosen = NOISE_RUNS.query(f"{query} and noise == 1 and form != 'thin'")
    answer = {}
    for at, rows in chosen.groupby(["form", "target", "dataset"]):
        pair = rows[["mean", "d_shared"]]
        pair = pair.rank() if rank else pair
        answer[at] = sign * float(np.corrcoef(pair["mean"], pair["d_shared"])[0, 1])
    return answer


REAL, NATURAL = "examples == 'real'", "teacher != 'mixed'"


def test_check_order():
    right = audit(f"{REAL} and {NATURAL}")
    assert len(right) == 8
    assert max(right.values()) == pytest.approx(0.3)
    assert "0.30" in checks.check_order(right, NOISE_RUNS)
    rounded = {at: round(value, 2) for at, value in right.items()}
    assert "Right" in checks.check_order(rounded, NOISE_RUNS)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (audit(f"{REAL} and {NATURAL}", sign=1), "minus the overlap"),
        (audit(REAL), "built to share"),
        (audit(f"{REAL} and {NATURAL}", rank=False), "Rank both"),
        (audit(NATURAL), "normal examples"),
        ({}, "no number for"),
    ],
)
def test_check_order_names_the_slip(wrong, hint):
    with pytest.raises(CheckError, match=hint):
        checks.check_order(wrong, NOISE_RUNS)
