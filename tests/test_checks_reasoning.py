"""Every check on reasoning passes the right answer, and fails each wrong one with its own hint."""

import pandas as pd
import pytest
import torch

from w2s_tutorial.checks import reasoning as checks
from w2s_tutorial.checks._common import CheckError
from w2s_tutorial.simulation import reasoning


def right(logits, text, counts):
    each = logits[:, :-1].log_softmax(-1).gather(-1, text[:, 1:, None])[..., 0]
    return (each * counts[:, 1:]).sum(1)


def unshifted(logits, text, counts):
    return (logits.log_softmax(-1).gather(-1, text[..., None])[..., 0] * counts).sum(1)


def raw(logits, text, counts):
    each = logits[:, :-1].gather(-1, text[:, 1:, None])[..., 0]
    return (each * counts[:, 1:]).sum(1)


def test_log_probability_passes():
    assert "Right" in checks.check_log_probability(right)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (unshifted, "shift one of the two"),
        (raw, "use log_softmax"),
        (lambda *a: right(a[0], a[1], torch.ones_like(a[2])), "the question's too"),
        (lambda *a: -right(*a), "The sign"),
        (lambda *a: right(*a) / a[2][:, 1:].sum(1), "not their mean"),
        (lambda *a: right(*a).sum(), r"One number a text is asked for, \(3,\)"),
        (lambda *a: right(*a) + 1, "Wanted"),
    ],
)
def test_log_probability_names_the_slip(wrong, hint):
    with pytest.raises(CheckError, match=hint):
        checks.check_log_probability(wrong)


def test_right_sums():
    assert "Right: 0.51" in checks.check_right_sums(0.514)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (0.1**0.25, "in all derivations"),
        (0.1, "share of right derivations"),
        (0.1**0.25 - 0.1, "divide by their share"),
        (0.9, "yours is 0.9"),
        (None, "one number is asked for"),
    ],
)
def test_right_sums_names_the_slip(wrong, hint):
    with pytest.raises(CheckError, match=hint):
        checks.check_right_sums(wrong)


ONES = torch.ones(1, 5, dtype=torch.int64)


def written(line):
    return reasoning.CHARACTERS.encode([line], length=8)


def test_cancelling():
    assert "2 wrong steps" in checks.check_cancelling(ONES, written(">3400A0$"))


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        (">2340A0$", "At least two steps must be wrong"),
        (">2344A0$", "At least two steps must be wrong"),
        (">3401A1$", "answer must be right: 0, got 1"),
        (">3400A0", "answer must be right: 0, got -1"),
        ("A0$", "must begin with the mark"),
    ],
)
def test_cancelling_names_the_slip(line, hint):
    with pytest.raises(CheckError, match=hint):
        checks.check_cancelling(ONES, written(line))


def test_cancelling_wants_one_question():
    with pytest.raises(CheckError, match=r"Shapes must be \(1, 5\) and \(1, 8\)"):
        checks.check_cancelling(ONES.expand(2, 5), written(">3400A0$"))


SCATTERED = (torch.arange(5) < 3)[:, None].expand(5, 100)
SHARED = (torch.arange(100) < 60)[None].expand(5, 100)


def test_scattered():
    assert "votes 1.00 and 0.60" in checks.check_scattered(SCATTERED, SHARED)


@pytest.mark.parametrize(
    ("first", "second", "hint"),
    [
        (SHARED, SCATTERED, "must gain .3 on the second"),
        (SHARED, SHARED, "Which mistakes does a vote remove"),
        (SCATTERED | SHARED, SHARED, "make them equal"),
        (SCATTERED[:, :50], SHARED, "as many draws"),
        (SCATTERED[:4], SHARED[:4], "odd number of draws"),
        (SCATTERED.float(), SHARED, "scattered must be bool"),
    ],
)
def test_scattered_names_the_slip(first, second, hint):
    with pytest.raises(CheckError, match=hint):
        checks.check_scattered(first, second)


def table():
    """Three seeds; stage two wins in two of them over all, in one where five digits are large."""
    rows = []
    whole = (0.1, 0.1, -0.1)
    for level, gains in ((-1, whole), (0, whole), (4, (0.1, -0.1, -0.1))):
        for seed, gain in enumerate(gains):
            for arm, value in (("one", 0.5), ("two", 0.5 + gain)):
                rows.append({"seed": seed, "arm": arm, "large": level, "right": value})
    return pd.DataFrame(rows)


def count(first="two", second="one", level=-1):
    def answer(table):
        part = table[table["large"] == level]
        wide = part.pivot(index="seed", columns="arm", values="right")
        return int((wide[first] > wide[second]).sum()), len(wide)

    return answer


def test_audit():
    assert "in 2 of 3 seeds" in checks.check_audit(count(), table())


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (count("one", "two"), "the seeds of the opposite"),
        (count(level=4), "Not 1 of 3"),
        (lambda table: (3, 6), "large` -1"),
        (lambda table: (2, 3), "another table"),
        (count(level=0), "another table"),
    ],
)
def test_audit_names_the_slip(wrong, hint):
    with pytest.raises(CheckError, match=hint):
        checks.check_audit(wrong, table())
