"""Every check passes the right answer, and fails each known-wrong one with its own hint."""

import pytest
import torch

from w2s_tutorial.checks import teachers as checks
from w2s_tutorial.checks._common import CheckError


def weight(first, second):
    way = second - first
    return (way @ second / (way @ way)).clamp(0, 1)


def test_check_two():
    assert "Right" in checks.check_two(weight)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda a, b: (b - a) @ b / ((b - a) @ (b - a)), "clip"),
        (lambda a, b: 1 - weight(a, b), "weight of the second"),
        (lambda a, b: b.norm() / (a.norm() + b.norm()), "their angle matters"),
        (lambda a, b: (b - a) @ b, "Divide by the squared distance"),
        (lambda a, b: 0.5, "is right, yours is 0.5"),
        (lambda a, b: None, "one number is asked for"),
    ],
)
def test_check_two_hints_at_what_is_wrong(wrong, hint):
    with pytest.raises(CheckError, match=hint):
        checks.check_two(wrong)


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ((0.8, 0.85, 0.8), "All weights are equal here"),
        ((0.95, 0.85, 0.8), "farthest from the student"),
        ((2.65 / 3, 2.65 / 3, 0.8), "nearest two"),
        ((2.65 / 3, 0.8, 0.8), "forbids all weight on one"),
        ((2.65 / 3, 0.925, 0.8), "farthest from the student"),
        ((2.65 / 3, 0.85, 2.65 / 3), "from one teacher: which"),
        ((2.65 / 3, 0.85, 0.95), "farthest from the student"),
        ((None, 0.85, 0.8), "C = 1/3: one number"),
    ],
)
def test_check_caps_hints_at_what_is_wrong(answer, hint):
    assert "Right" in checks.check_caps(2.65 / 3, 0.85, 0.8)
    with pytest.raises(CheckError, match=hint):
        checks.check_caps(*answer)


def trap(modest=0.6, sure=0.99, share=5):
    sees = torch.randn(200, 4, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    truth = (sees[:, 0] > 0).long()
    wrong = torch.arange(200) % share == 0
    named = torch.stack([truth, truth ^ wrong, truth ^ wrong.roll(1)])
    of = torch.tensor([modest, sure, sure]).double()[:, None]
    ones = torch.where(named == 1, of, 1 - of)
    return sees, torch.stack([1 - ones, ones], -1), truth


def test_check_dropped():
    assert "Found one" in checks.check_dropped(*trap())
    with pytest.raises(CheckError, match="besides being right makes weight"):
        checks.check_dropped(*trap(modest=0.99))
    with pytest.raises(CheckError, match="first has to lead"):
        checks.check_dropped(*trap(share=20))
    with pytest.raises(CheckError, match="three tensors"):
        checks.check_dropped(None, None, None)
    sees, said, truth = trap()
    with pytest.raises(CheckError, match="n from 50 to 2000"):
        checks.check_dropped(sees[:40], said[:, :40], truth[:40])
    with pytest.raises(CheckError, match="RAVEN cannot run: said must hold probabilities"):
        checks.check_dropped(sees, said * 2, truth)


def trios():
    truth = torch.zeros(9, dtype=torch.long)
    alone, paired = (torch.zeros(3, 9, dtype=torch.long) for _ in "ab")
    alone[[0, 0, 1, 1, 2, 2], [0, 1, 2, 3, 4, 5]] = 1
    paired[[0, 1, 1, 2, 2, 0], [0, 0, 1, 1, 2, 2]] = 1
    return alone, paired, truth


def test_check_together():
    alone, paired, truth = trios()
    assert "Found both" in checks.check_together(alone, paired, truth)
    with pytest.raises(CheckError, match="first majority has to beat"):
        checks.check_together(paired, alone, truth)
    with pytest.raises(CheckError, match="second majority has to fall"):
        checks.check_together(alone, alone, truth)
    with pytest.raises(CheckError, match="Accuracies have to be equal"):
        checks.check_together(alone, 1 - paired, truth)
    with pytest.raises(CheckError, match="0 or 1"):
        checks.check_together(alone * 2, paired, truth)
    with pytest.raises(CheckError, match=r"answers \(3, n\)"):
        checks.check_together(alone[:2], paired, truth)
    with pytest.raises(CheckError, match="three tensors"):
        checks.check_together(None, paired, truth)


def share(weight, accuracy):
    return (weight.argmax(1) == accuracy.argmax(1)).double().mean()


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda w, a: float(w.mean(0).argmax() == a.mean(0).argmax()), "Compare within each draw"),
        (lambda w, a: (w.argmax(0) == a.argmax(0)).double().mean(), "dimension 1"),
        (lambda w, a: (w.argmax(1) == a.argmax(1)).sum(), "not their number"),
        (lambda w, a: 1 - share(w, a), "share that miss it"),
        (lambda w, a: 0.123, "yours is 0.123"),
    ],
)
def test_check_share_hints_at_what_is_wrong(wrong, hint):
    assert "Right" in checks.check_share(share)
    with pytest.raises(CheckError, match=hint):
        checks.check_share(wrong)
