"""What a cell displays, and a figure as lean inline SVG in the ink, paper and font of the page."""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.figure import Figure

from w2s_tutorial.figures import _looks

PAPER = (
    "var(--pst-color-background,var(--jp-layout-color0,"
    "var(--colab-primary-surface-color,transparent)))"
)
_DRAWN = {"d", "x", "y", "points", "width", "height"}  # in points; others scale, so stay exact


@dataclass(frozen=True)
class Output:
    """What a notebook cell displays: HTML, or words where there is none."""

    html: str
    words: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.words


def without_panel(kind: str) -> str:
    """CSS that undoes the light panel which the book's theme puts behind HTML output at night."""
    return (
        "html[data-theme=dark] .bd-content div.cell_output"
        f" .text_html:not(:has(table.dataframe)):has({kind})"
        "{background:none;color:inherit;padding:0}"
    )


def inline_svg(fig: Figure, alt: str, *, copy: int = 0) -> str:
    """The figure's SVG element, with alt as its accessible name.

    Text stays text, without font family, so that the page's font applies. Black becomes
    currentColor, white areas the page's background; the figure's own background goes. A figure
    without layout engine gets the constrained one. The same figure gives the same bytes.

    Args:
        copy: keeps the ids of equal figures on one page apart. Figures that differ have
            different ids anyway.
    """
    if fig.get_layout_engine() is None:
        fig.set_layout_engine("constrained")
    written = io.BytesIO()
    settings: dict[Any, Any] = {"svg.fonttype": "none", "svg.hashsalt": "w2s", "savefig.bbox": None}
    settings["svg.image_inline"] = True
    with _looks.defaults(), mpl.rc_context(settings):
        fig.savefig(written, format="svg", metadata={"Date": None}, transparent=True, dpi=144)
    root = ElementTree.fromstring(written.getvalue())
    _lean(root)
    root.attrib = {
        "viewBox": root.attrib["viewBox"],
        "role": "img",
        "aria-label": alt,
        # Matplotlib leaves out a fill of black, and sets joins by a rule for the whole page.
        "fill": "currentColor",
        "stroke-linejoin": "round",
    }
    _rename(root, hashlib.sha256(ElementTree.tostring(root) + str(copy).encode()).hexdigest()[:8])
    return ElementTree.tostring(root, encoding="unicode")


def _rename(root: ElementTree.Element, prefix: str) -> None:
    """Keep only the ids that something points to, and number them behind the prefix."""
    names: dict[str, str] = {}

    def renamed(match: re.Match[str]) -> str:
        return names.setdefault(match[0], f"w2s-{prefix}-{len(names)}")

    for element in root.iter():
        for key, text in element.attrib.items():
            target = r"(?<=^#).+" if key == "href" else r"(?<=url\(#)[^)]+"
            element.set(key, re.sub(target, renamed, text))
    for element in root.iter():
        name = names.get(element.attrib.pop("id", ""))
        if name:
            element.set("id", name)


def _lean(parent: ElementTree.Element) -> None:
    """Strip namespaces, metadata, white space and digits below a hundredth of a point."""
    parent.tag = _local(parent.tag)
    for child in list(parent):
        if _local(child.tag) in ("metadata", "style"):
            parent.remove(child)
        else:
            _lean(child)
    attributes = {}
    for key, text in parent.attrib.items():
        key, text = _local(key), " ".join(text.split())
        if key in _DRAWN:
            text = re.sub(
                r"-?\d+\.\d+", lambda m: f"{float(m[0]):.2f}".rstrip("0").rstrip("."), text
            )
        elif key in ("style", "fill", "stroke"):
            text = _page_style(text, parent.tag)
        attributes[key] = text
    if attributes.get("transform", "").startswith("rotate(-0 "):
        del attributes["transform"]
    parent.attrib = attributes
    _share_style(parent)
    parent.tail = None
    if parent.tag not in ("text", "tspan"):
        parent.text = None


def _share_style(group: ElementTree.Element) -> None:
    """Say once what thousands of markers repeat; an opacity would then be that of all together."""
    styles = {child.get("style", "") if child.tag == "use" else "" for child in group}
    style = styles.pop() if len(styles) == 1 else ""
    alone = "style" in group.attrib or re.search(r"(^|; )opacity", style)
    if style and len(group) > 1 and not alone:
        group.set("style", style)
        for child in group:
            del child.attrib["style"]


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _page_style(style: str, tag: str) -> str:
    # Characters of a formula stand at DejaVu's widths, which Verdana shares; other text flows.
    font = "font-family: 'DejaVu Sans', Verdana, sans-serif" if tag == "tspan" else ""
    style = re.sub(r"font-family: [^;]+", font, style).replace("#000000", "currentColor")
    if tag not in ("text", "tspan", "g"):
        style = style.replace("#ffffff", PAPER)
    return "; ".join(part for part in re.split(r";\s*", style) if part)
