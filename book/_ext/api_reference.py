"""The page of the package's names: one section for each module, filled in by autodoc."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import chapters
from sphinx.application import Sphinx

PLACE = "<!-- modules -->"
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
    """Put a section for each module where the page leaves its place."""
    if page == "api":
        sections = [
            SECTION.format(title=name.removeprefix("w2s_tutorial."), module=name)
            for name in public_modules()
        ]
        source[0] = source[0].replace(PLACE, "\n".join(sections))


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


def escaped(found: re.Match[str]) -> str:
    code, after, bullet, sign = found.groups()
    if code:
        return f"{code}\\ {after}" if after else code
    return bullet or "\\" + sign


def setup(app: Sphinx) -> None:
    app.connect("source-read", list_modules)
    app.connect("autodoc-process-docstring", as_text, priority=400)  # before napoleon
