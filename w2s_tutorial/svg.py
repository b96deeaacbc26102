"""One matplotlib figure as lean inline SVG that takes its ink, paper and font from the page."""

from __future__ import annotations

import hashlib
import io
import re
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.figure import Figure

PAPER = (
    "var(--pst-color-background,var(--jp-layout-color0,"
    "var(--colab-primary-surface-color,transparent)))"
)
_DRAWN = {"d", "x", "y", "points", "width", "height"}  # in points; others scale, so stay exact


def inline_svg(fig: Figure, alt: str, *, copy: int = 0) -> str:
    """The figure's SVG element, with alt as its accessible name.

    Text stays text, without font family, so that the page's font applies. Black becomes
    currentColor, white areas the page's background; the figure's own background goes. A figure
    without layout engine gets the constrained one. The same figure gives the same bytes.

    Args:
        copy: counts figures of equal content on one page, to keep their ids apart.
    """
    if fig.get_layout_engine() is None:
        fig.set_layout_engine("constrained")
    written = io.BytesIO()
    settings = {"svg.fonttype": "none", "svg.hashsalt": "w2s", "savefig.bbox": None}
    with mpl.rc_context(settings):
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
    used = _references(root)
    digest = hashlib.sha256(ElementTree.tostring(root) + str(copy).encode()).hexdigest()[:8]
    names = {old: f"w2s-{digest}-{i}" for i, old in enumerate(used)}
    for element in root.iter():
        if names.get(element.get("id", "")) is None:
            element.attrib.pop("id", None)
        for key, text in element.attrib.items():
            if key == "id":
                element.set(key, names[text])
            elif text.startswith(("#", "url(#")):
                element.set(key, re.sub(r"#([^)]+)", lambda m: f"#{names[m[1]]}", text))
    return ElementTree.tostring(root, encoding="unicode")


def _references(root: ElementTree.Element) -> list[str]:
    """The ids that something in the tree points to, in order of first use."""
    found = (
        match[1]
        for element in root.iter()
        for key in ("href", "clip-path")
        if (match := re.match(r"(?:url\()?#([^)]+)", element.get(key, "")))
    )
    return list(dict.fromkeys(found))


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
        elif key == "style":
            text = _page_style(text, parent.tag)
        attributes[key] = text
    if attributes.get("transform", "").startswith("rotate(-0 "):
        del attributes["transform"]
    parent.attrib = attributes
    parent.tail = None
    if parent.tag not in ("text", "tspan"):
        parent.text = None


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _page_style(style: str, tag: str) -> str:
    # Characters of a formula stand at DejaVu's widths, which Verdana shares; other text flows.
    font = "font-family: 'DejaVu Sans', Verdana, sans-serif" if tag == "tspan" else ""
    style = re.sub(r"font-family: [^;]+", font, style).replace("#000000", "currentColor")
    if tag not in ("text", "tspan", "g"):
        style = style.replace("#ffffff", PAPER)
    return "; ".join(part for part in re.split(r";\s*", style) if part)
