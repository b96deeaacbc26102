"""Pretext losses and augmentations."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from w2s_tutorial.networks.backbones import build
from w2s_tutorial.networks.objectives import (
    classification,
    contrast,
    nt_xent,
    patches,
    reconstruction,
    shuffled_patches,
    two_views,
    zoomed,
)
from w2s_tutorial.networks.train import fit


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def new(name: str, tasks=(4, 3)):
    return build(name, in_channels=1, image_size=(16, 16), tasks=tasks, seed=generator())


IMAGES = torch.randint(256, (64, 1, 16, 16), generator=generator(1), dtype=torch.uint8)


# Losses ---------------------------------------------------------------------------------------


def test_classification_adds_up_over_tasks():
    network = new("cnn")
    first, second = torch.arange(6) % 4, torch.arange(6) % 3
    each = classification(network, IMAGES[:6], first, second)
    logits = network.head(network(IMAGES[:6]))
    expected = [
        -logits[i, :4].log_softmax(0)[first[i]] - logits[i, 4:].log_softmax(0)[second[i]]
        for i in range(6)
    ]
    torch.testing.assert_close(each, torch.stack(expected))
    with pytest.raises(ValueError, match="shorter"):
        classification(network, IMAGES[:6], first)


def slow_nt_xent(first, second, temperature):
    """Equation (1) of SimCLR, view by view."""
    views = [*first, *second]
    b = len(first)
    losses = []
    for i, view in enumerate(views):
        partner = (i + b) % (2 * b)
        scores = {
            k: math.exp(float(functional.cosine_similarity(view, other, dim=0)) / temperature)
            for k, other in enumerate(views)
            if k != i
        }
        losses.append(-math.log(scores[partner] / sum(scores.values())))
    return [(losses[i] + losses[i + b]) / 2 for i in range(b)]


@pytest.mark.parametrize("temperature", [0.1, 0.2, 1.0])
def test_nt_xent_is_the_slow_formula(temperature):
    first, second = torch.randn(2, 7, 5, generator=generator(2))
    expected = slow_nt_xent(first, second, temperature)
    found = nt_xent(first, second, temperature=temperature)
    torch.testing.assert_close(found, torch.tensor(expected), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(nt_xent(second, 3 * first, temperature=temperature), found)


def test_nt_xent_at_its_known_ends():
    same = torch.ones(6, 4)
    torch.testing.assert_close(nt_xent(same, same), torch.full((6,), math.log(11)))
    apart = torch.eye(6)
    expected = math.log(1 + 10 * math.exp(-1 / 0.2))
    torch.testing.assert_close(nt_xent(apart, apart), torch.full((6,), expected))
    assert (nt_xent(apart, apart.roll(1, 0)) > 5).all()  # partners exchanged


def test_nt_xent_refuses_one_image():
    with pytest.raises(ValueError, match="at least 2 images to contrast, got 1"):
        nt_xent(torch.ones(1, 4), torch.ones(1, 4))


def test_reconstruction_counts_hidden_patches_alone(monkeypatch):
    network = new("mae")
    images, order = shuffled_patches(IMAGES[:3], generator=generator())
    truth = patches(images)
    monkeypatch.setattr(network, "reconstruct", lambda images, order: truth)
    assert torch.equal(reconstruction(network, images, order), torch.zeros(3))
    wrong = truth.clone()
    wrong[0, order[0, 0]] += 1.0  # a visible patch of the first image
    wrong[1, order[1, -1]] += 1.0  # a hidden one of the second, of 12 hidden
    monkeypatch.setattr(network, "reconstruct", lambda images, order: wrong)
    torch.testing.assert_close(
        reconstruction(network, images, order), torch.tensor([0.0, 1 / 12, 0.0])
    )


# Augmentations --------------------------------------------------------------------------------


def test_a_whole_crop_is_the_image():
    labels = torch.arange(64)
    found, passed = zoomed(IMAGES, labels, generator=generator(), least=1.0)
    torch.testing.assert_close(found, IMAGES / 255, rtol=0, atol=1e-5)
    assert passed is labels


def test_crops_stay_inside_the_image():
    ramp = torch.linspace(0.2, 0.8, 16).expand(500, 1, 16, 16)
    (found,) = zoomed(ramp, generator=generator(), least=0.5)
    assert found.min() >= 0.2 - 1e-4  # outside it would be dark
    assert found.max() <= 0.8 + 1e-4
    slope = (found[..., 12] - found[..., 4]).mean((1, 2)) / (ramp[0, 0, 0, 12] - ramp[0, 0, 0, 4])
    assert 0.5 <= slope.min() < 0.55  # the crop's share of the width
    assert 0.95 < slope.max() <= 1.0 + 1e-4


@pytest.mark.parametrize("augment", [zoomed, two_views, shuffled_patches])
def test_augmentations_follow_the_generator_and_leave_images_alone(augment):
    kept, state = IMAGES.clone(), torch.get_rng_state()
    run = lambda seed: augment(IMAGES, generator=generator(seed))
    for found, again in zip(run(0), run(0), strict=True):
        assert torch.equal(found, again)
    assert not torch.equal(run(0)[-1], run(1)[-1])
    assert torch.equal(IMAGES, kept)
    assert torch.equal(torch.get_rng_state(), state)


def test_two_views_differ_and_are_of_the_same_image():
    smooth = functional.avg_pool2d(torch.rand(64, 1, 48, 48, generator=generator(4)), 3) * 2 - 0.5
    first, second = two_views(smooth.clamp(0, 1), generator=generator())
    assert first.shape == second.shape == smooth.shape
    likeness = lambda a, b: torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1]
    assert likeness(first, second) < 0.99
    brightness = first.mean((1, 2, 3)), second.mean((1, 2, 3))
    assert (brightness[0] - brightness[1]).std() > 0.05


def test_every_patch_is_in_every_order_once():
    _, order = shuffled_patches(IMAGES, generator=generator())
    assert torch.equal(order.sort(1).values, torch.arange(16).expand(64, -1))
    assert len(order[:, 0].unique()) > 8


# Training by them -----------------------------------------------------------------------------


def pictures(n: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noisy squares in one of four corners, and which corner."""
    corner = torch.arange(n) % 4
    images = torch.randint(60, (n, 1, 16, 16), generator=generator(5), dtype=torch.uint8)
    for quarter in range(4):
        row, column = 8 * (quarter // 2), 8 * (quarter % 2)
        images[corner == quarter, :, row + 1 : row + 7, column + 1 : column + 7] += 180
    return images, corner


@pytest.mark.parametrize(
    ("name", "loss", "augment", "share"),
    [
        ("cnn", classification, None, 0.3),
        ("resnet", classification, None, 0.3),
        ("convnext", classification, None, 0.3),
        ("simclr", contrast, two_views, 0.9),
        ("mae", reconstruction, shuffled_patches, 0.5),
    ],
)
def test_each_backbone_learns_by_its_objective(name, loss, augment, share):
    images, corner = pictures(128)
    data = (images, corner) if loss is classification else (images,)
    settings = dict(steps=60, batch_size=32, lr=3e-3, warmup=5, augment=augment)
    result = fit(new(name, tasks=(4,)), loss, data, seed=generator(), **settings)
    assert result.losses[-10:].mean() < share * result.losses[:3].mean()
