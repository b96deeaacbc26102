"""Every check passes the right answer, and fails each known-wrong one with its own hint."""

import pytest
import torch
from torch.nn.functional import logsigmoid

from w2s_tutorial.checks import preferences as checks
from w2s_tutorial.checks._common import CheckError
from w2s_tutorial.metrics import t_half_width


def right(won, lost, won_before, lost_before, beta):
    return -logsigmoid(beta * ((won - won_before) - (lost - lost_before)))


def test_check_dpo_passes_the_stable_form():
    assert "Right" in checks.check_dpo(right)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda w, v, a, b, beta: right(v, w, b, a, beta), "The sign"),
        (lambda w, v, a, b, beta: -logsigmoid(beta * (w - v)), "reference is missing"),
        (lambda w, v, a, b, beta: right(w, v, a, b, 1), "beta is missing"),
        (lambda w, v, a, b, beta: -right(w, v, a, b, beta), "log sigmoid itself"),
        (lambda w, v, a, b, beta: -logsigmoid(beta * (w - a)), "Only the chosen"),
        (lambda w, v, a, b, beta: right(w, v, a, b, beta).mean(), "one loss per pair"),
        (lambda w, v, a, b, beta: -torch.sigmoid(beta * (w - a - v + b)).log(), "logsigmoid"),
        (lambda w, v, a, b, beta: w * 0 + 7, "is right, yours is 7"),
    ],
)
def test_check_dpo_hints_at_what_is_wrong(wrong, hint):
    with pytest.raises(CheckError, match=hint):
        checks.check_dpo(wrong)


P = 13 / 25
TWO = P**3 + 3 * P**2 * (1 - P)


def test_check_votes_agrees_with_dice():
    said = checks.check_votes(TWO + 9 / 4 * P * (1 - P) ** 2)
    dice = float(said.split("Right: ")[1].split(" ")[0])
    # 100,000 sums, of which the 25 of one draw hang together a little
    assert abs(dice - (TWO + 9 / 4 * P * (1 - P) ** 2)) < 0.006


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (P, "one teacher"),
        (TWO, "what the student knew"),
        (TWO + 3 * P * (1 - P) ** 2, "one of four"),
        (0.91488, "eight wrong"),
        (0.5, "yours is 0.5"),
        (None, "one number"),
    ],
)
def test_check_votes_hints_at_what_is_wrong(wrong, hint):
    with pytest.raises(CheckError, match=hint):
        checks.check_votes(wrong)


def test_check_fooled():
    first, second = torch.tensor([0.9, 0.9, 0.9, 0.01]), torch.full((4,), 0.45)
    assert "Found" in checks.check_fooled(first, second)
    with pytest.raises(CheckError, match="more digits above a half"):
        checks.check_fooled(second, first)
    with pytest.raises(CheckError, match="the first is chosen"):
        checks.check_fooled(torch.full((4,), 0.9), second)
    with pytest.raises(CheckError, match="above 0"):
        checks.check_fooled(first * 0, second)
    with pytest.raises(CheckError, match=r"two tensors \(4,\)"):
        checks.check_fooled(None, second)


def test_check_blind():
    assert "Found" in checks.check_blind([-3, -7, -4, -4], [-6, -10, -4, -4])
    with pytest.raises(CheckError, match="once up and once down"):
        checks.check_blind([-3, -7, -4, -4], [-2, -6, -4, -4])
    with pytest.raises(CheckError, match="Losses differ"):
        checks.check_blind([-3, -7, -4, -4], [-6, -9, -4, -4])
    with pytest.raises(CheckError, match="at most 0"):
        checks.check_blind([3, -7, -4, -4], [-6, -9, -4, -4])
    with pytest.raises(CheckError, match="four log-probabilities"):
        checks.check_blind(None, None)


def paired(first, second, *, unpaired=False, z=False, root=True, ddof=1):
    gap, s = first - second, len(first)
    spread = (first.var() + second.var()).sqrt() if unpaired else gap.std(correction=ddof)
    error = float(spread) / (s**0.5 if root else 1)
    half = 1.96 * error if z else t_half_width(error, s)
    return gap.mean(), gap.mean() - half, gap.mean() + half


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda a, b: paired(b, a), "Subtract the second"),
        (lambda a, b: paired(a, b, unpaired=True), "Differences first"),
        (lambda a, b: paired(a, b, z=True), "wider than 1.96"),
        (lambda a, b: paired(a, b, root=False), "root of the number"),
        (lambda a, b: paired(a, b, ddof=0), "s - 1"),
        (lambda a, b: (*paired(a, b)[:2], 9.0), "upper end"),
        (lambda a, b: 1.0, "three numbers"),
    ],
)
def test_check_paired_hints_at_what_is_wrong(wrong, hint):
    assert "Right" in checks.check_paired(paired)
    with pytest.raises(CheckError, match=hint):
        checks.check_paired(wrong)
