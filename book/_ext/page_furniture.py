"""What stands around the text of a page: no button that leads nowhere, no wrong role."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import Any

import address
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.config import Config

# Theme's labels of the buttons that point to the repository or to a service that reads it.
REPOSITORY_BUTTONS = {
    "launch-buttons",
    "source-buttons",
    "source-repository-button",
    "source-issues-button",
}
AFTER_THE_THEME = 900


def set_base_address(app: Sphinx, config: Config) -> None:
    """Give every page its canonical address, where the book has one."""
    published = address.load(Path(app.srcdir).parent / "_config.yml").published
    config.html_baseurl = published or ""


def drop_dead_buttons(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Until the book has an address, keep only the buttons that work: downloads, full screen."""
    if app.config.html_baseurl:
        return
    context["header_buttons"] = [
        button
        for button in context.get("header_buttons", [])
        if button.get("label") not in REPOSITORY_BUTTONS
    ]


def mend_roles(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Drop roles that docutils gives references and that no longer mean anything."""
    body = context.get("body", "")
    body = body.replace('<div role="list" class="citation-list">', '<div class="citation-list">')
    context["body"] = body.replace(' role="doc-biblioentry"', "")


def summarize_neighbours(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Say under the links to the previous and the next chapter what each is about."""
    _, before, after = getattr(app.builder, "relations", {}).get(page) or (None, None, None)
    for key, neighbour in (("prev", before), ("next", after)):
        about = app.env.metadata.get(neighbour, {}).get("description") if neighbour else None
        if about and context.get(key):
            words = f'<span class="chapter-about">{escape(str(about))}</span>'
            context[key] = {**context[key], "title": f"{context[key]['title']}<br>{words}"}


def setup(app: Sphinx) -> None:
    app.connect("config-inited", set_base_address)
    app.connect("html-page-context", drop_dead_buttons, priority=AFTER_THE_THEME)
    app.connect("html-page-context", mend_roles)
    app.connect("html-page-context", summarize_neighbours)
