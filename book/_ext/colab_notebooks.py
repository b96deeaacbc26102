"""Write each chapter's output-free notebook, `book/NAME.ipynb`, for Colab and for download.

A Sphinx builder over the resolved document tree, which runs no chapter. The same tree gives the
notebook that a page of the book offers for download.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import address
import chapters
import nbformat
from docutils import nodes
from myst_nb.core.render import create_figure_context
from myst_nb.sphinx_ import SphinxNbRenderer
from notebook_text import Text, fold, join
from setup_cell import setup_cell
from sphinx.application import Sphinx
from sphinx.builders.dummy import DummyBuilder

HIDDEN = {"hide-input", "hide-cell", "remove-input"}
FOLDED = {"cellView": "form", "jupyter": {"source_hidden": True}}  # on Colab, in JupyterLab
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
    "colab": {"provenance": [], "toc_visible": True},
}


class code_cell(nodes.Invisible, nodes.Element):
    """Carries a cell's source, which a page may hide: attributes source, tags."""


class Builder(DummyBuilder):
    """Resolves every chapter as for the published book; the notebooks are written on the way."""

    name = "notebooks"
    supported_image_types = ("image/png", "image/svg+xml", "image/jpeg")

    def get_target_uri(self, docname: str, typ: str | None = None) -> str:
        return f"{docname}.html"

    def get_outdated_docs(self) -> list[str]:
        return chapters.chapters()


def notebook(text: Text, document: nodes.document) -> str:
    """The notebook of a page's resolved tree, as the text of its file."""
    cells = list(_cells(text, document))
    seen: Counter[str] = Counter()
    for cell in cells:  # named by content: an edit changes the ids of the edited cells alone
        digest = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:12]
        seen[digest] += 1
        cell["id"] = digest if seen[digest] == 1 else f"{digest}-{seen[digest]}"
    made = nbformat.v4.new_notebook(cells=cells, metadata=METADATA)
    nbformat.validate(made)
    return json.dumps(made, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _cells(text: Text, document: nodes.document) -> Iterator[nbformat.NotebookNode]:
    prose: list[str] = []
    set_up = False
    for node, folded in (*_flat(document), (None, False)):
        if node is None or isinstance(node, (code_cell, nodes.rubric)):
            if words := join(prose):
                yield nbformat.v4.new_markdown_cell(words)
            prose = []
        if node is not None and not isinstance(node, code_cell):
            words = text(node)
            prose.append(fold("Show the solution", words) if folded and words else words)
            continue
        if node is not None and not set_up:
            yield nbformat.v4.new_code_cell(setup_cell(text.home), metadata=FOLDED)
            set_up = True
        if node is not None and "book-only" not in node["tags"]:
            yield _code_cell(node["source"], set(node["tags"]), folded)


def _flat(node: nodes.Element, folded: bool = False) -> Iterator[tuple[nodes.Node, bool]]:
    """Blocks of a page in order, with whether they belong to a solution that runs code."""
    for child in node.children:
        if isinstance(child, nodes.section):
            yield from _flat(child, folded)
        elif type(child).__name__ == "solution_node" and any(child.findall(code_cell)):
            heading = nodes.rubric("", "", *(n.deepcopy() for n in child.children[0].children))
            yield heading, folded
            yield from _flat(nodes.container("", *child.children[1:]), True)
        else:
            yield child, folded


def _code_cell(source: str, tags: set[str], folded: bool) -> nbformat.NotebookNode:
    if "colab-only" in tags:
        tags = tags & {"needs-gpu"}  # the others keep the cell out of the book
    metadata: dict[str, Any] = {"tags": sorted(tags)} if tags else {}
    if folded or tags & HIDDEN:
        metadata |= FOLDED
    return nbformat.v4.new_code_cell(source, metadata=metadata)


def keep_sources() -> None:
    """Let MyST-NB leave each cell's source in the tree, and its figure where nothing was run."""
    render = SphinxNbRenderer.render_nb_cell_code
    if render.__module__ == __name__:
        return

    def render_and_keep(self: Any, token: Any) -> None:
        metadata = token.meta["metadata"]
        tags = metadata.get("tags", [])
        self.current_node.append(code_cell(source=token.content.rstrip("\n"), tags=tags))
        render(self, token)
        figure = metadata.get("mystnb", {}).get("figure")
        if figure and not self._get_nb_code_cell_outputs(token)[1]:
            cell = nodes.container(nb_element="cell_code", cell_metadata=metadata)
            self.current_node.append(cell)
            with (
                self.current_node_context(cell),
                create_figure_context(self, figure, token.map[0] if token.map else 0),
            ):
                self.current_node.append(nodes.container())

    SphinxNbRenderer.render_nb_cell_code = render_and_keep


def write(app: Sphinx, document: nodes.document, page: str) -> None:
    """Write the page's notebook to where the builder, or the theme's download button, wants it."""
    if page in chapters.chapters():
        home = address.load(Path(app.srcdir).parent / "_config.yml")
        made = notebook(Text(page, app.env, home), document)
        folder = Path(app.outdir)
        if app.builder.name != Builder.name:
            folder = folder.parent / "jupyter_execute"  # from here the theme takes its download
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{page}.ipynb").write_text(made, encoding="utf-8")
    for cell in list(document.findall(code_cell)):
        cell.parent.remove(cell)


def build() -> dict[str, str]:
    """Every chapter with its notebook's text."""
    from jupyter_book.sphinx import build_sphinx

    out = chapters.ROOT / "_build" / "notebooks"
    failed = build_sphinx(
        chapters.BOOK, out / "files", noconfig=True, path_config=chapters.ROOT / "_config.yml",
        confoverrides={"latex_individualpages": False, "nb_execution_mode": "off"},
        builder=Builder.name, warningiserror=True, keep_going=True, quiet=True,
    )  # fmt: skip
    if failed:
        raise SystemExit(f"the notebooks were not written: {failed}")
    return {
        page: (out / "files" / f"{page}.ipynb").read_text(encoding="utf-8")
        for page in chapters.chapters()
    }


def main() -> int:
    written = []
    for page, text in build().items():
        path = chapters.BOOK / f"{page}.ipynb"
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            written.append(path.name)
            path.write_text(text, encoding="utf-8")
    extra = {path.stem for path in chapters.BOOK.glob("*.ipynb")} - set(chapters.chapters())
    print(f"written: {', '.join(written) or 'none'}")
    if extra:
        print(f"without a chapter (delete them): {', '.join(sorted(extra))}")
    return int(bool(extra))


def setup(app: Sphinx) -> None:
    keep_sources()
    app.add_node(code_cell)
    app.add_builder(Builder)
    app.connect("doctree-resolved", write, priority=400)  # before the cards are filled in


if __name__ == "__main__":
    sys.exit(main())
