"""The pages of the package's names: complete, and each name with its words."""

from __future__ import annotations

import importlib
import inspect

import pytest
from api_reference import as_text, pages, public_modules
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
def shown(fast_book: Built) -> dict[str, BeautifulSoup]:
    """The pages that show the package, by name."""
    return {
        page: BeautifulSoup((fast_book.html / f"{page}.html").read_text("utf-8"), "html.parser")
        for page in pages()
    }


def test_every_module_has_one_page_and_stands_in_the_index(fast_book: Built) -> None:
    parts = [part for listed in pages().values() for part in listed]
    modules = [name for name in public_modules() if name != "w2s_tutorial"]
    assert sorted(parts) == sorted({name.split(".")[1] for name in modules})
    text = (fast_book.html / "api.html").read_text("utf-8")
    assert not [name for name in modules if f"#module-{name}" not in text]


def test_every_public_name_is_there_with_words(shown: dict[str, BeautifulSoup]) -> None:
    entries = {
        (part, str(entry["id"])): entry
        for page, parts in pages().items()
        for entry in shown[page].find_all("dt", id=True)
        for part in parts
    }
    asked = 0
    for module in public_modules():
        if module == "w2s_tutorial":
            continue
        for name in own_names(module):
            entry = entries.get((module.split(".")[1], f"{module}.{name}"))
            assert entry, f"{module}.{name} is not on the page"
            words = entry.find_next_sibling("dd").get_text(" ", strip=True)
            assert len(words.split()) >= 3, f"{module}.{name} says only {words!r}"
            asked += 1
    assert asked > 100


def test_no_markup_shows(shown: dict[str, BeautifulSoup]) -> None:
    for page in shown.values():
        text = page.find("article").get_text(" ")
        for sign in ("``", ":class:", "\\*", "\\|"):
            assert sign not in text


def test_text_is_escaped_and_code_is_not() -> None:
    lines = ["A |x|^2 and `a*b`s.", "", "    f(*a)", "", "* one", "Ends."]
    as_text(None, "module", "m", None, None, lines)
    assert lines == [
        "A \\|x\\|^2 and `a*b`\\ s.", "", ".. code-block:: python", "", "    f(*a)", "", "* one",
        "Ends.",
    ]  # fmt: skip
