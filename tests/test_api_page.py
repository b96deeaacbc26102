"""The page of the package's names: complete, and each name with its words."""

from __future__ import annotations

import importlib
import inspect

import pytest
from api_reference import as_text, public_modules
from bs4 import BeautifulSoup
from conftest import Built


def own_names(module: str) -> list[str]:
    """Public classes and functions that a module defines itself."""
    there = importlib.import_module(module)
    return [
        name
        for name, value in vars(there).items()
        if name in getattr(there, "__all__", vars(there))
        and not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and value.__module__ == module
    ]


@pytest.fixture(scope="module")
def page(fast_book: Built) -> BeautifulSoup:
    return BeautifulSoup((fast_book.html / "api.html").read_text("utf-8"), "html.parser")


def test_every_public_name_is_on_the_page_with_words(page: BeautifulSoup) -> None:
    asked = 0
    for module in public_modules():
        for name in own_names(module):
            entry = page.find("dt", id=f"{module}.{name}")
            assert entry, f"{module}.{name} is not on the page"
            words = entry.find_next_sibling("dd").get_text(" ", strip=True)
            assert len(words.split()) >= 3, f"{module}.{name} says only {words!r}"
            asked += 1
    assert asked > 100


def test_no_markup_shows(page: BeautifulSoup) -> None:
    text = page.find("article").get_text(" ")
    for sign in ("``", ":class:", "|weight|^2*", "\\*", "\\|"):
        assert sign not in text


def test_text_is_escaped_and_code_is_not() -> None:
    lines = ["A |x|^2 and `a*b`s.", "", "    f(*a)", "", "* one", "Ends."]
    as_text(None, "module", "m", None, None, lines)
    assert lines == [
        "A \\|x\\|^2 and `a*b`\\ s.", "", ".. code-block:: python", "", "    f(*a)", "", "* one",
        "Ends.",
    ]  # fmt: skip
