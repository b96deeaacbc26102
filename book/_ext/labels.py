"""Where every label of the book points, and the number that the built book shows there."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache

import chapters
from myst_blocks import Directive, Equation, Label, Text, parse

HEADING = re.compile(r"^#{1,6}\s+(?P<title>.+?)\s*$", re.MULTILINE)
NUMBER_WORD = {"figure": "Figure", "table": "Table", "exercise": "Exercise"}


@dataclass(frozen=True)
class Target:
    """What a label names. number is "" where the book shows none."""

    page: str
    anchor: str
    title: str
    kind: str
    number: str = ""

    @property
    def numbered_name(self) -> str:
        """For instance "Figure 1.2"."""
        word = NUMBER_WORD.get(self.kind, self.kind.removeprefix("prf:").capitalize())
        return f"{word} {self.number}" if self.number else self.title


class Numbering:
    """Counts figures, equations and the like as Sphinx does: afresh in each numbered chapter."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()

    def next(self, kind: str, chapter: str) -> str:
        self._counts[kind, chapter] += 1
        return f"{chapter}{self._counts[kind, chapter]}"


@cache
def targets() -> dict[str, Target]:
    """Every label of the book, and every page under its own name."""
    found: dict[str, Target] = {}
    numbering, chapter = Numbering(), 0
    for page, numbered in chapters.toc():
        chapter += numbered
        source = chapters.FRONT_MATTER.sub("", chapters.read(page))
        collector = _Collector(page, f"{chapter}." if numbered else "", numbering)
        collector.collect(source)
        for label, target in collector.found.items():
            if label in found:
                raise ValueError(
                    f"{page}.md: label {label!r} is used in {found[label].page}.md too"
                )
            found[label] = target
    return found


def title_of(page: str) -> str:
    """Title of a page: its first heading."""
    heading = HEADING.search(chapters.FRONT_MATTER.sub("", chapters.read(page)))
    if heading is None:
        raise ValueError(f"{page}.md has no title: the first line after the header must be '# ...'")
    return heading["title"]


def plain(markdown: str) -> str:
    """Words of one line of Markdown, without emphasis marks."""
    return re.sub(r"(?<!\\)[*`]", "", markdown.strip())


class _Collector:
    def __init__(self, page: str, chapter: str, numbering: Numbering) -> None:
        self.page, self.chapter, self.numbering = page, chapter, numbering
        self.found = {page: Target(page, "", plain(title_of(page)), "page")}

    def collect(self, source: str) -> None:
        waiting: list[str] = []
        for block in parse(source):
            if isinstance(block, Label):
                waiting.append(block.name)
                continue
            if isinstance(block, Text) and (heading := HEADING.match(block.text)):
                for label in waiting:
                    self._note(label, label, plain(heading["title"]), "section")
            elif isinstance(block, Equation) and block.label:
                number = self.numbering.next("equation", self.chapter)
                self._note(block.label, f"equation-{block.label}", "", "equation", number)
            elif isinstance(block, Directive):
                self._directive(block)
            waiting = []

    def _directive(self, block: Directive) -> None:
        if block.name == "glossary":
            for term in re.findall(r"(?m)^(\S.*?)\s*$", block.body):
                self.found[term_label(term)] = Target(self.page, term_anchor(term), term, "term")
            return
        if block.name == "code-cell":
            figure = (block.options.get("mystnb") or {}).get("figure") or {}
            if "caption" in figure:
                self._enumerated("figure", figure.get("name"), first_sentence(figure["caption"]))
            return
        if block.name in ("figure", "table", "list-table"):
            is_figure = block.name == "figure"
            caption = block.body if is_figure else block.argument
            if caption.strip():
                kind = "figure" if is_figure else "table"
                self._enumerated(kind, block.options.get("name"), first_sentence(caption))
            return
        if is_numbered_box(block):
            kind = block.name.removesuffix("-start")
            self._enumerated(kind, block.options.get("label"), plain(block.argument))
        if block.name != "code-block":
            self.collect(block.body)

    def _enumerated(self, kind: str, label: str | None, title: str) -> None:
        number = self.numbering.next(kind, self.chapter)
        if label:
            self._note(label, label, title, kind, number)

    def _note(self, label: str, anchor: str, title: str, kind: str, number: str = "") -> None:
        if label in self.found:
            raise ValueError(f"{self.page}.md: label {label!r} is used twice")
        identifier = re.sub(r"[^a-z0-9]+", "-", anchor.lower()).strip("-")
        self.found[label] = Target(self.page, identifier, title, kind, number)


def is_numbered_box(block: Directive) -> bool:
    """True for exercises, definitions, theorems and their kin; a proof has no number."""
    is_statement = block.name.startswith("prf:") and block.name != "prf:proof"
    is_exercise = block.name in ("exercise", "exercise-start")
    return (is_statement or is_exercise) and "nonumber" not in block.options


def term_label(term: str) -> str:
    """Key of a glossary's term, however it is capitalized where it is used."""
    return f"term: {' '.join(term.lower().split())}"


def term_anchor(term: str) -> str:
    """The name that Sphinx gives to the place of a term."""
    return "term-" + re.sub(r"[^a-zA-Z0-9._]+", "-", term).strip("-")


def first_sentence(caption: str) -> str:
    """The first sentence of a caption, in plain words."""
    return plain(re.split(r"(?<=[.?!])\s", caption.strip(), maxsplit=1)[0]).rstrip(".")
