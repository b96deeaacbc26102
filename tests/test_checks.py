"""Every check passes the right answer, and fails each known-wrong one with its own hint."""

import math

import pytest
import torch
from scipy import stats

from w2s_tutorial import metrics
from w2s_tutorial.checks import question as checks
from w2s_tutorial.checks._common import CheckError, interval


def raises(*_):
    raise NotImplementedError


def test_check_pgr_passes_the_definition():
    assert "Right" in checks.check_pgr(metrics.pgr)
    assert "Right" in checks.check_pgr(
        lambda w, s, c: float((s.mean() - w.mean()) / (c.mean() - w.mean()))
    )


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda w, s, c: ((s - w) / (c - w)).mean(), "averages one ratio per head"),
        (lambda w, s, c: s.mean() / c.mean(), "equal to its teacher must score 0"),
        (lambda w, s, c: (s - w).mean(), "equal to the ceiling must score 1"),
        (lambda w, s, c: ((s - w).mean() / (c - w).mean()).abs(), "keep the sign"),
        (lambda w, s, c: ((s - w).mean() / (c - w).mean()).clamp(0, 1), "keep the sign"),
        (lambda w, s, c: (s.median() - w.median()) / (c.median() - w.median()), "between the two"),
        (lambda w, s, c: (s - w) / (c - w), "One number is asked for, 20 came back"),
    ],
)
def test_check_pgr_hints_at_what_is_wrong(wrong, hint):
    with pytest.raises(CheckError, match=hint):
        checks.check_pgr(wrong)


def test_an_empty_stub_is_not_a_pass():
    with pytest.raises(NotImplementedError):
        checks.check_pgr(raises)


def test_check_pgr_cannot_be_fooled_by_changing_its_inputs():
    def vandal(w, s, c):
        value = metrics.pgr(w, s, c)
        w.zero_(), s.fill_(1), c.fill_(1)
        return value

    assert "Right" in checks.check_pgr(vandal)


def test_check_guess_reports_side_and_interval():
    measured = torch.tensor([0.58, 0.60, 0.62])
    assert "inside" in checks.check_guess(0.6, measured)
    assert "below" in checks.check_guess(0.1, measured)
    assert "above" in checks.check_guess(0.9, measured)
    with pytest.raises(CheckError, match="Write a number"):
        checks.check_guess(math.nan, measured)


def test_check_below_teacher():
    g = torch.Generator().manual_seed(0)
    weak = 0.8 + 0.01 * torch.randn(32, generator=g)
    lower = weak - 0.02 + 0.01 * torch.randn(32, generator=g)
    assert "Found one" in checks.check_below_teacher(weak, lower)
    for student, hint in (
        (weak + 0.02, "the interval must lie below 0"),
        (weak, "the interval must lie below 0"),
        (weak - 0.001 + 0.05 * torch.randn(32, generator=g), "the interval must lie below 0"),
        (lower[:8], "a value per head"),
    ):
        with pytest.raises(CheckError, match=hint):
            checks.check_below_teacher(weak, student)
    with pytest.raises(CheckError, match="at least 16 heads, you used 4"):
        checks.check_below_teacher(weak[:4], lower[:4])


def test_check_same_pgr():
    group = torch.arange(40) // 10
    spread = torch.arange(40) % 5 != 0
    crowded = torch.arange(40) >= 8
    assert "Same accuracy 0.80, worst groups 0.80 and 0.20" in checks.check_same_pgr(
        spread, crowded, group
    )
    for first, second, hint in (
        (spread, spread, "until they differ by 0.2"),
        (spread, torch.ones(40, dtype=torch.bool), "accuracies differ: 0.800 and 1.000"),
        (spread, crowded[:20], "a bool per example"),
        (spread, crowded.float(), "a bool per example"),
    ):
        with pytest.raises(CheckError, match=hint):
            checks.check_same_pgr(first, second, group)


def test_check_audit():
    g = torch.Generator().manual_seed(0)
    noise = 0.01 * torch.randn(4, 32, generator=g, dtype=torch.float64)
    weak = torch.tensor([[0.70], [0.71], [0.74], [0.60]], dtype=torch.float64) + noise
    student = 0.80 + noise.flip(0)
    gains = (student - weak).mean(1).tolist()
    assert f"claim survives: {gains[2]:+.3f}" in checks.check_audit(weak, student, gains[2])
    equal = weak + 0.05 * noise.flip(0)
    told = checks.check_audit(weak, equal, float((equal - weak)[2].mean()))
    assert "does not survive" in told
    for arguments, hint in (
        ((weak, student, gains[1]), "Row 2 is the teacher's best"),  # the chapter's penalty
        ((weak, student, gains[3]), "not by the gain"),  # the largest gain
        ((weak[:3], student[:3], gains[2]), "at least 4 penalties, you tried 3"),
        ((weak[:, :8], student[:, :8], gains[2]), "at least 16 heads, you used 8"),
        ((weak, student[0], gains[2]), "a row per penalty"),
    ):
        with pytest.raises(CheckError, match=hint):
            checks.check_audit(*arguments)


@pytest.mark.parametrize("n", [2, 5, 40])
def test_the_interval_behind_beyond_doubt_is_students(n):
    values = torch.randn(n, generator=torch.Generator().manual_seed(n)).double()
    scale = float(values.std()) / n**0.5
    expected = stats.t.interval(0.95, n - 1, loc=float(values.mean()), scale=scale)
    assert interval(values) == pytest.approx(expected, rel=1e-9)
