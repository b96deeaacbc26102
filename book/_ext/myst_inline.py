"""Roles, links and macros inside a paragraph, as Markdown that any notebook shows."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from address import Address
from citations import cite
from labels import Target, targets, term_label

ROLE_OR_CODE = re.compile(
    r"(?:\{(?P<role>[\w:.+-]+)\})?(?P<ticks>`+)(?P<text>.+?)(?<!`)(?P=ticks)(?!`)", re.DOTALL
)
TITLED = re.compile(r"(?P<words>.+?)\s*<(?P<label>[^<>]+)>", re.DOTALL)
LINK = re.compile(r"(?P<image>!?)\[(?P<words>[^\[\]]*)\]\((?P<target>[^()\s]+)\)")
FOOTNOTE = re.compile(r"\[\^(?P<name>[\w-]+)\]:?")
ELSEWHERE = re.compile(r"https?:|mailto:|data:")
UNTRANSLATED = re.compile(r"\{\{ .*?\}\}|^:{3,}.*|^: .*", re.MULTILINE)
WRAPPED = {"sub": "<sub>{}</sub>", "sup": "<sup>{}</sup>", "math": "${}$", "kbd": "<kbd>{}</kbd>"}


@dataclass(frozen=True)
class Inline:
    """Translates the inline text of one page."""

    page: str
    address: Address
    macros: dict[str, str] = field(default_factory=dict)

    def __call__(self, text: str) -> str:
        """Markdown of a paragraph; code spans stay as they are."""
        if left := UNTRANSLATED.search(text):
            raise ValueError(f"syntax that the notebooks do not know: {left[0]!r}")
        spans: list[str] = []

        def put_aside(found: re.Match[str]) -> str:
            spans.append(self._role(found["role"], found["text"]) if found["role"] else found[0])
            return f"\0{len(spans) - 1}\0"

        text = LINK.sub(self._link, self.tex(ROLE_OR_CODE.sub(put_aside, text)))
        text = FOOTNOTE.sub(lambda found: f"<sup>{found['name']}</sup>", text)
        return re.sub(r"\0(\d+)\0", lambda found: spans[int(found[1])], text)

    def tex(self, text: str) -> str:
        """TeX with the book's macros written out: a notebook does not know them."""
        for name, meaning in self.macros.items():
            text = re.sub(rf"\\{name}(?![A-Za-z])", meaning.replace("\\", r"\\"), text)
        return text

    def target(self, label: str) -> Target:
        try:
            return targets()[label]
        except KeyError:
            raise ValueError(f"nothing in the book is labelled {label!r}") from None

    def link(self, words: str, target: Target) -> str:
        """A link into the published book; just the words on the same page or without an address."""
        if target.page == self.page or self.address.published is None:
            return words
        anchor = f"#{target.anchor}" if target.anchor else ""
        return f"[{words}]({self.address.published}{target.page}.html{anchor})"

    def _link(self, found: re.Match[str]) -> str:
        target, words = found["target"], found["words"]
        if found["image"]:
            return self.image(target, words)
        if ELSEWHERE.match(target):
            return found[0]
        file, _, anchor = target.partition("#")
        to = self.target(anchor or file.removesuffix(".md"))
        return self.link(words or to.title, to)

    def image(self, file: str, alt: str) -> str:
        """An image of the book: from the published book, or from beside the notebook."""
        if not ELSEWHERE.match(file) and self.address.published is not None:
            raw = self.address.url.replace("//github.com", "//raw.githubusercontent.com")
            file = f"{raw.rstrip('/')}/{self.address.branch}/book/{file}"
        return f"![{alt}]({file})"

    def _role(self, role: str, text: str) -> str:
        if role in WRAPPED:
            return WRAPPED[role].format(self.tex(text))
        if role.startswith("cite"):
            return cite(text, in_text=role == "cite:t")
        titled = TITLED.fullmatch(text)
        label, words = (titled["label"], titled["words"]) if titled else (text, None)
        if role == "term":
            return self.link(words or label, self.target(term_label(label)))
        if role == "doc":
            label = label.removesuffix(".md").removeprefix("/")
        elif role not in ("ref", "eq", "numref", "prf:ref"):
            raise ValueError(f"a role that the notebooks do not know: {{{role}}}`{text}`")
        target = self.target(label)
        if role == "eq":
            return self.link(f"({target.number})", target)
        if role in ("numref", "prf:ref"):
            return self.link(_numbered(words, target), target)
        return self.link(words or target.title or target.numbered_name, target)


def _numbered(words: str | None, target: Target) -> str:
    """For instance "Figure 1.2", or the author's own words with the number filled in."""
    if words is None:
        return target.numbered_name
    return words.replace("%s", target.number).replace("{number}", target.number)
