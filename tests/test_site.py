"""The built pages as files: nothing from outside, no broken link, no picture without words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlparse

import chapters
import glossary_links
import matplotlib.pyplot as plt
import pytest
from bs4 import BeautifulSoup, Tag
from conftest import Built

from w2s_tutorial.figures import explore, pictures

PAGES = [page for page, _ in chapters.toc()]
MAX_PAGE_BYTES = 2_000_000
MAX_SITE_BYTES = 100_000_000
LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src"}
LOADED_LINKS = {"stylesheet", "preload", "icon", "modulepreload", "manifest"}


@cache
def parsed(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


def is_external(address: str) -> bool:
    return address.startswith("//") or urlparse(address).scheme in ("http", "https")


def loaded(soup: BeautifulSoup) -> Iterator[str]:
    """Addresses that a browser fetches to show the page."""
    for name, attribute in LOADED.items():
        yield from (str(tag[attribute]) for tag in soup.find_all(name) if tag.get(attribute))
    for link in soup.find_all("link"):
        if LOADED_LINKS & set(link.get("rel") or []):
            yield str(link["href"])


@pytest.mark.parametrize("page", [*PAGES, "search", "genindex"])
def test_nothing_is_loaded_from_outside(fast_book: Built, page: str) -> None:
    addresses = list(loaded(parsed(fast_book.html / f"{page}.html")))
    assert addresses, "a page without its own style sheet was not read right"
    assert not [address for address in addresses if is_external(address)]


def test_no_style_sheet_loads_from_outside(fast_book: Built) -> None:
    sheets = list(fast_book.html.rglob("*.css"))
    assert sheets
    for sheet in sheets:
        text = sheet.read_text(encoding="utf-8")
        used = re.findall(r"""(?:url\(|@import\s+)\s*["']?([^"')\s]+)""", text)
        assert not [address for address in used if is_external(address)], sheet.name


@pytest.mark.parametrize("page", PAGES)
def test_internal_links_lead_somewhere(fast_book: Built, page: str) -> None:
    file = fast_book.html / f"{page}.html"
    broken = []
    for anchor in parsed(file).find_all("a", href=True):
        address = urlparse(str(anchor["href"]))
        if address.scheme or address.netloc:
            continue
        target = (file.parent / unquote(address.path)) if address.path else file
        if not target.exists() or not has_anchor(target, unquote(address.fragment)):
            broken.append(anchor["href"])
    assert not broken


def has_anchor(page: Path, name: str) -> bool:
    return not name or page.suffix != ".html" or name in names(page)


@cache
def names(page: Path) -> frozenset[str]:
    """Places of a page that a link can name."""
    return frozenset(re.findall(r'\sid="([^"]+)"', page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", PAGES)
def test_pictures_have_words(fast_book: Built, page: str) -> None:
    soup = parsed(fast_book.html / f"{page}.html")
    for image in soup.find_all("img"):
        words = str(image.get("alt", "")).strip()
        assert words, image["src"][:80]
        assert not re.search(r"\.(png|svg|jpe?g)$|^[0-9a-f]{16,}|_images/", words), words
    for figure in soup.find_all("svg", role="img"):
        title = figure.find("title")
        words = figure.get("aria-label") or (title.get_text() if title else "")
        assert str(words).strip(), str(figure)[:200]
    # a line of a caption that begins with "1." would be taken for a list
    assert not soup.select("figcaption :is(ol, ul)")


def test_the_picture_of_the_front_page_is_the_packages_own(fast_book: Built) -> None:
    drawn, ax = plt.subplots(figsize=(6.4, 4.8))
    words = BeautifulSoup(
        explore.figure(pictures.four_roles(ax).figure)._repr_html_(), "html.parser"
    ).svg
    plt.close(drawn)
    shown = parsed(fast_book.html / "index.html").select_one("article svg[role=img]")
    assert words is not None
    assert shown is not None
    assert shown["aria-label"] == words["aria-label"]
    assert shown.get_text(" ", strip=True) == words.get_text(" ", strip=True)


@pytest.mark.parametrize("page", PAGES)
def test_a_page_has_one_title_and_a_bearable_size(fast_book: Built, page: str) -> None:
    file = fast_book.html / f"{page}.html"
    assert file.stat().st_size < MAX_PAGE_BYTES
    article = parsed(file).find("article")
    assert isinstance(article, Tag)
    assert len(article.find_all("h1")) == 1


def test_the_site_is_small(fast_book: Built) -> None:
    size = sum(file.stat().st_size for file in fast_book.html.rglob("*") if file.is_file())
    assert size < MAX_SITE_BYTES


def test_the_front_page_lists_every_chapter_with_its_seconds(fast_book: Built) -> None:
    table = parsed(fast_book.html / "index.html").find("table", class_="chapter-table")
    assert isinstance(table, Tag)
    rows = table.find_all("tr")[1:]
    linked = [row.find("a")["href"] for row in rows]
    assert linked == [f"{chapter}.html" for chapter in chapters.chapters()]
    assert all(re.search(r"\d+ s$", row.get_text().strip()) for row in rows)


def test_every_chapter_says_what_it_costs(fast_book: Built) -> None:
    for chapter in chapters.chapters():
        card = parsed(fast_book.html / f"{chapter}.html").find(class_="cost-card")
        assert isinstance(card, Tag), chapter
        assert re.search(r"Read \d+ min\s+Run \d+ s on \d+ core", card.get_text()), card.get_text()
        assert f"open book/{chapter}.ipynb of a clone" in card.get_text(), "there is no address yet"


def test_a_book_without_address_shows_no_dead_button(fast_book: Built) -> None:
    page = parsed(fast_book.html / f"{chapters.chapters()[0]}.html")
    buttons = page.find(class_="article-header-buttons")
    assert isinstance(buttons, Tag)
    targets = [str(link["href"]) for link in buttons.find_all("a", href=True)]
    assert any(target.endswith(".ipynb") for target in targets), "the notebook's download"
    assert not [target for target in targets if is_external(target)]


@pytest.mark.parametrize("page", chapters.chapters())
def test_words_of_the_glossary_lead_to_their_meaning(fast_book: Built, page: str) -> None:
    article = parsed(fast_book.html / f"{page}.html").find("article")
    assert isinstance(article, Tag)
    linked = {link.get_text().lower().rstrip("s") for link in article.select("a:has(> .std-term)")}
    for no_prose in article.select("a:not(:has(> .std-term)), code"):
        no_prose.extract()  # titles of other pages, and names
    text = " ".join(p.get_text(" ") for p in article.select(":scope section > p")).lower()
    used = [
        t for t in glossary_links.terms() if re.search(rf"(?<![\w-]){t.lower()}(?![\w-])", text)
    ]
    assert len(used) > 3
    assert not [term for term in used if term.lower().rstrip("s") not in linked]


def test_the_way_to_the_next_chapter_says_what_it_is_about(fast_book: Built) -> None:
    pages = [page for (page, first), (_, then) in pairwise(chapters.toc()) if first and then]
    order = [page for page, _ in chapters.toc()]
    assert len(pages) > 5
    for page in pages:
        after = order[order.index(page) + 1]
        link = parsed(fast_book.html / f"{page}.html").select_one("a.right-next")
        assert isinstance(link, Tag)
        about = " ".join(chapters.front_matter(after)["description"].split())
        assert about in " ".join(link.get_text(" ").split())
