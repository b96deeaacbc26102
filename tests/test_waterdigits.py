"""Waterdigits: what is kept apart, and pictures that are what they say."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from w2s_tutorial.datasets import waterdigits
from w2s_tutorial.datasets.waterdigits import digit_images, lay_over, photographs, place


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def composites() -> waterdigits.Composites:
    return waterdigits.compose(seed=seeded())


def test_pretraining_and_downstream_share_no_digit(composites: waterdigits.Composites):
    digits, digit = digit_images()
    pictures = {tuple(picture) for picture in digits.flatten(1).tolist()}
    assert len(pictures) == len(digits) == 1797  # so different rows are different images
    before, after = waterdigits.PRETRAINING, waterdigits.DOWNSTREAM
    rows = set(range(1797))
    assert set(list(rows)[before]).isdisjoint(list(rows)[after])
    assert torch.equal(composites.digit, digit[after])
    assert len(composites) == 1411


def columns(monkeypatch: pytest.MonkeyPatch, *, downstream: bool) -> set[int]:
    """Columns of the photographs that 2,000 patches without ink touch."""
    width = photographs().shape[-1]
    ruler = torch.arange(width).float().expand(2, 3, 213, width)
    monkeypatch.setattr(waterdigits, "photographs", lambda: ruler)
    where = torch.arange(2000) % 2
    blank = torch.zeros(2000, 1, 16, 16)
    patches = lay_over(blank, where, downstream=downstream, seed=seeded())
    return set((patches / 0.7).round().long().flatten().tolist())


def test_pretraining_and_downstream_share_no_part_of_a_photograph(monkeypatch: pytest.MonkeyPatch):
    before = columns(monkeypatch, downstream=False)
    after = columns(monkeypatch, downstream=True)
    assert before.isdisjoint(after)
    assert before | after == set(range(320))  # and nothing is left unused


def test_both_composites_of_a_digit_carry_the_same_ink():
    ink = place(digit_images()[0][:50], seed=seeded())
    pictures = [
        lay_over(ink, torch.full((50,), k), downstream=True, seed=seeded(k)) for k in (0, 1)
    ]
    blanks = [
        lay_over(ink * 0, torch.full((50,), k), downstream=True, seed=seeded(k)) for k in (0, 1)
    ]

    def recovered(picture: Tensor, blank: Tensor) -> Tensor:
        return ((picture - blank) / (1 - blank) / 0.7).mean(1, keepdim=True)

    for picture, blank in zip(pictures, blanks, strict=True):
        torch.testing.assert_close(recovered(picture, blank), ink, atol=1e-5, rtol=0)
    assert not torch.allclose(recovered(pictures[0], blanks[1]), ink, atol=0.1)


def test_composites_are_images_and_their_mean_tells_the_photograph(
    composites: waterdigits.Composites,
):
    images = composites.images
    assert images.shape == (1411, 2, 3, 16, 16)
    assert 0 <= float(images.min()) <= float(images.max()) <= 1
    # The attribute is easy: flower.jpg is darker, and brightness alone beats chance by far.
    brightness = images.mean((2, 3, 4))
    assert float((brightness[:, 0] > brightness[:, 1]).float().mean()) > 0.75


def test_the_generator_decides():
    first, again, other = (waterdigits.compose(seed=seeded(k)) for k in (1, 1, 2))
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.images, other.images)
