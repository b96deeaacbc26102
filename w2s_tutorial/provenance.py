"""How a stored result came about: the command, the machine, and hashes of what it was made from."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

import w2s_tutorial
from w2s_tutorial.storage import replacing


def describe(
    command: str,
    *,
    code: Iterable[ModuleType | Path] = (),
    files: Mapping[str, Path] | None = None,
    **told: Any,
) -> dict[str, Any]:
    """What a result's .json says: command, date, what the caller tells, machine, hashes.

    Args:
        command: what makes the result anew, such as "python data/dominoes/make.py".
        code: modules and files that decide the result; `source_sha256` is over all of them.
        files: name -> file whose content the result stands or falls with; their `sha256` by name.
        told: seed, steps, heads, seconds and whatever else belongs to it; `device`, if it is not
            the one that `machine` names.
    """
    facts: dict[str, Any] = {"command": command, "date": datetime.now(UTC).date().isoformat()}
    facts |= {"package": w2s_tutorial.__version__, **machine(), **told}
    sources = [part if isinstance(part, Path) else Path(str(part.__file__)) for part in code]
    if sources:
        facts["source_sha256"] = _sha256(*sources)
    if files:
        facts["sha256"] = {name: _sha256(path) for name, path in files.items()}
    return facts


def _sha256(*paths: Path) -> str:
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()


def machine() -> dict[str, str]:
    """Versions of torch and python, and the device; a processor with the number of threads."""
    threads = torch.get_num_threads()
    cpu = f"cpu, {platform.machine()}, {threads} thread{'s' if threads > 1 else ''}"
    return {
        "torch": torch.__version__,
        "python": platform.python_version(),
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else cpu,
    }


def save(path: Path | str, facts: Mapping[str, Any]) -> None:
    """Write facts as JSON, whole or not at all.

    Raises:
        ValueError: if path does not end in .json.
    """
    path = Path(path)
    if path.suffix != ".json":
        raise ValueError(f"path must end in .json, got {path.name}")
    with replacing(path) as partial:
        partial.write_text(json.dumps(facts, indent=1) + "\n")
