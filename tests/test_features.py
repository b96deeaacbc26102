"""Feature extraction and its cache."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from w2s_tutorial.networks.features import cached, extract
from w2s_tutorial.storage import content_key, replacing

IMAGES = torch.rand(10, 3, 6, 5, generator=torch.Generator().manual_seed(0))


def small_network() -> nn.Sequential:
    generator = torch.Generator().manual_seed(1)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(), nn.Linear(48, 7)
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return network


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


def test_key_changes_with_any_byte():
    network = small_network()
    keys = {content_key(IMAGES, network, {"resize": 224})}

    images = IMAGES.clone()
    raw = images.view(torch.uint8).view(-1)
    for byte in range(0, len(raw), 97):
        raw[byte] ^= 1
        keys.add(content_key(images, network, {"resize": 224}))
        raw[byte] ^= 1
    count = len(range(0, len(raw), 97))

    state = list(network.parameters()) + list(network.buffers())
    for tensor in state:
        whole = tensor.detach().view(-1).view(torch.uint8)
        whole[-1] ^= 1
        keys.add(content_key(IMAGES, network, {"resize": 224}))
        whole[-1] ^= 1
    keys.add(content_key(IMAGES, network, {"resize": 256}))
    network[3].p = 0.25  # structure that no weight shows
    keys.add(content_key(IMAGES, network, {"resize": 224}))
    assert len(keys) == 1 + count + len(state) + 2
    assert content_key(images, small_network(), {"resize": 224}) in keys  # all was put back


def test_key_tells_apart_what_holds_the_same_bytes():
    zeros = torch.zeros(2, 3)
    different = [
        (zeros,),
        (zeros.view(3, 2),),
        (zeros.view(torch.int32),),
        (zeros, zeros),
        ([zeros, zeros],),
        ("ab", "c"),
        ("a", "bc"),
        ("1",),
        (1,),
        (1.0,),
        (b"1",),
        (True,),
        (None,),
        ({"a": 1},),
        (["a", 1],),
        (),
    ]
    assert len({content_key(*parts) for parts in different}) == len(different)


def test_key_is_of_content_not_of_storage():
    assert content_key(IMAGES.permute(0, 2, 3, 1)) == content_key(
        IMAGES.permute(0, 2, 3, 1).contiguous()
    )
    assert content_key(IMAGES.numpy()) == content_key(IMAGES)
    assert content_key({"a": 1}) == content_key(dict([("a", 1)]))


def test_key_is_the_same_in_another_process():
    use = "from w2s_tutorial.storage import content_key"
    code = f"{use}; print(content_key('a', 1, [2.5, None]))"
    root = Path(__file__).resolve().parent.parent
    told = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert told.stdout.strip() == content_key("a", 1, [2.5, None])


def test_key_refuses_functions():
    with pytest.raises(ValueError, match="a key is made of tensors"):
        content_key(IMAGES, torch.relu)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64, torch.int64])
def test_cached_makes_once(tmp_path, dtype):
    calls = []

    def make():
        calls.append(1)
        return (100 * IMAGES).flatten(1).to(dtype)

    first = cached(make, key="k", folder=tmp_path / "new")
    second = cached(make, key="k", folder=tmp_path / "new")
    assert len(calls) == 1
    assert first.dtype == second.dtype == dtype
    assert torch.equal(first, second)
    cached(make, key="other", folder=tmp_path / "new")
    assert len(calls) == 2
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["k.npz", "other.npz"]


@pytest.mark.filterwarnings("ignore:.*is damaged and is made anew")
def test_no_damaged_byte_goes_unseen(tmp_path):
    make = lambda: torch.arange(12.0).view(3, 4)
    cached(make, key="k", folder=tmp_path)
    path = tmp_path / "k.npz"
    sound = path.read_bytes()
    remade = 0
    for position in range(len(sound)):
        damaged = bytearray(sound)
        damaged[position] ^= 0x40
        path.write_bytes(damaged)
        assert torch.equal(cached(make, key="k", folder=tmp_path), make()), position
        remade += path.read_bytes() != bytes(damaged)
    assert remade > len(sound) / 2  # the rest are time stamps and paddings, which carry nothing


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 half of", b"\x80\x04\x95 a pickle"])
def test_damaged_file_is_made_anew_and_said(tmp_path, content):
    (tmp_path / "k.npz").write_bytes(content)
    with pytest.warns(UserWarning, match="damaged and is made anew"):
        assert torch.equal(cached(lambda: IMAGES, key="k", folder=tmp_path), IMAGES)
    assert torch.equal(cached(lambda: IMAGES * 0, key="k", folder=tmp_path), IMAGES)


def test_nothing_is_unpickled(tmp_path):
    np.savez(tmp_path / "k.npz", features=np.array([{"an": "object"}], dtype=object))
    with pytest.warns(UserWarning, match="allow_pickle=False"):
        cached(lambda: IMAGES, key="k", folder=tmp_path)


@pytest.mark.parametrize("key", ["", "../up", "a/b", ".hidden", "a b"])
def test_cached_refuses_a_key_that_is_no_file_name(tmp_path, key):
    with pytest.raises(ValueError, match="key must be letters"):
        cached(lambda: IMAGES, key=key, folder=tmp_path)


def test_cached_refuses_bfloat16(tmp_path):
    with pytest.raises(ValueError, match=r"npz can hold, got torch\.bfloat16"):
        cached(lambda: IMAGES.bfloat16(), key="k", folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_replacing_keeps_the_old_file_when_the_writer_fails(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")

    def write_half() -> None:
        with replacing(path) as partial:
            partial.write_text("ne")
            raise InterruptedError

    with pytest.raises(InterruptedError):
        write_half()
    assert path.read_text() == "old"
    with replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]
