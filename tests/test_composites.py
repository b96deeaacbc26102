from __future__ import annotations

import pytest
import torch
from helpers_composites import (
    CORE,
    CORE_LABELS,
    DIGIT,
    DIGIT_LABELS,
    MINORITY_SHARES,
    SIZES,
    build,
    build_colored,
    generator,
    images,
)
from helpers_data import real_data
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import interpolate

from w2s_tutorial.datasets.catalog import CATALOG
from w2s_tutorial.datasets.composites import MINORITY, dominoes
from w2s_tutorial.datasets.small_images import fashion_mnist, mnist
from w2s_tutorial.sample import Sample


def repeated(sets, rows):
    used = torch.cat([getattr(made, rows) for made in sets])
    return len(used) - len(used.unique())


@given(
    st.lists(st.tuples(st.integers(1, 25), st.floats(0, 1)), min_size=1, max_size=4),
    st.integers(0, 2**40),
)
@settings(deadline=None)
def test_shares_are_exact_and_no_image_is_used_twice(wanted, seed):
    sizes = {f"set {i}": n for i, (n, _) in enumerate(wanted)}
    minority = {f"set {i}": share for i, (_, share) in enumerate(wanted)}
    room = {"classes": ((0, 1), (2, 3, 4)), "digits": (0, (1, 2))}
    sets = build(sizes=sizes, minority=minority, **room, seed=generator(seed))
    assert list(sets) == list(sizes)
    for name, made in sets.items():
        n, few = sizes[name], round(minority[name] * sizes[name])
        assert len(made) == n
        in_minority = torch.isin(made.group, torch.tensor(MINORITY))
        assert int(in_minority.sum()) == few
        torch.testing.assert_close(in_minority, made.label != made.attribute)
        torch.testing.assert_close(made.group, 2 * made.label + made.attribute)
        for part in (made.label, made.label[in_minority], made.label[~in_minority]):
            assert abs(int((part == 0).sum()) - int((part == 1).sum())) <= 1
        torch.testing.assert_close(made.label, (CORE_LABELS[made.core] >= 2).long())
        torch.testing.assert_close(made.attribute, (DIGIT_LABELS[made.spurious] >= 1).long())
    assert repeated(sets.values(), "core") == repeated(sets.values(), "spurious") == 0


def test_sets_that_are_built_apart_do_share_images():
    apart = [build(seed=generator(seed))["test"] for seed in (0, 1)]
    assert repeated(apart, "core") > 0
    assert repeated(apart, "spurious") > 0


@pytest.mark.parametrize(
    ("make", "halves"),
    [(build, (slice(0, 4), slice(4, 8))), (build_colored, (slice(0, 4),))],  # digit, core image
)
def test_no_two_sets_share_an_image(make, halves):
    for half in halves:
        seen = [
            {image.numpy().tobytes() for image in made.images[..., half, :]}
            for made in make().values()
        ]
        assert sum(map(len, seen)) == len(set().union(*seen)) == sum(SIZES.values())


def test_the_digit_stands_above_the_core_image():
    for made in build().values():
        assert made.images.shape == (len(made), 1, 8, 4)
        torch.testing.assert_close(made.images[:, :, :4], DIGIT[made.spurious], atol=0, rtol=0)
        torch.testing.assert_close(made.images[:, :, 4:], CORE[made.core], atol=0, rtol=0)


def test_above_coloured_images_the_digit_takes_their_size_and_channels():
    photos = images(400, channels=3, size=6)
    made = dominoes(
        photos,
        CORE_LABELS,
        DIGIT,
        DIGIT_LABELS,
        sizes={"pool": 30},
        minority={"pool": 0.2},
        seed=generator(),
    )["pool"]
    assert made.images.shape == (30, 3, 12, 6)
    larger = interpolate(DIGIT[made.spurious], (6, 6), mode="bilinear", align_corners=False)
    torch.testing.assert_close(made.images[:, :, :6], larger.expand(-1, 3, -1, -1))
    torch.testing.assert_close(made.images[:, :, 6:], photos[made.core])


def test_the_colour_is_the_attribute_and_the_shape_stays():
    for made in build_colored().values():
        assert made.images.shape == (len(made), 3, 4, 4)
        channel = made.images.sum((2, 3)).argmax(1)  # red 0, green 1
        torch.testing.assert_close(channel, made.attribute)
        torch.testing.assert_close(made.images.sum(1, keepdim=True), CORE[made.core])
        torch.testing.assert_close(made.core, made.spurious)
        torch.testing.assert_close(made.label, (CORE_LABELS[made.core] >= 2).long())


@pytest.mark.parametrize("make", [build, build_colored])
def test_the_generator_decides_everything(make):
    first, same, other = make(), make(), make(seed=generator(1))
    for name in SIZES:
        for part in ("images", "label", "attribute", "core", "spurious"):
            assert torch.equal(getattr(first[name], part), getattr(same[name], part))
        assert not torch.equal(first[name].core, other[name].core)


def test_examples_come_in_random_order():
    made = build(sizes={"pool": 80}, minority={"pool": 0.5})["pool"]
    broken = (made.label != made.attribute).float()
    halves = broken[:40].mean() - broken[40:].mean()
    assert abs(halves) < 4 * (0.25 / 80) ** 0.5 * 2  # 4 standard errors of the difference
    assert made.label.tolist() != sorted(made.label.tolist())


def test_inputs_stay_as_they_are_and_bytes_stay_bytes():
    core, digit = (CORE * 255).byte(), (DIGIT * 255).byte()
    before = core.clone()
    settings_ = {"sizes": SIZES, "minority": MINORITY_SHARES}
    made = dominoes(core, CORE_LABELS, digit, DIGIT_LABELS, **settings_, seed=generator())
    assert made["pool"].images.dtype == torch.uint8
    assert torch.equal(core, before)


def test_a_set_makes_a_sample():
    made = build()["pool"]
    features = made.images.flatten(1)
    sample = Sample(weak=features, strong=features, target=made.target, group=made.group)
    assert len(sample) == 31
    torch.testing.assert_close(sample.target[0].argmax(-1), made.label)


def test_real_dominoes(data_folder, monkeypatch):
    files = [f for name in ("mnist", "fashion_mnist") for f in CATALOG[name].files.values()]
    real_data(data_folder, monkeypatch, *(file.path for file in files))
    rest = {"minority": {"labeled": 0.05, "test": 0.5}, "seed": generator()}
    sources = (*fashion_mnist("test"), *mnist("test"))
    sets = dominoes(*sources, sizes={"labeled": 400, "test": 600}, **rest)
    assert sets["labeled"].images.shape == (400, 1, 56, 28)
    assert sets["labeled"].group.bincount().tolist() == [190, 10, 10, 190]
    assert sets["test"].group.bincount().tolist() == [150, 150, 150, 150]
    bright = sets["test"].images[:, :, :28].mean((1, 2, 3))  # a zero has more ink than a one
    zero = sets["test"].attribute == 0
    assert bright[zero].mean() > 1.5 * bright[~zero].mean()
    with pytest.raises(ValueError, match=r"classes\[0\] = 4: 7000 .* there are 1000"):
        dominoes(*sources, sizes={"labeled": 10_000, "test": 4000}, **rest)
