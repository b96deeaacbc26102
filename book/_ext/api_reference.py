"""The pages of the package's names: one section for each module, filled in by autodoc."""

from __future__ import annotations

import importlib
import re
from itertools import pairwise
from typing import Any

import chapters
from sphinx.application import Sphinx

PARTS = re.compile(r"<!-- modules: (.+) -->")
INDEX = "<!-- index of modules -->"
SIGNS = re.compile(r"[*_$<>\[\]]")
SECTION = """## {title}

```{{eval-rst}}
.. automodule:: {module}
   :members:
   :member-order: bysource
```
"""
# What reStructuredText would read as markup of its own, outside of code in backticks.
MARKUP = re.compile(r"(`[^`]*`)(\w?)|(^ *\* )|([*|]|(?<=\w)_(?!\w))")
CODE = [".. code-block:: python", ""]


def public_modules() -> list[str]:
    """Dotted names of the modules that readers import, packages before their parts."""
    names = []
    for path in sorted(chapters.ROOT.glob("w2s_tutorial/**/*.py")):
        parts = path.relative_to(chapters.ROOT).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return [name for name in sorted(names) if "._" not in name]


def list_modules(app: Sphinx, page: str, source: list[str]) -> None:
    """Put a section for each module of a page's parts, or the index of all, in its place."""
    if app.builder.name == "notebooks":  # no chapter asks for it, and it takes most of the time
        return
    source[0] = PARTS.sub(lambda found: sections(found[1].split()), source[0])
    if INDEX in source[0]:
        source[0] = source[0].replace(INDEX, index())


def sections(parts: list[str]) -> str:
    return "\n".join(
        SECTION.format(title=name.removeprefix("w2s_tutorial."), module=name)
        for part in parts
        for name in public_modules()
        if name.split(".")[1:2] == [part]
    )


def pages() -> dict[str, list[str]]:
    """Pages that show modules, and the parts of the package on each."""
    found = {page: PARTS.search(chapters.read(page)) for page, _ in chapters.toc()}
    return {page: parts[1].split() for page, parts in found.items() if parts}


def index() -> str:
    """Every module in one line: its name, linked, and the first line of its docstring."""
    text = []
    for page, parts in pages().items():
        text.append(f"**{{doc}}`{page}`**\n")
        for name in public_modules():
            if name.split(".")[1:2] and name.split(".")[1] in parts:
                about = (importlib.import_module(name).__doc__ or "").strip().splitlines()[0]
                short = name.removeprefix("w2s_tutorial.")
                text.append(f"- {{py:mod}}`{short} <{name}>`: {SIGNS.sub(_backslash, about)}")
        text.append("")
    return "\n".join(text)


def _backslash(found: re.Match[str]) -> str:
    return "\\" + found[0]


def as_text(app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    """Docstrings are plain text: mark indented examples as code, and escape what is no markup."""
    inside, written = False, []
    for before, line in pairwise(["text", *lines]):
        if what == "module" and not before.strip() and line.startswith("    ") and not inside:
            inside = True
            written += CODE
        inside = inside and (not line.strip() or line.startswith("    "))
        written.append(line if inside else MARKUP.sub(escaped, line))
    lines[:] = written


def leave_out(
    app: Sphinx, what: str, name: str, obj: object, skip: bool, options: Any
) -> bool | None:
    """Methods that scikit-learn makes on the fly speak of pages of its own."""
    return True if re.fullmatch("set_[a-z]+_request", name) else None


def escaped(found: re.Match[str]) -> str:
    code, after, bullet, sign = found.groups()
    if code:
        return f"{code}\\ {after}" if after else code
    return bullet or "\\" + sign


def setup(app: Sphinx) -> None:
    app.connect("source-read", list_modules)
    app.connect("autodoc-skip-member", leave_out)
    app.connect("autodoc-process-docstring", as_text, priority=400)  # before napoleon
