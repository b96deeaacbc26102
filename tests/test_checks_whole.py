"""Every check passes the right answer, and fails each known-wrong one with its own hint."""

import pytest
import torch
from torch.nn.functional import one_hot

from w2s_tutorial.checks import whole as checks
from w2s_tutorial.checks._common import CheckError


def auxiliary(output, target, a, *, half=False, leak=False, both=False, cut=False):
    odds = output[:, 1] - output[:, 0]
    quota = int(target[:, 1].sum() if cut else target[:, 1].sum().round())
    own = one_hot((odds.argsort(descending=True).argsort() < quota).long(), 2).double()
    if half:
        own = one_hot(output.argmax(-1), 2).double()
    if leak:
        own = own + output - output.detach()
    mixed = (1 if both else 1 - a) * target + a * own
    return -(mixed * output.log_softmax(-1)).sum(-1)


def test_check_auxiliary_passes_the_right_loss():
    assert "Right" in checks.check_auxiliary(auxiliary)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda o, t, a: auxiliary(o, t, a, half=True), "Harden by rank"),
        (lambda o, t, a: auxiliary(o, t, a, leak=True), "no gradient may pass"),
        (lambda o, t, a: auxiliary(o, t, a, cut=True), "rounded, not cut off"),
        (lambda o, t, a: auxiliary(o, t, a, both=True), "add up to 1"),
        (lambda o, t, a: auxiliary(o, t, 1 - a), "With weight 0 it is cross-entropy"),
        (lambda o, t, a: auxiliary(o, t, a).mean(), "one loss per example"),
    ],
)
def test_check_auxiliary_hints_at_what_is_wrong(wrong, hint):
    with pytest.raises(CheckError, match=hint):
        checks.check_auxiliary(wrong)


def test_check_moving_wins_wants_an_interval_above_zero():
    frozen = torch.tensor([0.70, 0.71, 0.69, 0.70, 0.72, 0.70])
    assert "Found one" in checks.check_moving_wins(frozen + 0.05, frozen)
    with pytest.raises(CheckError, match="must lie above 0"):
        checks.check_moving_wins(frozen.flip(0), frozen)
    with pytest.raises(CheckError, match="at least 6 students, got 3"):
        checks.check_moving_wins(frozen[:3] + 0.1, frozen[:3])
    with pytest.raises(CheckError, match="one accuracy per run"):
        checks.check_moving_wins(frozen[:3], frozen)


def oracle(choose, report):
    return report.gather(1, choose.argmax(1, keepdim=True)).mean()


def test_check_oracle_passes_the_right_answer():
    assert "Right" in checks.check_oracle(oracle)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda choose, report: choose.amax(1).mean(), "luck counts as skill"),
        (lambda choose, report: report.amax(1).mean(), "nobody chose it"),
        (lambda choose, report: report[:, choose.mean(0).argmax()].mean(), "of its own"),
        (lambda choose, report: choose[:, choose.mean(0).argmax()].mean(), "by which you chose"),
    ],
)
def test_check_oracle_hints_at_what_is_wrong(wrong, hint):
    with pytest.raises(CheckError, match=hint):
        checks.check_oracle(wrong)
