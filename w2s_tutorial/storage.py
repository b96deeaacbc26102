"""Files that are whole or absent, under names that say what went into them."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


def content_key(*parts: object) -> str:
    """A name (32 hexadecimal digits of SHA-256) that changes when any byte of any part changes.

    Args:
        parts: tensors, arrays, `nn.Module`s (their printed structure, parameters and buffers),
            text, bytes, numbers, booleans, None, and sequences and mappings of these. Name a
            preprocessing by its settings.

    Raises:
        ValueError: for anything else: a function, say, has no content that could be compared.
    """
    digest = hashlib.sha256()
    for part in parts:
        _feed(digest, part)
    return digest.hexdigest()[:32]


def _feed(digest: hashlib._Hash, part: object) -> None:
    # Kind and length go before content, so that ("ab", "c") and ("a", "bc") differ.
    if isinstance(part, nn.Module):
        weights = [*part.named_parameters(), *part.named_buffers()]
        _feed(digest, ["module", repr(part), *map(list, weights)])
    elif isinstance(part, Tensor):
        whole = part.detach().cpu().contiguous()
        digest.update(f"tensor {whole.dtype} {tuple(whole.shape)}:".encode())
        digest.update(whole.reshape(-1).view(torch.uint8).numpy().data)
    elif isinstance(part, np.ndarray):
        _feed(digest, torch.from_numpy(np.ascontiguousarray(part)))
    elif isinstance(part, Mapping):
        _feed(digest, ["mapping", *map(list, part.items())])
    elif isinstance(part, Sequence) and not isinstance(part, str | bytes):
        digest.update(f"sequence {len(part)}:".encode())
        for item in part:
            _feed(digest, item)
    elif part is None or isinstance(part, str | bytes | bool | int | float):
        text = part if isinstance(part, bytes) else str(part).encode()
        digest.update(f"{type(part).__name__} {len(text)}:".encode() + text)
    else:
        raise ValueError(f"a key is made of tensors, modules, text and numbers, got {part!r}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary file that takes the place of `path`, whole, when the block ends well.

    Whoever reads `path` meanwhile, or after a crash at any moment, finds the old file or the new
    one, never half of one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        yield partial
        with partial.open("r+b") as written:  # on the disk before it gets the name
            os.fsync(written.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def save_tensors(path: Path | str, tensors: Mapping[str, Tensor], **facts: object) -> None:
    """Write named tensors as a safetensors file, with facts about them and a hash of both.

    Args:
        tensors: such as a network's `state_dict()`.
        facts: what a reader should know (how to build the network, command, versions, seed), as
            JSON can hold it.

    Raises:
        ValueError: if a value is NaN or infinite.
    """
    whole = {name: tensors[name].detach().cpu().contiguous() for name in sorted(tensors)}
    _check_finite(path, whole)
    about = {"facts": facts, "content": _content(facts, whole)}
    with replacing(Path(path)) as partial:  # one entry: safetensors writes several in any order
        save_file(whole, partial, metadata={"about": json.dumps(about, sort_keys=True)})


def load_tensors(path: Path | str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and facts as `save_tensors` stored them, on the CPU.

    Raises:
        ValueError: if the file is damaged, was changed or not written by `save_tensors`, or holds
            NaN or infinity.
    """
    try:
        with safe_open(path, framework="pt") as stored:
            about = json.loads((stored.metadata() or {}).get("about", "{}"))
            tensors = {name: stored.get_tensor(name).clone() for name in sorted(stored.keys())}
    except (SafetensorError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is damaged, delete it or make it anew: {error}") from error
    facts = about.get("facts")
    if about.get("content") != _content(facts, tensors):
        raise ValueError(f"{path} must hold what its own hash says, it holds something else")
    _check_finite(path, tensors)
    return tensors, facts


def _content(facts: object, tensors: Mapping[str, Tensor]) -> str:
    return content_key(json.dumps(facts, sort_keys=True), tensors)


def _check_finite(path: Path | str, tensors: Mapping[str, Tensor]) -> None:
    wrong = [name for name, value in tensors.items() if not value.isfinite().all()]
    if wrong:
        raise ValueError(f"{path} must hold finite numbers, got NaN or infinity in {wrong}")
