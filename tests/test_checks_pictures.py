"""Every check passes the right answer, and fails each known-wrong one with its own hint."""

import pytest
import torch
import wrong_pictures as wrong

from w2s_tutorial.checks import pictures as checks
from w2s_tutorial.checks._common import CheckError

DRAWS = torch.randn(20, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
DRAWS = 0.01 * (DRAWS - DRAWS.mean())


@pytest.mark.parametrize(("answer", "hint"), wrong.RELIANCE)
def test_check_reliance(answer, hint):
    assert "Right" in checks.check_reliance(wrong.reliance)
    with pytest.raises(CheckError, match=hint):
        checks.check_reliance(answer)


def test_check_reliance_cannot_be_fooled_by_changing_its_inputs():
    def vandal(zero, one):
        value = wrong.reliance(zero, one)
        zero.zero_(), one.zero_()
        return value

    assert "Right" in checks.check_reliance(vandal)


A, B, C, D = "resnet, convnext", "convnext, resnet", "convnext, simclr", "mae, convnext"
MOVED = {A: DRAWS + 0.02, B: DRAWS - 0.02, C: DRAWS + 0.001, D: DRAWS - 0.03}
RIGHT = {A: "rises", B: "falls", C: "unclear", D: "falls"}


@pytest.mark.parametrize(
    ("guesses", "hint"),
    [
        (RIGHT | {B: "rises"}, f"{B}: you wrote 'rises'.*'falls'"),
        (RIGHT | {A: "unclear"}, f"{A}: you wrote 'unclear'.*'rises'"),
        (RIGHT | {C: "rises"}, f"{C}: you wrote 'rises'.*'unclear'"),
        (RIGHT | {C: "up"}, "write one of rises, falls, unclear, got 'up'"),
        ({A: "rises"}, f"Name these: {A}; {B}; {C}; {D}. You named {A}"),
        ({}, "You named none"),
    ],
)
def test_check_directions(guesses, hint):
    assert "all 4" in checks.check_directions(RIGHT, MOVED)
    with pytest.raises(CheckError, match=hint):
        checks.check_directions(guesses, MOVED)


def test_check_directions_needs_the_four_pairs_and_draws():
    with pytest.raises(CheckError, match="You named none"):
        checks.check_directions({}, {})
    with pytest.raises(CheckError, match=f"You named {A}; {B}; {C}[.]"):
        checks.check_directions(RIGHT, {name: MOVED[name] for name in (A, B, C)})
    with pytest.raises(CheckError, match="6 draws, got 3"):
        checks.check_directions(RIGHT, MOVED | {A: DRAWS[:3] + 1})


def test_check_student_ahead():
    level = torch.full((20,), 0.8, dtype=torch.float64)
    assert "Found one" in checks.check_student_ahead(level + DRAWS + 0.02, level)
    for behind, hint in ((0.001, "has to lie above 0"), (-0.02, "has to lie above 0")):
        with pytest.raises(CheckError, match=hint):
            checks.check_student_ahead(level + DRAWS + behind, level)
    with pytest.raises(CheckError, match="16 draws at least"):
        checks.check_student_ahead(level[:8] + 0.1, level[:8])
    with pytest.raises(CheckError, match="16 draws at least"):
        checks.check_student_ahead(level + 0.1, level[:16])


def test_check_reads_and_relies():
    high, low = (0.9 + DRAWS, 0.2 + DRAWS), (0.8 - DRAWS, 0.5 - DRAWS)
    assert "Found two" in checks.check_reads_and_relies(high, low)
    with pytest.raises(CheckError, match="has to read the attribute better"):
        checks.check_reads_and_relies(low, high)
    with pytest.raises(CheckError, match="has to rely on it more"):
        checks.check_reads_and_relies(high, (low[0], high[1] - 0.1))
    with pytest.raises(CheckError, match="has to rely on it more"):
        checks.check_reads_and_relies(high, (low[0], high[1] + 0.001 + 5 * DRAWS))
    with pytest.raises(CheckError, match="over the same draws"):
        checks.check_reads_and_relies(high, (low[0][:9], low[1]))
    with pytest.raises(CheckError, match="6 draws at least"):
        checks.check_reads_and_relies(*(tuple(v[:4] for v in pair) for pair in (high, low)))


@pytest.mark.parametrize(("answer", "hint"), wrong.AUDITS)
def test_check_audit(answer, hint):
    assert "Right" in checks.check_audit(wrong.audited)
    with pytest.raises(CheckError, match=hint):
        checks.check_audit(answer)
