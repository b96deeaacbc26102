"""Feature extraction: what a network gives in evaluation mode, and what is refused."""

from __future__ import annotations

import pytest
import torch
from features_case import IMAGES, small_network
from torch import nn

from w2s_tutorial.networks.features import extract
from w2s_tutorial.storage import content_key


@pytest.mark.parametrize("batch_size", [1, 3, 10, 512])
def test_extract_gives_what_the_network_gives_in_evaluation_mode(batch_size):
    network = small_network().eval()
    with torch.no_grad():
        expected = torch.cat([network(image[None]) for image in IMAGES])
    network.train()
    features = extract(network, IMAGES, batch_size=batch_size, dtype=torch.float32)
    torch.testing.assert_close(features, expected)
    # The control: with its dropout awake the network gives something else.
    with torch.no_grad():
        assert not torch.allclose(network(IMAGES), expected, atol=0.1)


def test_extract_leaves_the_network_as_it_was():
    network = small_network().train()
    network[1].eval()  # a mixed state, which network.train() afterwards would not restore
    before = content_key(network)
    features = extract(network, IMAGES)
    assert [part.training for part in network] == [True, False, True, True, True]
    assert content_key(network) == before  # running means too
    assert features.dtype == torch.float16
    assert not features.requires_grad


def test_extract_restores_the_network_when_it_fails():
    network = small_network().train()
    with pytest.raises(RuntimeError):
        extract(network, IMAGES[:, :2])
    assert all(part.training for part in network.modules())


def test_features_can_be_trained_on():
    features = extract(small_network(), IMAGES, dtype=torch.float32)
    head = nn.Linear(7, 2)
    head(features).sum().backward()
    torch.testing.assert_close(head.weight.grad, features.sum(0).expand(2, 7))


def test_extract_takes_any_callable():
    features = extract(lambda images: images.mean((2, 3)), IMAGES, batch_size=4)
    assert features.shape == (10, 3)


def test_extract_refuses_what_is_not_finite():
    images = IMAGES.clone()
    images[4, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="1 of 10 images, the first is number 4"):
        extract(lambda x: x.flatten(1), images)
    with pytest.raises(ValueError, match=r"finite in torch.float16, .* 10 of 10"):
        extract(lambda x: 7e4 + x.flatten(1), IMAGES)
    assert extract(lambda x: 7e4 + x.flatten(1), IMAGES, dtype=torch.float32).min() >= 7e4


@pytest.mark.parametrize(
    ("images", "batch_size", "message"),
    [
        (IMAGES[:0], 2, r"n > 0, got \(0, 3, 6, 5\)"),
        (IMAGES[0], 2, r"got \(3, 6, 5\)"),
        (IMAGES, 0, "batch_size must be at least 1, got 0"),
    ],
)
def test_extract_refuses_bad_input(images, batch_size, message):
    with pytest.raises(ValueError, match=message):
        extract(lambda x: x.flatten(1), images, batch_size=batch_size)


def test_extract_refuses_a_map_of_features():
    with pytest.raises(ValueError, match=r"must return \(10, d\), got shape \(10, 3, 6, 5\)"):
        extract(lambda x: x, IMAGES)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_extract_on_a_gpu_agrees_with_the_cpu(dtype):
    network = small_network()
    expected = extract(network, IMAGES, dtype=torch.float32)
    features = extract(network, IMAGES, device="cuda", dtype=dtype)
    assert next(network.parameters()).device.type == "cpu"
    assert features.device.type == "cpu"
    assert features.dtype == dtype
    # Rounding of inputs, weights and one intermediate: a few units in the last place.
    unit = max(torch.finfo(dtype).eps, 1e-3 if dtype == torch.float32 else 0.0)
    assert (features.float() - expected).abs().max() < 4 * unit * expected.abs().max()


def test_files_are_read_batch_by_batch():
    """Lazy images give the features of the same images in one tensor."""
    read = []

    class Files:
        def __len__(self):
            return len(IMAGES)

        def split(self, size):
            for batch in IMAGES.split(size):
                read.append(len(batch))
                yield batch

    features = extract(small_network(), Files(), batch_size=4, dtype=torch.float32)
    whole = extract(small_network(), IMAGES, batch_size=4, dtype=torch.float32)
    torch.testing.assert_close(features, whole)
    assert max(read) == 4
    assert sum(read) == len(IMAGES)
    with pytest.raises(ValueError, match="n > 0, got no file"):
        extract(small_network(), type("NoFiles", (Files,), {"__len__": lambda _: 0})())
