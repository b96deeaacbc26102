"""Keys made of content, and files that are replaced whole or not at all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from features_case import IMAGES, small_network

from w2s_tutorial.storage import content_key, replacing


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
