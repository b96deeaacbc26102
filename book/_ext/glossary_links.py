"""The first use of a glossary's word in each chapter leads to its meaning."""

from __future__ import annotations

import re

import chapters
from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx

TERM = re.compile(r"^(?!```|  )(\S.*)$", re.MULTILINE)
BLOCK = re.compile(r"```\{glossary\}\n(.*?)```", re.DOTALL)
NOT_IN = (nodes.title, nodes.literal, nodes.reference, nodes.math, nodes.caption)
SKIPPED = {"weak"}  # an ordinary adjective as well; the four roles open every chapter anyway


def terms() -> list[str]:
    """The glossary's words, long ones first, so that no part of one is taken for another;
    none in a book without a glossary.
    """
    if "glossary" not in dict(chapters.toc()):
        return []
    found = BLOCK.search(chapters.read("glossary"))
    assert found, "the glossary lists no word"
    return sorted(set(TERM.findall(found[1])) - SKIPPED, key=len, reverse=True)


def link_first_uses(app: Sphinx, document: nodes.document) -> None:
    page = app.env.docname
    if page not in chapters.chapters():
        return
    for term in terms():
        if not linked(document, term):
            link(document, term, page)


def linked(document: nodes.document, term: str) -> bool:
    """Whether the word is linked, by the author or in its other number."""
    return any(
        ref["reftype"] == "term" and singular(ref["reftarget"]) == singular(term)
        for ref in document.findall(addnodes.pending_xref)
    )


def singular(term: str) -> str:
    return term.lower().removesuffix("s")


def link(document: nodes.document, term: str, page: str) -> None:
    word = re.compile(rf"(?<![\w-]){re.escape(term)}(?![\w-])", re.IGNORECASE)
    for paragraph in document.findall(nodes.paragraph):
        for text in paragraph.findall(nodes.Text):
            found = word.search(text)
            if found and not within(text, (*NOT_IN, addnodes.pending_xref)):
                before, after = text[: found.start()], text[found.end() :]
                parts = [nodes.Text(before), reference(found[0], term, page), nodes.Text(after)]
                text.parent.replace(text, [part for part in parts if part.astext()])
                return


def within(node: nodes.Node, kinds: tuple[type, ...]) -> bool:
    while (node := node.parent) is not None:
        if isinstance(node, kinds):
            return True
    return False


def reference(words: str, term: str, page: str) -> addnodes.pending_xref:
    found = addnodes.pending_xref(
        "", refdomain="std", reftype="term", reftarget=term, refdoc=page, refwarn=True,
        refexplicit=True,
    )  # fmt: skip
    found += nodes.inline("", words, classes=["xref", "std", "std-term"])
    return found


def setup(app: Sphinx) -> None:
    app.connect("doctree-read", link_first_uses, priority=100)
