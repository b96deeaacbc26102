"""MyST text as a list of blocks: just enough structure to translate a page and to number it.

Block syntax the book uses: paragraphs, fenced directives (nested, with options), code fences,
labels, displayed equations and comments. Everything inside a paragraph is left as text.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

FENCE = re.compile(
    r"^(?P<indent> *)(?P<fence>`{3,}|:{3,}|~{3,}) *"
    r"(?:\{(?P<name>[\w:.-]+)\} *)?(?P<argument>.*)$"
)
LABEL = re.compile(r"^\((?P<label>[\w:.-]+)\)=\s*$")
EQUATION_END = re.compile(r"\$\$\s*(?:\((?P<label>[\w:.-]+)\))?\s*$")
OPTION = re.compile(r"^:(?P<key>[\w-]+):(?P<value>.*)$")


@dataclass(frozen=True)
class Text:
    """Lines of Markdown that are no other block."""

    text: str


@dataclass(frozen=True)
class Code:
    """A plain code fence, kept as it is."""

    text: str


@dataclass(frozen=True)
class Label:
    """`(name)=`: names what follows."""

    name: str


@dataclass(frozen=True)
class Equation:
    """A displayed equation; label is empty where it has none."""

    tex: str
    label: str


@dataclass(frozen=True)
class Directive:
    """A fenced directive; body is MyST again, or code."""

    name: str
    argument: str
    body: str
    options: dict[str, Any] = field(default_factory=dict)
    indent: int = 0


Block = Text | Code | Label | Equation | Directive


def parse(text: str) -> Iterator[Block]:
    """Blocks of a page or of a directive's body, in order."""
    lines, pending = iter(text.split("\n")), list[str]()
    for line in lines:
        block = _special(line, lines)
        if block is None:
            if not line.startswith("%"):
                pending.append(line)
            continue
        if "\n".join(pending).strip():
            yield Text("\n".join(pending).strip("\n"))
        pending = []
        yield block
    if "\n".join(pending).strip():
        yield Text("\n".join(pending).strip("\n"))


def _special(line: str, rest: Iterator[str]) -> Block | None:
    """The block that starts on this line, reading on as far as it goes; None for ordinary text."""
    if label := LABEL.match(line):
        return Label(label["label"])
    if line.strip().startswith("$$"):
        return _equation(line.strip(), rest)
    if not (opening := FENCE.match(line)) or "`" in opening["argument"]:
        return None
    body = textwrap.dedent("\n".join(_until_closed(opening["fence"], line, rest)))
    if opening["name"] is None:
        if opening["fence"].startswith(":"):
            raise ValueError(f"a fence of colons without a directive: {line!r}")
        fence = opening["fence"]
        code = f"{fence}{opening['argument']}\n{body}\n{fence}"
        return Code(textwrap.indent(code, opening["indent"]))
    options, body = _options(body)
    argument = opening["argument"].strip()
    if opening["name"] == "math":
        return Equation("\n".join(filter(None, [argument, body])), str(options.get("label", "")))
    return Directive(opening["name"], argument, body, options, len(opening["indent"]))


def _until_closed(fence: str, opening: str, rest: Iterator[str]) -> Iterator[str]:
    closing = re.compile(rf" *{re.escape(fence[0])}{{{len(fence)},}}\s*")
    for line in rest:
        if closing.fullmatch(line):
            return
        yield line
    raise ValueError(f"a fence is never closed: {opening!r}")


def _equation(line: str, rest: Iterator[str]) -> Equation:
    content = line[2:]
    while not (end := EQUATION_END.search(content)):
        following = next(rest, None)
        if following is None:
            raise ValueError(f"an equation is never closed: {line!r}")
        content += "\n" + following
    return Equation(content[: end.start()].strip(), end["label"] or "")


def _options(body: str) -> tuple[dict[str, Any], str]:
    """Options of a directive, in either spelling, and the body without them."""
    lines = body.split("\n")
    if lines[0].strip() == "---":
        end = lines.index("---", 1)
        return yaml.safe_load("\n".join(lines[1:end])) or {}, "\n".join(lines[end + 1 :]).strip(
            "\n"
        )
    options: dict[str, Any] = {}
    while lines and (option := OPTION.match(lines[0])):
        value = option["value"].strip()
        options[option["key"]] = yaml.safe_load(value) if value.startswith(("[", "{")) else value
        lines.pop(0)
    return options, "\n".join(lines).strip("\n")
