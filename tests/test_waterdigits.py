"""Waterdigits: what is kept apart, exact minority shares, and pictures that are what they say."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from w2s_tutorial.datasets import digit_scenes, waterdigits
from w2s_tutorial.datasets.digit_scenes import digit_images, lay_over, photographs, place

LABEL = torch.arange(200) % 2
PARTS = {"sizes": (20, 60, 40), "minority": (0.25, 0.1, 0.5), "heads": 5}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def composites() -> waterdigits.Composites:
    return waterdigits.compose(seed=seeded())


def rows_of_head(parts: tuple[waterdigits.Choice, ...], head: int) -> list[set[int]]:
    return [set(part.row[head].tolist()) for part in parts]


def test_no_digit_is_in_two_parts_of_a_head():
    parts = waterdigits.choose(LABEL, **PARTS, seed=seeded())
    for head in range(5):
        rows = rows_of_head(parts, head)
        assert [len(found) for found in rows] == [20, 60, 40]  # nor twice in one part
        assert len(set.union(*rows)) == 120
    # Control: different heads do share digits, so the check above can see sharing.
    assert rows_of_head(parts, 0)[0] & rows_of_head(parts, 1)[1]


@pytest.mark.parametrize(
    ("n", "share", "groups"),
    [
        (40, 0.25, (15, 5, 5, 15)),
        (100, 0.25, (38, 12, 13, 37)),  # 25 disagree: one more of them is odd, group 2
        (10, 0.5, (3, 2, 3, 2)),
        (40, 0.0, (20, 0, 0, 20)),
        (40, 1.0, (0, 20, 20, 0)),
    ],
)
def test_the_minority_share_is_exact_in_every_head(n: int, share: float, groups: tuple[int, ...]):
    kwargs = {"sizes": (n,), "minority": (share,), "heads": 7}
    (part,) = waterdigits.choose(LABEL, **kwargs, seed=seeded())
    group = 2 * LABEL[part.row] + part.photograph
    assert torch.stack([(group == k).sum(1) for k in range(4)], 1).tolist() == [list(groups)] * 7
    assert sum(groups[1:3]) == round(share * n)


def test_draw_looks_up_the_chosen_composites(composites: waterdigits.Composites):
    n = len(composites)
    row = torch.arange(n).view(n, 1, 1).expand(n, 2, 1)
    photograph = torch.arange(2).view(1, 2, 1).expand(n, 2, 1)
    code = torch.cat([row, photograph], -1).float()
    labeled, test = waterdigits.draw(
        composites,
        code,
        -code,
        sizes=(60, 40),
        minority=(0.2, 0.5),
        heads=3,
        seed=seeded(),
    )
    for sample in (labeled, test):
        label = composites.label[sample.weak[..., 0].long()]
        assert torch.equal(sample.target.argmax(-1), label)
        assert torch.equal(sample.group, 2 * label + sample.weak[..., 1].long())
        assert torch.equal(sample.strong, -sample.weak)
    assert torch.equal(labeled.target.sum(-1), torch.ones(3, 60))


def test_a_slice_is_a_random_subset_in_every_head():
    # Were a part sorted by label or group, its first half would be one label.
    many = {"sizes": (100,), "minority": (0.5,), "heads": 400}
    (part,) = waterdigits.choose(LABEL, **many, seed=seeded())
    odd = LABEL[part.row][:, :50].float().mean(1)
    error = (0.25 / 50 * (1 - 50 / 100)) ** 0.5 / 400**0.5  # drawn without replacement
    assert abs(float(odd.mean()) - 0.5) < 4 * error


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
    monkeypatch.setattr(digit_scenes, "photographs", lambda: ruler)
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


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sizes": (20, 61, 40)}, r"sizes must be even and at least 2, got \(20, 61, 40\)"),
        ({"sizes": (20, 0, 40)}, r"sizes must be even and at least 2, got \(20, 0, 40\)"),
        ({"sizes": (20, 60, 122)}, "sizes must sum to at most 200, got 202"),
        ({"minority": (0.1, 0.5)}, "minority must list 3 shares, got 2"),
        ({"minority": (0.1, 0.5, 1.1)}, r"minority must lie in \[0, 1\], got"),
        ({"minority": (0.1, 0.5, float("nan"))}, r"minority must lie in \[0, 1\], got"),
        ({"heads": 0}, "heads must be at least 1, got 0"),
        ({"sizes": (), "minority": ()}, "sizes must list at least 1 part, got 0"),
    ],
)
def test_choose_refuses(change: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        waterdigits.choose(LABEL, **{**PARTS, **change}, seed=seeded())


def test_draw_refuses_features_of_other_composites(composites: waterdigits.Composites):
    right, wrong = torch.zeros(1411, 2, 3), torch.zeros(1411, 3)
    for weak, strong in ((right, wrong), (wrong, right), (right[:5], right)):
        with pytest.raises(ValueError, match=r"weak and strong must be \(1411, 2, d\), got"):
            waterdigits.draw(composites, weak, strong, **PARTS, seed=seeded())
