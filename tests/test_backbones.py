"""The small backbones: shapes, independence, reproducible weights, files of weights."""

from __future__ import annotations

import pytest
import torch

from w2s_tutorial.networks.backbones import BACKBONES, PATCH, Backbone, build
from w2s_tutorial.networks.features import extract
from w2s_tutorial.networks.objectives import patches, shuffled_patches
from w2s_tutorial.storage import content_key, load_tensors, save_tensors

WIDTHS = {"cnn": 64, "resnet": 128, "simclr": 128, "mae": 96, "convnext": 256}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def new(name: str, *, in_channels=1, image_size=(28, 28), tasks=(8, 10), seed=0) -> Backbone:
    return build(
        name,
        in_channels=in_channels,
        image_size=image_size,
        tasks=tasks,
        seed=generator(seed),
    )


def images(n=5, in_channels=1, image_size=(28, 28)) -> torch.Tensor:
    shape = (n, in_channels, *image_size)
    return torch.randint(256, shape, generator=generator(9), dtype=torch.uint8)


def test_the_table_is_what_is_tested():
    assert list(BACKBONES) == list(WIDTHS)


@pytest.mark.parametrize("name", BACKBONES)
@pytest.mark.parametrize(("in_channels", "size"), [(1, (28, 28)), (3, (56, 28)), (3, (32, 32))])
def test_features(name, in_channels, size):
    network = new(name, in_channels=in_channels, image_size=size)
    features = extract(network, images(64, in_channels, size), dtype=torch.float32)
    assert features.shape == (64, WIDTHS[name])
    assert network.width == WIDTHS[name]
    # New weights neither blow the signal up nor put it out, and images stay distinguishable.
    assert 0.05 < features.std() < 5
    assert torch.pdist(features).min() > 1e-3


@pytest.mark.parametrize("name", BACKBONES)
def test_features_are_of_one_image_alone(name):
    network, batch = new(name), images()
    network.train()
    together = network(batch)
    torch.testing.assert_close(network.eval()(batch), together, rtol=1e-4, atol=1e-5)
    alone = torch.cat([network(image[None]) for image in batch])
    torch.testing.assert_close(alone, together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", BACKBONES)
def test_bytes_and_floats_are_the_same_images(name):
    network = new(name)
    torch.testing.assert_close(network(images()), network(images() / 255), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", BACKBONES)
def test_weights_come_from_the_generator_alone(name):
    state = torch.get_rng_state()
    first = content_key(new(name))
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(3)
    assert content_key(new(name)) == first
    assert content_key(new(name, seed=1)) != first


@pytest.mark.parametrize("name", BACKBONES)
def test_every_weight_learns(name):
    network, batch = new(name), images(8)
    if hasattr(network, "classify"):
        outputs = network.classify(batch)
        assert [tuple(output.shape) for output in outputs] == [(8, 8), (8, 10)]
        total = sum(output.square().sum() for output in outputs)
    elif hasattr(network, "project"):
        assert network.project(batch).shape == (8, 64)
        total = network.project(batch).square().sum()
    else:
        total = network.reconstruct(*shuffled_patches(batch, generator=generator())).square().sum()
    total.backward()
    for weight_name, weight in network.named_parameters():
        assert weight.grad is not None, weight_name
        assert weight.grad.abs().max() > 0, weight_name


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "vgg"}, "one of cnn, resnet, simclr, mae, convnext, got 'vgg'"),
        ({"in_channels": 0}, "in_channels must be at least 1, got 0"),
        ({"image_size": (28, 7)}, r"of at least 8, got \(28, 7\)"),
        ({"tasks": ()}, "'cnn' is trained by labels"),
        ({"tasks": (8, 1)}, r"at least 2, got \(8, 1\)"),
        ({"name": "mae", "image_size": (28, 30)}, r"multiples of 4 for 'mae', got \(28, 30\)"),
    ],
)
def test_build_refuses(change, message):
    with pytest.raises(ValueError, match=message):
        new(**{"name": "cnn"} | change)


# The masked autoencoder -----------------------------------------------------------------------


def test_patches_are_the_squares_row_by_row():
    batch = images(2, 3, (12, 8))
    found = patches(batch)
    assert found.shape == (2, 6, 3 * PATCH**2)
    square = batch[1, :, 4:8, 4:8].float() / 127.5 - 1  # second row, second column
    torch.testing.assert_close(found[1, 3], square.flatten())


def test_tokens_and_patches_share_their_order():
    network = new("mae", image_size=(12, 8))
    dark = torch.zeros(1, 1, 12, 8)
    lit = dark.clone()
    lit[:, :, 4:8, 4:8] = 1.0
    changed = (network.embed(lit) - network.embed(dark)).flatten(2).abs().sum(1) > 0
    assert changed[0].nonzero().flatten().tolist() == [3]
    assert (patches(lit) != patches(dark)).any(-1)[0].nonzero().flatten().tolist() == [3]


def test_the_guess_sees_the_visible_patches_alone():
    network = new("mae")
    (batch, order) = shuffled_patches(images(1), generator=generator())
    assert network.visible == 13  # of 49: three quarters hidden, rounded
    guess = network.reconstruct(batch, order)
    for rank in range(49):
        row, column = divmod(int(order[0, rank]), 7)
        other = batch.clone()
        other[:, :, 4 * row : 4 * row + 4, 4 * column : 4 * column + 4] ^= 255
        changed = not torch.equal(network.reconstruct(other, order), guess)
        assert changed == (rank < network.visible)


def test_the_order_of_the_visible_patches_does_not_matter():
    network = new("mae")
    (batch, order) = shuffled_patches(images(2), generator=generator())
    turned = torch.cat([order[:, :13].flip(1), order[:, 13:]], dim=1)
    torch.testing.assert_close(
        network.reconstruct(batch, order),
        network.reconstruct(batch, turned),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize("name", BACKBONES)
def test_weights_are_stored_by_two_lines_and_come_back_bit_for_bit(name, tmp_path):
    network = new(name, in_channels=3, image_size=(32, 28))
    save_tensors(tmp_path / "w.safetensors", network.state_dict(), **network.recipe)
    weights, recipe = load_tensors(tmp_path / "w.safetensors")
    again = build(**recipe, seed=1)
    assert content_key(again) != content_key(network)
    again.load_state_dict(weights)
    assert content_key(again) == content_key(network)
