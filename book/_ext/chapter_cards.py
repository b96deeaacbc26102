"""Directives that say what a chapter costs to read and run, and where its numbers come from.

`{cost-card}` at the top of a chapter, `{chapter-table}` on the front page, `{syllabus}` for
instructors, `{provenance-table}` on the page about checking, `{first-result}` on the front page.
They are filled in when pages are written, because only then every chapter's run is known.
"""

from __future__ import annotations

import csv
from typing import Any, ClassVar

import chapters
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.docutils import SphinxDirective

Row = list[list[nodes.Node]]


class pending_card(nodes.General, nodes.Element):
    """Stands for a card or table until the page is written."""


class Card(SphinxDirective):
    """Leaves a place for the card or table of the directive's name."""

    option_spec: ClassVar = {
        "downloads": directives.unchanged_required,
        "precomputed": directives.unchanged_required,
    }

    def run(self) -> list[nodes.Node]:
        return [pending_card(kind=self.name, **self.options)]


class Syllabus(SphinxDirective):
    """One line for each session: its title, a colon, its chapters."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        sessions = []
        for line in self.content:
            title, colon, pages = line.rpartition(":")
            listed = [page.strip() for page in pages.split(",")]
            if not colon or set(listed) - set(chapters.chapters()):
                raise self.error(f"a session needs a title and chapters that run, got {line!r}")
            sessions.append((title.strip(), listed))
        return [pending_card(kind=self.name, sessions=sessions)]


def fill(app: Sphinx, doctree: nodes.document, page: str) -> None:
    for card in list(doctree.findall(pending_card)):
        card.replace_self(FILLED[card["kind"]](app, page, card.attributes))


def cost_card(app: Sphinx, page: str, options: dict[str, Any]) -> nodes.Node:
    """One line of facts under a chapter's title."""
    run = runs_of(app.env).get(page)
    facts = {
        "Read": f"{chapters.reading_minutes(page)} min",
        "Run": describe_run(run) if run else "not run in this build",
        "Download": options.get("downloads", "nothing"),
    }
    if "precomputed" in options:
        facts["Computed before"] = options["precomputed"]
    if not app.config.html_baseurl:  # with an address, the buttons above lead to Colab
        facts["Here"] = f"download the notebook above, or open book/{page}.ipynb of a clone"
    paragraph = nodes.paragraph(classes=["cost-card"])
    for name, value in facts.items():
        fact = nodes.inline(classes=["cost-fact"])
        fact += [nodes.strong("", name), nodes.Text(f" {value}")]
        paragraph += [fact, nodes.Text(" ")]
    return paragraph


def describe_run(run: dict[str, Any]) -> str:
    """Seconds, cores and memory of a run, in words."""
    cores = "1 core" if run["cores"] == 1 else f"{run['cores']} cores"
    text = f"{run['execution_seconds']:.0f} s on {cores}"
    if run["peak_mib"]:
        text += f", {run['peak_mib'] / 1024:.1f} GB of memory"
    return text + (" (shortened for a test)" if run["fast"] else "")


def chapter_table(app: Sphinx, page: str, options: dict[str, Any]) -> nodes.Node:
    """Every chapter with what it asks, and minutes to read and seconds to run."""
    runs, rows = runs_of(app.env), []
    for chapter in chapters.chapters():
        run = runs.get(chapter)
        about = app.env.metadata[chapter].get("description", "")
        title = [nodes.paragraph("", "", link(app, page, chapter))]
        if about:
            title.append(nodes.paragraph("", str(about), classes=["chapter-about"]))
        rows.append(
            [
                title,
                text(f"{chapters.reading_minutes(chapter)} min"),
                text(f"{run['execution_seconds']:.0f} s" if run else "–"),
            ]
        )
    return table("chapter-table", ["Chapter", "Read", "Run"], rows)


def provenance_table(app: Sphinx, page: str, options: dict[str, Any]) -> nodes.Node:
    """Where each chapter's outputs come from: package, versions, machine, date."""
    columns = ["Chapter", "Package", "Run", "Versions", "Machine", "Date"]
    rows = []
    for chapter, run in runs_of(app.env).items():
        memory = f", {run['peak_mib']} MiB" if run["peak_mib"] else ""
        rows.append(
            [
                [nodes.paragraph("", "", link(app, page, chapter))],
                [nodes.paragraph("", "", nodes.literal("", run["package"]))],
                text(f"{run['execution_seconds']:.1f} s{memory}"),
                text(f"Python {run['python']}, torch {run['torch']}"),
                text(f"{run['cores']} cores, {run['processor']}"),
                text(run["date"]),
            ]
        )
    return table("provenance-table", columns, rows)


def first_result(app: Sphinx, page: str, options: dict[str, Any]) -> nodes.Node:
    """Accuracies of the four roles in the book's first experiment, from its stored table."""
    setting = {
        "weak": "pixels",
        "n_labeled": "100",
        "n_pool": "400",
        "minority_labeled": "0.25",
        "minority_pool": "0.25",
    }
    stored = chapters.ROOT / "data" / "waterdigits" / "measured.csv"
    with stored.open(encoding="utf-8", newline="") as lines:
        found = {
            row["role"]: row for row in csv.DictReader(lines) if setting.items() <= row.items()
        }
    rows = []
    for role in ("weak", "student", "baseline", "ceiling"):
        mean, low, high = (
            f"{float(found[role][column]):.3f}" for column in ("mean", "low", "high")
        )
        name = [nodes.paragraph("", "", nodes.literal("", role))]
        rows.append([name, text(mean), text(f"{low} to {high}")])
    return table("first-result", ["Role", "Accuracy", "95 % over draws"], rows)


def runs_of(env: BuildEnvironment) -> dict[str, dict[str, Any]]:
    return getattr(env, "chapter_runs", {})


def text(words: str) -> list[nodes.Node]:
    return [nodes.paragraph("", words)]


def link(app: Sphinx, page: str, target: str) -> nodes.reference:
    """A link to a page, with its number and title as words."""
    number = app.env.toc_secnumbers.get(target, {}).get("", ())
    words = ". ".join([*map(str, number), app.env.titles[target].astext()])
    address = app.builder.get_relative_uri(page, target)
    return nodes.reference("", words, internal=True, refuri=address)


def table(kind: str, columns: list[str], rows: list[Row]) -> nodes.Node:
    """A docutils table; the theme scrolls it inside its own box on a narrow screen."""
    group = nodes.tgroup(cols=len(columns))
    group += [nodes.colspec(colwidth=1) for _ in columns]
    head = nodes.row("", *[nodes.entry("", *text(name)) for name in columns])
    body = [nodes.row("", *[nodes.entry("", *cell) for cell in row]) for row in rows]
    group += [nodes.thead("", head), nodes.tbody("", *body)]
    result = nodes.table("", group, classes=[kind, "colwidths-auto"])
    return nodes.container("", result, classes=["pst-scrollable-table-container"])


def pages_to_write(app: Sphinx, env: BuildEnvironment) -> list[str]:
    """Pages whose tables speak of other pages."""
    return sorted(getattr(env, "pages_with_tables", set()))


def note_table(app: Sphinx, doctree: nodes.document) -> None:
    env: Any = app.env
    if not hasattr(env, "pages_with_tables"):
        env.pages_with_tables = set()
    kinds = {card["kind"] for card in doctree.findall(pending_card)}
    if kinds - {"cost-card"}:
        env.pages_with_tables.add(env.docname)
    else:
        env.pages_with_tables.discard(env.docname)


def syllabus(app: Sphinx, page: str, options: dict[str, Any]) -> nodes.Node:
    """Sessions of a course: their chapters, minutes to read and seconds to run."""
    runs, rows = runs_of(app.env), []
    for i, (title, pages) in enumerate(options["sessions"], 1):
        links = [nodes.paragraph("", "", link(app, page, chapter)) for chapter in pages]
        minutes = sum(chapters.reading_minutes(chapter) for chapter in pages)
        seconds = [runs[chapter]["execution_seconds"] for chapter in pages if chapter in runs]
        run = f"{sum(seconds):.0f} s" if seconds else "–"
        rows.append([text(f"{i}. {title}"), links, text(f"{minutes} min"), text(run)])
    return table("chapter-table", ["Session", "Chapters", "Read", "Run"], rows)


FILLED = {
    "cost-card": cost_card,
    "chapter-table": chapter_table,
    "first-result": first_result,
    "provenance-table": provenance_table,
    "syllabus": syllabus,
}


def setup(app: Sphinx) -> None:
    app.add_node(pending_card)
    for name in ("cost-card", "chapter-table", "provenance-table", "first-result"):
        app.add_directive(name, Card)
    app.add_directive("syllabus", Syllabus)
    app.connect("doctree-read", note_table)
    app.connect("env-updated", pages_to_write)
    app.connect("doctree-resolved", fill)
