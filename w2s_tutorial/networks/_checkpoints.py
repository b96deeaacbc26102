"""States of training on disk: whole, of one run, and any flipped bit is noticed."""

from __future__ import annotations

import hashlib
import io
import re
from pathlib import Path
from typing import Any

import torch

from w2s_tutorial.storage import replacing

DIGEST = 32  # bytes of SHA-256 at the end of the file


def save(path: Path, key: str, state: dict[str, Any]) -> None:
    """Write a state in the place of the one before, with its run's key, and its hash at the end.

    Args:
        state: tensors, numbers and text, in dictionaries and lists.
    """
    with replacing(path) as partial:
        torch.save({"key": key, "state": state}, partial)
        with partial.open("r+b") as file:
            file.write(hashlib.file_digest(file, "sha256").digest())


def load(path: Path, key: str) -> dict[str, Any] | None:
    """The state in a file, on the CPU; None if there is no file.

    What killed runs left half written beside it is removed.

    Raises:
        ValueError: if the file is damaged, or was not saved under this key.
    """
    for left in path.parent.glob(".*.part"):
        if re.fullmatch(rf"\.{re.escape(path.name)}\.[0-9a-f]{{32}}\.part", left.name):
            left.unlink(missing_ok=True)
    if path.is_dir():
        raise ValueError(f"checkpoint must be a file, got the folder {path}")
    if not path.exists():
        return None
    content = path.read_bytes()
    if hashlib.sha256(content[:-DIGEST]).digest() != content[-DIGEST:]:
        raise ValueError(
            f"checkpoint {path} ({len(content)} bytes) is damaged, or none of this package: "
            "delete it to start anew, or name another file"
        )
    saved = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    if saved["key"] != key:
        raise ValueError(
            f"checkpoint {path} is of a run with another network, loss or augmentation, other "
            "data, settings or seed: delete it or name another file"
        )
    return saved["state"]
