"""The README's example prints what the README says, and its tree names what exists."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str, number: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)[number]


def test_the_example_prints_what_it_says():
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block("python"), "README.md", "exec"), {})
    assert printed.getvalue() == block("text")


def test_the_tree_names_every_part():
    named = {line.split()[0].rstrip("/") for line in block("text", 1).splitlines()}
    package = {p.stem for p in (ROOT / "w2s_tutorial").iterdir() if not p.name.startswith("_")}
    listed = {name.removesuffix(".py") for name in named}
    assert package <= listed, f"the README lacks {sorted(package - listed)}"
    for name in named:
        places = (ROOT, ROOT / "book", ROOT / "w2s_tutorial")
        assert any((place / name).exists() for place in places), name


def test_links_and_pictures_exist():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
