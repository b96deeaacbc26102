"""The book as one PDF: every page, links that stay inside, nothing of the machine's folders."""

from __future__ import annotations

from pathlib import Path

import chapters
import pytest
from conftest import Built
from pdf_file import INSIDE, join, print_page
from playwright.sync_api import Browser
from pypdf import PdfReader

PAGES = ["index", "own_data", "notation", "glossary"]


@pytest.fixture(scope="module")
def printed(
    browser: Browser, fast_book: Built, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("printed")
    files = {name: folder / f"{name}.pdf" for name in PAGES}
    for name, file in files.items():
        print_page(browser, fast_book.html / f"{name}.html", file)
    return files


def targets(file: Path) -> tuple[list[str], int]:
    """Addresses outside the file, and the number of links inside it."""
    found = [
        note.get_object() for page in PdfReader(file).pages for note in page.get("/Annots", ())
    ]
    outside = [str(note["/A"]["/URI"]) for note in found if "/URI" in note.get("/A", {})]
    return outside, sum("/Dest" in note for note in found)


def test_links_between_pages_stay_inside(printed: dict[str, Path], tmp_path: Path) -> None:
    before = [targets(file) for file in printed.values()]
    assert any(address.startswith(INSIDE) for outside, _ in before for address in outside)
    join(printed, tmp_path / "book.pdf")
    outside, inside = targets(tmp_path / "book.pdf")
    assert inside > sum(count for _, count in before)
    assert not [a for a in outside if not a.startswith(("https://", "http://")) or INSIDE in a]


def test_each_page_is_there_under_its_title(printed: dict[str, Path], tmp_path: Path) -> None:
    join(printed, tmp_path / "book.pdf")
    book = PdfReader(tmp_path / "book.pdf")
    assert [item.title for item in book.outline] == [chapters.title(name) for name in PAGES]
    starts = [book.get_destination_page_number(item) for item in book.outline]
    assert starts == sorted(set(starts))
    for name, start in zip(PAGES, starts, strict=True):
        first = "".join(book.pages[start].extract_text().split())
        assert "".join(chapters.title(name).split()) in first
    assert str(chapters.ROOT) not in (tmp_path / "book.pdf").read_bytes().decode("latin-1")


def test_the_page_to_keep_is_one_page(browser: Browser, fast_book: Built, tmp_path: Path) -> None:
    print_page(browser, fast_book.html / "cheatsheet.html", tmp_path / "one.pdf")
    assert len(PdfReader(tmp_path / "one.pdf").pages) == 1
