"""Write each chapter's output-free notebook, `book/NAME.ipynb`, for Colab and for download.

python book/_ext/colab_notebooks.py           writes them
python book/_ext/colab_notebooks.py --check   exits with 1 if one is out of date
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import chapters
import nbformat
import yaml
from address import Address, load
from labels import Numbering
from myst_blocks import Directive, parse
from myst_inline import Inline
from myst_to_markdown import Translator, fold
from setup_cell import setup_cell

CONFIG = chapters.ROOT / "_config.yml"
ONLY_FOR_THE_BUILDER = {"colab-only", "remove-cell", "skip-execution"}
HIDDEN = {"hide-input", "hide-cell", "remove-input", "remove-cell"}
FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}}  # on Colab, in JupyterLab
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
    "colab": {"provenance": [], "toc_visible": True},
}


def convert(page: str, number: int, home: Address) -> str:
    """The notebook of a chapter, as the text of its file; number is 0 where it has none."""
    cells = list(_cells(page, number, home))
    seen: Counter[str] = Counter()
    for cell in cells:  # named by content: an edit changes the ids of the edited cells alone
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[digest] += 1
        cell["id"] = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=METADATA)
    nbformat.validate(notebook)
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _cells(page: str, number: int, home: Address) -> Iterator[nbformat.NotebookNode]:
    chapter = f"{number}." if number else ""
    translate = Translator(Inline(page, home, _macros()), chapter, Numbering())
    source = chapters.FRONT_MATTER.sub("", chapters.read(page))
    prose: list[str] = []
    set_up, in_solution = False, False
    for block in parse(source):
        name = block.name if isinstance(block, Directive) else ""
        if name in ("code-cell", "solution-start", "solution-end"):
            yield from _markdown(prose, folded=in_solution)
            prose = []
        if not isinstance(block, Directive) or name != "code-cell":
            in_solution = name == "solution-start" or (in_solution and name != "solution-end")
            if name == "solution-start":
                yield nbformat.v4.new_markdown_cell(translate.block(block))
            else:
                prose.append(translate.block(block))
            continue
        if not set_up:
            yield nbformat.v4.new_code_cell(setup_cell(home), metadata=FOLDED)
            set_up = True
        tags = set(block.options.get("tags", []))
        figure = (block.options.get("mystnb") or {}).get("figure") or {}
        caption = translate.caption("figure", figure["caption"]) if "caption" in figure else ""
        if "book-only" not in tags:
            yield _code_cell(block, tags, folded=in_solution)
            prose.append(caption)
    yield from _markdown(prose)


def _markdown(prose: list[str], *, folded: bool = False) -> Iterator[nbformat.NotebookNode]:
    text = "\n\n".join(part.strip("\n") for part in prose if part.strip())
    if text:
        yield nbformat.v4.new_markdown_cell(fold("Show the solution", text) if folded else text)


def _code_cell(block: Directive, tags: set[str], *, folded: bool) -> nbformat.NotebookNode:
    metadata: dict[str, Any] = {}
    if kept := sorted(tags - ONLY_FOR_THE_BUILDER):
        metadata["tags"] = kept
    if folded or (tags & HIDDEN and "colab-only" not in tags):
        metadata |= FOLDED
    return nbformat.v4.new_code_cell(block.body, metadata=metadata)


def _macros() -> dict[str, str]:
    config = yaml.safe_load(CONFIG.read_text(encoding="utf-8"))["sphinx"]["config"]
    return config["mathjax3_config"]["tex"]["macros"]


def notebooks(home: Address) -> Iterator[tuple[str, str]]:
    """Every chapter with its notebook's text; a ValueError names the page it comes from."""
    number = 0
    runnable = set(chapters.chapters())
    for page, numbered in chapters.toc():
        number += numbered
        if page in runnable:
            try:
                yield page, convert(page, number if numbered else 0, home)
            except ValueError as error:
                raise ValueError(f"{page}.md: {error}") from error


def main(check: bool) -> int:
    stale = []
    for page, text in notebooks(load(CONFIG)):
        path = chapters.BOOK / f"{page}.ipynb"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path.name)
            if not check:
                path.write_text(text, encoding="utf-8")
    extra = {path.stem for path in chapters.BOOK.glob("*.ipynb")} - set(chapters.chapters())
    print(f"{'out of date' if check else 'written'}: {', '.join(stale) or 'none'}")
    if extra:
        print(f"without a chapter (delete them): {', '.join(sorted(extra))}")
    return int(bool(extra or (check and stale)))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
