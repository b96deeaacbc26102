"""What a finished book was made of, so that tests may take its pages while nothing has changed.

python book/_ext/stamp.py: marks the book in _build as finished; `make book` does it.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from chapters import ROOT

SOURCES = ("_config.yml", "constraints*.txt", "requirements.lock", "book/**/*", "w2s_tutorial/**/*",
           "data/**/*")  # fmt: skip


def fingerprint(*patterns: str, root: Path = ROOT) -> str:
    """Hash of the files that match, with their names."""
    digest = hashlib.sha256()
    for pattern in patterns:
        for path in sorted(root.glob(pattern)):
            if path.is_file() and path.suffix not in (".pyc", ".ipynb"):
                digest.update(path.relative_to(root).as_posix().encode() + b"\0")
                digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def put(build: Path, sources: str, log: str = "") -> None:
    """Mark a build, made of these sources, as finished without a warning."""
    pages = fingerprint("*", root=build / "html")
    (build / "stamp.json").write_text(json.dumps({"sources": sources, "pages": pages, "log": log}))


def log_of(build: Path, sources: str) -> str | None:
    """What a build said, if it was made of these sources and its pages are as it left them."""
    try:
        made = json.loads((build / "stamp.json").read_text())
    except (OSError, ValueError):
        return None
    same = made["sources"] == sources and made["pages"] == fingerprint("*", root=build / "html")
    return made["log"] if same else None


if __name__ == "__main__":
    put(ROOT / "_build", fingerprint(*SOURCES))
