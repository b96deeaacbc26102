"""The pages of the package's names: one section for each module, filled in by autodoc."""

from __future__ import annotations

import importlib
import inspect
import re
from itertools import pairwise
from typing import Any

import chapters
from sphinx.application import Sphinx

import w2s_tutorial

PARTS = re.compile(r"<!-- modules: (.+) -->")
INDEX = "<!-- index of modules -->"
FACE = "<!-- the face -->"
OUTSIDE_CODE = re.compile(r"[^`]+(?=(?:[^`]*`[^`]*`)*[^`]*$)")
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
    for mark, listed in ((FACE, face), (INDEX, index)):
        if mark in source[0]:
            source[0] = source[0].replace(mark, listed())


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


def face() -> str:
    """What `import w2s_tutorial` offers, each name linked to its place, with its first line."""
    text = []
    for name in w2s_tutorial.__all__:
        value = getattr(w2s_tutorial, name)
        if callable(value):
            kind = "class" if isinstance(value, type) else "func"
            link = f"{{py:{kind}}}`{name} <{value.__module__}.{name}>`"
        elif inspect.ismodule(value):
            link = f"{{py:mod}}`{name} <{value.__name__}>`"
        else:  # FAST
            text.append(f"- `{name}`: {value!r} here; the chapters run in short where it is true.")
            continue
        about = (inspect.getdoc(value) or "").split("\n\n")[0].replace("\n", " ")
        text.append(f"- {link}: {OUTSIDE_CODE.sub(_backslashes, about)}")
    return "\n".join(text)


def _backslashes(found: re.Match[str]) -> str:
    return SIGNS.sub(_backslash, found[0])


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
