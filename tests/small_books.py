"""Small books with the real book's configuration, extensions and style."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import yaml
from conftest import ROOT

HEADER = """---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {display_name: Python 3, language: python, name: python3}
description: A page.
---
"""


def page_with(code: str) -> str:
    return f"{HEADER}# A page\n\n```{{code-cell}} ipython3\n{code}\n```\n"


def small_book(
    folder: Path, parts: dict[str, list[str]], url: str = "https://github.com/ORG/REPO"
) -> Path:
    """A book whose pages are still to be written.

    Args:
        folder: becomes the book's repository.
        parts: the pages of each part; the first part is numbered.
        url: address of the repository.
    """
    book = folder / "book"
    shutil.copytree(ROOT / "book" / "_ext", book / "_ext", ignore=shutil.ignore_patterns("__py*"))
    for name in ("_assets", "_templates"):
        shutil.copytree(ROOT / "book" / name, book / name)
    shutil.copy(ROOT / "book" / "references.bib", book)
    config = (ROOT / "_config.yml").read_text()
    (folder / "_config.yml").write_text(re.sub(r"(?m)^  url: \S+", f"  url: {url}", config))
    listed = [
        {"caption": name, "numbered": not i, "chapters": [{"file": page} for page in pages]}
        for i, (name, pages) in enumerate(parts.items())
    ]
    contents = {"format": "jb-book", "root": "index", "parts": listed}
    (book / "_toc.yml").write_text(yaml.safe_dump(contents))
    (book / "index.md").write_text("# A book\n")
    (folder / "w2s_tutorial").mkdir()
    (folder / "w2s_tutorial" / "__init__.py").write_text("answer = 41\n")
    return folder
