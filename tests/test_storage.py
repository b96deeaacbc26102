"""Keys made of content, and files that are replaced whole or not at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from features_case import IMAGES, small_network
from safetensors.torch import load_file, save_file
from torch import nn

from w2s_tutorial.storage import code_key, content_key, load_tensors, replacing, save_tensors


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


SOURCE = """
SCALE = 2.0
def helper(x):
    return {scale} * x
def loss(x, y=1):
    if x in {{"a", "b"}}:
        return loss(y)
    return [helper(part) * SCALE + {shift} for part in x]
"""


def made(module: str = "__main__", scale: float = 1.0, shift: float = 0.0) -> Callable:
    space = {"__name__": module}
    exec(SOURCE.format(scale=scale, shift=shift), space)
    return space["loss"]


def closed(q: float) -> Callable:
    return lambda x: x**q


def test_code_keys_change_with_what_a_function_does():
    changed = made()
    changed.__globals__["SCALE"] = 3.0
    defaults = made()
    defaults.__defaults__ = (2,)
    functions = [
        *(made(), made(shift=1.0), made(scale=2.0), made("other"), changed, defaults),
        *(closed(1.0), closed(2.0), partial(made(), y=1), partial(made(), y=2)),
        *(partial(made(), torch.ones(2)), partial(made(), torch.ones(3)), torch.relu, len),
        *(nn.Linear(2, 2), small_network(), small_network().forward, nn.Linear),
    ]
    assert len({code_key(function) for function in functions}) == len(functions)
    assert code_key(made()) == code_key(made())
    assert code_key(closed(2.0)) == code_key(closed(2.0))
    assert code_key(partial(made(), y=2)) == code_key(partial(made(), y=2))


def test_code_keys_are_the_same_in_another_process():
    code = "from test_storage import *; print(code_key(made()), code_key(closed(2.0)))"
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parent,
        env=os.environ | {"PYTHONHASHSEED": "1"},  # which orders sets of text
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout == f"{code_key(made())} {code_key(closed(2.0))}\n"


def test_code_keys_refuse_what_cannot_be_compared():
    with pytest.raises(ValueError, match="a key is made of tensors"):
        code_key(closed(object()))  # type: ignore[arg-type]


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


TENSORS = {
    "weight": torch.arange(6.0).view(2, 3).mT,  # not contiguous
    "half": torch.tensor([0.1, -2.0], dtype=torch.float16),
    "count": torch.tensor(7),
}


def test_tensors_and_facts_come_back_as_they_were(tmp_path: Path):
    facts = {"seed": 0, "recipe": {"name": "cnn", "sizes": [8, 8]}}
    save_tensors(tmp_path / "a.safetensors", TENSORS, **facts)
    tensors, told = load_tensors(tmp_path / "a.safetensors")
    assert told == facts
    assert set(tensors) == set(TENSORS)
    for name, value in TENSORS.items():
        assert tensors[name].dtype == value.dtype
        assert torch.equal(tensors[name], value)
    save_tensors(tmp_path / "b.safetensors", dict(reversed(TENSORS.items())), **facts)
    files = [(tmp_path / f"{name}.safetensors").read_bytes() for name in "ab"]
    assert files[0] == files[1], "the same content is the same file"


def test_numbers_that_are_none_are_neither_written_nor_read(tmp_path: Path):
    path = tmp_path / "a.safetensors"
    broken = TENSORS | {"half": torch.tensor([1.0, torch.nan])}
    with pytest.raises(ValueError, match=r"finite numbers, got NaN or infinity in \['half'\]"):
        save_tensors(path, broken)
    assert not path.exists()
    whole = {name: value.contiguous() for name, value in broken.items()}
    content = content_key("{}", {name: whole[name] for name in sorted(whole)})
    save_file(whole, path, metadata={"about": json.dumps({"facts": {}, "content": content})})
    with pytest.raises(ValueError, match=r"a\.safetensors must hold finite numbers.*'half'"):
        load_tensors(path)


def test_tensors_that_were_changed_or_cut_are_not_believed(tmp_path: Path):
    path = tmp_path / "a.safetensors"
    save_tensors(path, TENSORS, seed=0)
    good = path.read_bytes()
    start = 8 + int.from_bytes(good[:8], "little")
    for at in (start, len(good) - 1, good.index(b"seed") + 1):
        path.write_bytes(good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :])
        with pytest.raises(ValueError, match=r"must hold what its own hash says"):
            load_tensors(path)
    for cut in (0, 5, start // 2, len(good) - 3):
        path.write_bytes(good[:cut])
        with pytest.raises(ValueError, match=r"a\.safetensors is damaged"):
            load_tensors(path)
    save_file({"weight": torch.ones(3)}, path)
    with pytest.raises(ValueError, match=r"must hold what its own hash says"):
        load_tensors(path)
    with pytest.raises(FileNotFoundError):
        load_tensors(tmp_path / "none.safetensors")
    path.write_bytes(good)
    assert torch.equal(load_file(path)["weight"], TENSORS["weight"]), "plain safetensors"
    assert load_tensors(path)[1] == {"seed": 0}
