"""Nodes of Sphinx's resolved document tree as Markdown that Colab and Jupyter show as it is.

Numbers, titles, links and citations are Sphinx's own; only their spelling changes here.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import chapters
from address import Address
from docutils import nodes
from sphinx.environment import BuildEnvironment

SPECIAL = re.compile(r"([\\*`$<]|(?<!\w)_|_(?!\w)|^\s*(?:[-+#>]|\d+[.)])(?=\s))", re.MULTILINE)
ELSEWHERE = re.compile(r"https?:|mailto:")
BOXES = "note tip important hint caution warning danger attention error seealso"
WRAPPED = {"emphasis": "*{}*", "strong": "**{}**", "subscript": "<sub>{}</sub>",
           "superscript": "<sup>{}</sup>"}  # fmt: skip
TRANSPARENT = (
    "inline paragraph proof_node section legend document line_block line glossary compact_paragraph"
)
NOTHING = "target comment index code_cell substitution_definition meta caption colspec"


@dataclass(frozen=True)
class Text:
    """Translates the nodes of one page."""

    page: str
    env: BuildEnvironment
    home: Address

    def __call__(self, node: nodes.Node) -> str:
        """Markdown of one node; ValueError for a kind that notebooks do not know."""
        name = type(node).__name__
        translate: Callable[[Any], str] | None = getattr(self, name, None)
        if translate is not None:
            return translate(node)
        if name in NOTHING.split():
            return ""
        if name in WRAPPED:
            return WRAPPED[name].format(self.inline(node))
        if name in TRANSPARENT.split():
            return self.inline(node) if isinstance(node, nodes.TextElement) else self.blocks(node)
        if name in BOXES.split():
            return quote(
                f"**{'See also' if name == 'seealso' else name.title()}**", self.blocks(node)
            )
        if "realtype" in getattr(node, "attributes", {}):
            return self.statement(node)
        raise ValueError(f"notebooks do not know the node {name!r}: {node.astext()[:60]!r}")

    def inline(self, node: nodes.Node) -> str:
        return "".join(map(self, node.children))

    def blocks(self, node: nodes.Node) -> str:
        return join(map(self, node.children))

    def number(self, kind: str, node: nodes.Element) -> str:
        """The number that the book shows, as "1.2"; "" where it shows none."""
        numbered = self.env.toc_fignumbers.get(self.page, {}).get(kind, {})
        return next((".".join(map(str, numbered[i])) for i in node["ids"] if i in numbered), "")

    # words in a line

    def Text(self, node: nodes.Text) -> str:
        return SPECIAL.sub(r"\\\1", node.astext())

    def literal(self, node: nodes.literal) -> str:
        text = node.astext()
        return f"`` {text} ``" if "`" in text else f"`{text}`"

    def tex(self, text: str) -> str:
        """TeX with the book's macros written out: a notebook does not know them."""
        for name, meaning in self.env.config.mathjax3_config["tex"]["macros"].items():
            text = re.sub(rf"\\{name}(?![A-Za-z])", meaning.replace("\\", r"\\"), text)
        return text

    def math(self, node: nodes.math) -> str:
        return f"${self.tex(node.astext()).strip()}$"

    def reference(self, node: nodes.reference) -> str:
        """A link to a paper or the published book; just words on the same page or without one."""
        words, to = self.inline(node), node.get("refuri", "")
        if to.startswith("references.html#"):
            to = self.papers().get(to.partition("#")[2], to)
        if ELSEWHERE.match(to):
            return f"[{words}]({to})"
        page = to.partition(".html")[0]
        if page in ("", self.page) or to.startswith("#") or self.home.published is None:
            return f"*{words}*" if node.astext() in self.titles() else words
        return f"[{words}]({self.home.published}{to})"

    def titles(self) -> set[str]:
        """Titles of pages and sections: without a link, a title reads as one in italics."""
        labels = self.env.get_domain("std").labels.values()
        return {title.astext() for title in self.env.titles.values()} | {at[2] for at in labels}

    def papers(self) -> dict[str, str]:
        """Addresses of the references, by their places on the page of references."""
        entries = {c.citation_id: c.entry.fields for c in self.env.get_domain("cite").citations}
        doi = {at: f"https://doi.org/{f['doi']}" for at, f in entries.items() if "doi" in f}
        return doi | {at: f["url"] for at, f in entries.items() if "url" in f}

    number_reference = reference

    def image(self, node: nodes.image) -> str:
        file = node["uri"]
        if self.home.published is not None and not ELSEWHERE.match(file):
            raw = self.home.url.replace("//github.com", "//raw.githubusercontent.com")
            file = f"{raw.rstrip('/')}/{self.home.branch}/book/{file}"
        return f"![{node.get('alt', '')}]({file})"

    # blocks

    def title(self, node: nodes.title) -> str:
        depth, at = 0, node.parent
        while at is not None:
            depth, at = depth + isinstance(at, nodes.section), at.parent
        return f"{'#' * depth} {self.inline(node)}"

    def math_block(self, node: nodes.math_block) -> str:
        tex = self.tex(node.astext()).strip()
        if r"\\" in tex and r"\begin" not in tex:
            tex = rf"\begin{{split}}{tex}\end{{split}}"
        if node.get("number"):
            tex += rf" \tag{{{self.number('displaymath', node) or node['number']}}}"
        return f"$$\n{tex}\n$$"

    def literal_block(self, node: nodes.literal_block) -> str:
        language = node.get("language", "").removeprefix("none").removeprefix("default")
        return f"```{language}\n{node.astext().rstrip()}\n```"

    def bullet_list(self, node: nodes.bullet_list) -> str:
        return self._list(node, lambda i: "- ")

    def enumerated_list(self, node: nodes.enumerated_list) -> str:
        return self._list(node, lambda i: f"{i + int(node.get('start', 1))}. ")

    def _list(self, node: nodes.Element, mark: Callable[[int], str]) -> str:
        items = []
        for i, item in enumerate(node.children):
            body = textwrap.indent(self.blocks(item), " " * len(mark(i)))
            items.append(mark(i) + body.lstrip())
        return ("\n\n" if any("\n\n" in item for item in items) else "\n").join(items)

    def block_quote(self, node: nodes.block_quote) -> str:
        return quote(self.blocks(node))

    def transition(self, node: nodes.transition) -> str:
        return "---"

    def figure(self, node: nodes.figure) -> str:
        shown = [child for child in node.children if isinstance(child, nodes.image)]
        return join([*map(self, shown), self.caption_of(node)])

    def caption_of(self, node: nodes.Element) -> str:
        """The caption of a figure or the title of a table, with its number."""
        kind = "figure" if isinstance(node, nodes.figure) else "table"
        name = f"**{kind.title()} {self.number(kind, node)}.** " if self.number(kind, node) else ""
        kinds = (nodes.caption, nodes.title)
        caption = "".join(self.inline(part) for part in node.children if isinstance(part, kinds))
        return join(
            [name + caption, *(self(n) for n in node.children if isinstance(n, nodes.legend))]
        )

    def table(self, node: nodes.table) -> str:
        rows = [
            "| " + " | ".join(self._entry(entry) for entry in row.children) + " |"
            for row in node.findall(nodes.row)
        ]
        columns = len(next(node.findall(nodes.row)).children)
        return join(
            [self.caption_of(node), "\n".join([rows[0], "| --- " * columns + "|", *rows[1:]])]
        )

    def _entry(self, entry: nodes.Element) -> str:
        text = re.sub(r"\s*\n\s*", " ", self.blocks(entry).replace("\n\n", "<br>"))
        return re.sub(r"(?<!\\)\|", r"\\|", text)

    def container(self, node: nodes.container) -> str:
        """Of a cell the captions of its figures; of a grid, tabs and the like what they hold."""
        if node.get("nb_element") == "cell_code":
            tags = node["cell_metadata"].get("tags", [])
            shown = [] if "book-only" in tags else node.findall(nodes.figure)
            return join(self.caption_of(figure) for figure in shown)
        return self.blocks(node)

    def rubric(self, node: nodes.rubric) -> str:
        return f"**{self.inline(node)}**"

    def admonition(self, node: nodes.Element) -> str:
        if "proof" in node["classes"]:  # no title of its own
            return re.sub("^Proof[.]", "*Proof.*", self.blocks(node))
        title, *body = node.children
        text = join(map(self, body))
        if "dropdown" in node["classes"]:
            return fold(self.inline(title), text)
        return quote(f"**{self.inline(title)}**", text)

    def exercise_node(self, node: nodes.Element) -> str:
        title, *body = node.children
        name = f"Exercise {self.number('exercise', node)}".strip()
        words = self.inline(title) if self.number("exercise", node) else self.inline(title)[8:]
        return quote(f"**{name}**{words}", join(map(self, body)))

    exercise_enumerable_node = exercise_node

    def solution_node(self, node: nodes.Element) -> str:
        return fold(self.inline(node.children[0]), join(map(self, node.children[1:])))

    def statement(self, node: nodes.Element) -> str:
        """A theorem, a definition and the like; their titles stand in brackets of their own."""
        title, *body = node.children
        name = (
            f"{node['realtype'].title()} {self.number(node.get('countertype', ''), node)}".strip()
        )
        return quote(f"**{name}** {self.inline(title).strip()}".strip(), join(map(self, body)))

    def pending_card(self, node: nodes.Element) -> str:
        if node["kind"] != "cost-card":
            return ""
        minutes, published = chapters.reading_minutes(self.page), self.home.published
        facts = [
            f"About {minutes} minute{'s' * (minutes > 1)} to read.",
            f"Downloads: {node.get('downloads', 'nothing')}.",
        ]
        if "precomputed" in node:
            facts.append(f"Computed before: {node['precomputed']}.")
        if published:
            facts.append(f"[This page in the book]({published}{self.page}.html).")
        return f"*{' '.join(facts)}*"


def join(parts: Any) -> str:
    """Blocks with an empty line between them; empty ones go."""
    return "\n\n".join(part.strip("\n") for part in parts if part.strip())


def quote(title: str, body: str = "") -> str:
    """A titled box: a Markdown quotation."""
    return re.sub(r"(?m)^(.*)$", lambda m: f"> {m[1]}".rstrip(), f"{title}\n\n{body}".strip())


def fold(title: str, body: str) -> str:
    """A box that opens on a click."""
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"
