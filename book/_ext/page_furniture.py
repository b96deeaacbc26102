"""What stands around the text of a page: no button that leads nowhere, no wrong role."""

from __future__ import annotations

import re
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
PICTURE = "Who is trained on what: weak, student, baseline and ceiling."


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


MENDED = (
    # roles that docutils gives references and that no longer mean anything
    (r'<div role="list" class="citation-list">', '<div class="citation-list">'),
    (r' role="doc-biblioentry"', ""),
    # every exercise and solution of a page gets the same id, which nothing points to
    (r' id="(?:exercise|solution|proof)-content"', ""),
    # a summary is named by its words
    (r'(<summary[^>]*) aria-label="Toggle hidden content"', r"\1"),
    # the corner above the index of a table is no heading
    (r"<th></th>", "<td></td>"),
)


def mend_body(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Take out what only misleads those who hear a page instead of seeing it."""
    for pattern, instead in MENDED:
        context["body"] = re.sub(pattern, instead, context.get("body", ""))


def introduce(
    app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: nodes.document | None
) -> None:
    """Tell search engines, and places where a link is shared, what a page is about."""
    metadata, book = app.env.metadata, app.config.html_title
    about = {**metadata[app.config.root_doc], **metadata.get(page, {})}.get("description", book)
    title = re.sub("<[^>]+>", "", context.get("title", "")) or book
    facts = {"og:title": title, "og:description": about, "og:type": "article",
             "og:site_name": book}  # fmt: skip
    if base := app.config.html_baseurl:
        picture = f"{base}_static/four_roles.png"
        facts |= {"og:url": f"{base}{page}.html", "og:image": picture, "og:image:alt": PICTURE}
    tags = [f'<meta name="description" content="{escape(str(about))}" />']
    tags += [f'<meta property="{k}" content="{escape(str(v))}" />' for k, v in facts.items()]
    tags += ['<meta name="twitter:card" content="summary_large_image" />']
    context["metatags"] = "\n" + "\n".join(tags)  # docutils' own only repeats the viewport
    if page == "search":
        app.add_js_file("search_texts.js")


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
    app.connect("html-page-context", mend_body)
    app.connect("html-page-context", introduce)
    app.connect("html-page-context", summarize_neighbours)
