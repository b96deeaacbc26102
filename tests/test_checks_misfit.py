"""Every check passes the right answer, and fails each known-wrong one with its own hint."""

import math
from functools import partial
from itertools import permutations

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr, spearmanr

from w2s_tutorial.checks import misfit as checks_misfit
from w2s_tutorial.checks._common import CheckError
from w2s_tutorial.theory import misfit


def by_theory(strong, weak, target):
    parts = misfit.linear_gain(strong, weak[None, :, None], target[None, :, None])
    return parts.gain[0], parts.misfit[0]


def with_student(said):
    def answer(strong, weak, target):
        student = said(strong, weak, target)
        gain = (weak - target).square().mean() - (student - target).square().mean()
        return gain, (student - weak).square().mean()

    return answer


def fitted(strong, answer):
    return strong @ torch.linalg.pinv(strong) @ answer


def with_bias(strong, answer):
    return fitted(torch.cat([strong, torch.ones(len(strong), 1).double()], 1), answer)


def test_check_gain_passes_what_theory_says():
    assert "Right" in checks_misfit.check_gain_and_misfit(by_theory)
    right = with_student(lambda strong, weak, target: with_bias(strong, weak))
    assert "Right" in checks_misfit.check_gain_and_misfit(right)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (with_student(lambda strong, weak, target: fitted(strong, weak)), "no bias"),
        (with_student(lambda strong, weak, target: with_bias(strong, target)), "true labels"),
        (lambda *data: (-by_theory(*data)[0], by_theory(*data)[1]), "sign of the gain"),
        (lambda *data: [len(data[1]) * v for v in by_theory(*data)], "not sums"),
        (lambda *data: by_theory(*data)[::-1], "Gain first"),
        (lambda *data: (by_theory(*data)[1],) * 2, "equal only if"),
        (lambda *data: (1.0, 2.0), "yours are 1 and 2"),
        (lambda *data: (1.0,), "two numbers"),
    ],
)
def test_check_gain_names_the_slip(wrong, hint):
    with pytest.raises(CheckError, match=hint):
        checks_misfit.check_gain_and_misfit(wrong)


def test_check_error_range():
    assert "Right" in checks_misfit.check_error_range(0.1, 0.5)
    for low, high, hint in (
        (0.3, 0.3, "in the class"),
        (0.2, 0.4, "by half"),
        (0, 1, "square root"),
        (None, None, "your two numbers down first: they are None and None"),
        (0.1, None, "your two numbers down first"),
    ):
        with pytest.raises(CheckError, match=hint):
            checks_misfit.check_error_range(low, high)


def test_check_harm():
    one, other = (
        torch.randn(40, generator=torch.Generator().manual_seed(s)).double() for s in (0, 1)
    )
    assert "Found one" in checks_misfit.check_harm(other[:, None], one + other, one)
    with pytest.raises(CheckError, match="is no worse"):
        checks_misfit.check_harm(one[:, None], one + other, one)
    with pytest.raises(CheckError, match="make mistakes"):
        checks_misfit.check_harm(one[:, None], one, one)
    with pytest.raises(CheckError, match="misfit should be"):
        checks_misfit.check_harm(torch.stack([one, other], 1), one + other, one)


def test_check_same_promise():
    turn = torch.arange(12) * torch.pi / 6
    sine, cosine = turn.sin().double(), turn.cos().double()
    first, second = 2**0.5 * sine + 0.5 * cosine, -0.5 * cosine
    good = checks_misfit.check_same_promise(sine[:, None], first, second, cosine)
    assert "Found them" in good
    assert "gains -0.375 and 0.625" in good  # by hand: (2.25 - 3) / 2 and (2.25 - 1) / 2
    for one, other, hint in (
        (first, first, "other below"),
        (first, sine, "refused something"),
        (first, -0.4 * cosine, "errors should be the same"),
        (first, 1.61**0.5 * sine + 0.2 * cosine, "misfits should be the same"),
    ):
        with pytest.raises(CheckError, match=hint):
            checks_misfit.check_same_promise(sine[:, None], one, other, cosine)


def by_counting(first, second, *, ranked=True, sided=False, strict=False):
    """The share of orders by scipy's correlations, one by one."""
    correlate = spearmanr if ranked else pearsonr
    given = correlate(first, second).statistic
    every = [correlate(first, order).statistic for order in permutations(second.tolist())]
    if sided:
        return sum(r * np.sign(given) >= abs(given) - 1e-9 for r in every) / len(every)
    limit = abs(given) + 1e-9 if strict else abs(given) - 1e-9
    return sum(abs(r) >= limit for r in every) / len(every)


def one_tail(first, second):
    """Orders whose correlation is at least the given one, with its sign: all if it is -1."""
    given = spearmanr(first, second).statistic
    every = [spearmanr(first, order).statistic for order in permutations(second.tolist())]
    return sum(r >= given - 1e-9 for r in every) / len(every)


def test_check_chance_passes_a_count_over_all_orders():
    assert "Right" in checks_misfit.check_chance(by_counting)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (one_tail, "without their signs"),
        (partial(by_counting, sided=True), "both signs"),
        (partial(by_counting, strict=True), "count, too"),
        (partial(by_counting, ranked=False), "the ranks"),
        (lambda *data: 1 - by_counting(*data), "other orders"),
        (lambda *data: math.factorial(len(data[0])) * by_counting(*data), "Divide by"),
        (lambda *data: 0.5, "yours is 0.5"),
    ],
)
def test_check_chance_names_the_slip(wrong, hint):
    with pytest.raises(CheckError, match=hint):
        checks_misfit.check_chance(wrong)
