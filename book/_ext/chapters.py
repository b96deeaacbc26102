"""The book's pages, and which of them are chapters that run."""

from __future__ import annotations

import os
import re
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
BOOK = ROOT / "book"
WORDS_PER_MINUTE = 200

FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
CODE = re.compile(r"^(`{3,})(?:\{code-cell\}|\{code-block\}|\w).*?^\1$", re.DOTALL | re.MULTILINE)
WORD = re.compile(r"[^\W\d_][\w'’-]*")


def is_fast() -> bool:
    """True where the environment asks for the tests' short run of every chapter."""
    # as w2s_tutorial._flags, which would bring torch along
    return os.environ.get("W2S_FAST", "").strip().lower() not in ("", "0", "false", "no", "off")


def toc() -> list[tuple[str, bool]]:
    """Every page in reading order, with whether its part is numbered."""
    contents = yaml.safe_load((BOOK / "_toc.yml").read_text(encoding="utf-8"))
    pages = [(contents["root"], False)]
    for part in contents["parts"]:
        numbered = bool(part.get("numbered", False))
        pages += [(entry["file"], numbered) for entry in part["chapters"]]
    return pages


def front_matter(page: str) -> dict:
    """The YAML block at the top of a page; empty where it has none."""
    found = FRONT_MATTER.match(read(page))
    return yaml.safe_load(found[1]) if found else {}


def read(page: str) -> str:
    """Source text of a page."""
    return (BOOK / f"{page}.md").read_text(encoding="utf-8")


def title(page: str) -> str:
    """The first heading of a page."""
    found = re.search(r"^# (.+)$", CODE.sub("", FRONT_MATTER.sub("", read(page))), re.MULTILINE)
    assert found, f"{page} has no title"
    return found[1]


def chapters() -> list[str]:
    """The pages that have code to run."""
    return [page for page, _ in toc() if "kernelspec" in front_matter(page)]


def reading_minutes(page: str) -> int:
    """Minutes to read the prose of a page, without its code, at 200 words a minute."""
    prose = CODE.sub("", FRONT_MATTER.sub("", read(page)))
    return max(1, round(len(WORD.findall(prose)) / WORDS_PER_MINUTE))
