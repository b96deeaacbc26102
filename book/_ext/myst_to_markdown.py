"""Blocks of a chapter as Markdown that Colab and Jupyter show without any extension."""

from __future__ import annotations

import re
import textwrap
from dataclasses import dataclass

import chapters
from labels import Numbering
from myst_blocks import Block, Code, Directive, Equation, Label, Text, parse
from myst_inline import Inline


@dataclass(frozen=True)
class Translator:
    """Translates one page; it carries the page's numbering from block to block."""

    inline: Inline
    chapter: str
    numbering: Numbering

    def __call__(self, text: str) -> str:
        """Markdown of a stretch of MyST text."""
        parts = [self.block(block) for block in parse(text)]
        return "\n\n".join(part for part in parts if part)

    def block(self, block: Block) -> str:
        if isinstance(block, Label):
            return ""
        if isinstance(block, Code):
            return block.text
        if isinstance(block, Text):
            return self.inline(block.text)
        if isinstance(block, Equation):
            return self.equation(block)
        return textwrap.indent(self.directive(block), " " * block.indent)

    def equation(self, block: Equation) -> str:
        """A displayed equation with the number that it has in the book."""
        tex = self.inline.tex(block.tex)
        if block.label:
            tex += rf" \tag{{{self.numbering.next('equation', self.chapter)}}}"
        return f"$$\n{tex}\n$$"

    def directive(self, block: Directive) -> str:
        if block.name.startswith("prf:") and block.name != "prf:proof":
            return quote(self.numbered_title(block), self(block.body))
        match block.name:
            case "exercise" | "exercise-start":
                return quote(self.numbered_title(block), self(block.body))
            case "solution":
                return fold(self.solution_title(block), self(block.body))
            case "solution-start":
                return f"**{self.solution_title(block)}**"
            case "prf:proof":
                return f"*Proof.* {self(block.body)}"
            case "admonition" | "note" | "tip" | "important" | "hint" | "caution" | "warning":
                return self.admonition(block)
            case "seealso":
                return quote("**See also**", self.argument_and_body(block))
            case "toggle" | "dropdown":
                return fold(self.inline(block.argument) or "Details", self(block.body))
            case "tab-set" | "grid" | "margin" | "sidebar" | "four-roles":
                return self(block.body)
            case "tab-item" | "grid-item" | "grid-item-card" | "card":
                title = f"**{self.inline(block.argument)}**" if block.argument else ""
                return f"{title}\n\n{self(block.body)}".strip()
            case "figure" | "image":
                return self.figure(block)
            case "table":
                return f"{self.caption('table', block.argument)}\n\n{self(block.body)}"
            case "code-block":
                return f"```{block.argument}\n{block.body}\n```"
            case "cost-card":
                return self.cost_card(block)
            case "solution-end" | "exercise-end" | "chapter-table" | "provenance-table":
                return ""
        raise ValueError(f"a directive that the notebooks do not know: {{{block.name}}}")

    def admonition(self, block: Directive) -> str:
        if block.name == "admonition":
            title, body = self.inline(block.argument), self(block.body)
        else:
            title, body = block.name.capitalize(), self.argument_and_body(block)
        if "dropdown" in str(block.options.get("class", "")):
            return fold(title, body)
        return quote(f"**{title}**", body)

    def argument_and_body(self, block: Directive) -> str:
        """Text of a box that may begin on its first line."""
        return self("\n".join(filter(None, [block.argument, block.body])))

    def solution_title(self, block: Directive) -> str:
        return f"Solution to {self.inline.target(block.argument).numbered_name}"

    def numbered_title(self, block: Directive) -> str:
        """For instance "**Exercise 1.2** (A negative PGR)", counted as the book counts."""
        kind = block.name.removesuffix("-start")
        name = kind.removeprefix("prf:").capitalize()
        if "nonumber" not in block.options:
            name += f" {self.numbering.next(kind, self.chapter)}"
        return f"**{name}**" + (f" ({self.inline(block.argument)})" if block.argument else "")

    def figure(self, block: Directive) -> str:
        image = self.inline.image(block.argument, str(block.options.get("alt", "")))
        if block.name == "image" or not block.body.strip():
            return image
        return f"{image}\n\n{self.caption('figure', block.body)}"

    def caption(self, kind: str, text: str) -> str:
        number = self.numbering.next(kind, self.chapter)
        return f"**{kind.capitalize()} {number}.** {self(text.strip())}"

    def cost_card(self, block: Directive) -> str:
        page, published = self.inline.page, self.inline.address.published
        minutes = chapters.reading_minutes(page)
        facts = [
            f"About {minutes} minute{'s' * (minutes > 1)} to read.",
            f"Downloads: {block.options.get('downloads', 'nothing')}.",
        ]
        if "precomputed" in block.options:
            facts.append(f"Computed before: {block.options['precomputed']}.")
        if published:
            facts.append(f"[This page in the book]({published}{page}.html).")
        return f"*{' '.join(facts)}*"


def quote(title: str, body: str) -> str:
    """A titled box: a Markdown quotation."""
    return re.sub(r"(?m)^(.*)$", lambda m: f"> {m[1]}".rstrip(), f"{title}\n\n{body}".strip())


def fold(title: str, body: str) -> str:
    """A box that opens on a click."""
    return f"<details><summary>{title}</summary>\n\n{body}\n\n</details>"
