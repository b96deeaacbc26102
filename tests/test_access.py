"""For those who print a page, use the keyboard, hear it, or have a small screen."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Iterator

import chapters
import pytest
from bs4 import BeautifulSoup
from conftest import Built
from playwright.sync_api import Browser, Page
from test_browser import visit

FIRST = chapters.chapters()[0]
MAX_WIRE_BYTES = 2_000_000

# Relative luminance of the ink of words, axes and code that a reader of paper sees.
INKS = """() => {
  const words = 'article p, article pre span, article svg[role=img] text';
  const shown = [...document.querySelectorAll(words)].filter(e => e.getClientRects().length);
  return shown.map(e => {
    const style = getComputedStyle(e);
    const ink = e.tagName === 'text' && style.fill !== 'none' ? style.fill : style.color;
    const [r, g, b] = ink.match(/[\\d.]+/g).map(Number);
    return [Math.round(.2126 * r + .7152 * g + .0722 * b), e.textContent.slice(0, 30)];
  });
}"""
# What the keyboard's focus changes on an element: outline, shadow or border.
FOCUSED = """() => {
  const at = document.activeElement;
  if (!at || at === document.body || at.dataset.met) return null;
  at.dataset.met = 'yes';
  const look = e => { const s = getComputedStyle(e);
    return [s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) > 0, s.boxShadow !== 'none']; };
  const ringed = [at, ...document.querySelectorAll(':has(> :focus-visible)')];
  const before = getComputedStyle(at.closest('.admonition-title') ?? at, '::before');
  return [at.outerHTML.slice(0, 120),
    ringed.some(e => look(e).some(Boolean)) || before.outlineStyle !== 'none'];
}"""


@pytest.fixture
def page(browser: Browser, fast_book: Built) -> Iterator[Page]:
    seen = visit(browser, fast_book.html / f"{FIRST}.html", 1280, "dark")
    yield seen.page
    seen.page.context.close()


def test_paper_is_white_and_ink_is_dark_from_the_dark_theme(page: Page) -> None:
    pale = [light for light, _ in page.evaluate(INKS) if light > 160]
    assert len(pale) > 50, "on the screen the theme is dark"
    page.emulate_media(media="print")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") in (
        "rgb(255, 255, 255)",
        "rgba(0, 0, 0, 0)",
    )
    assert not [words for light, words in page.evaluate(INKS) if light > 160]


def test_focus_shows_on_every_control(page: Page) -> None:
    unseen, met = [], 0
    for _ in range(400):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused is None:
            break
        met += 1
        if not focused[1]:
            unseen.append(focused[0])
    assert met > 60
    assert not unseen


def test_hints_are_named_by_their_exercises(page: Page) -> None:
    names = page.locator(".toggle-button").evaluate_all("all => all.map(b => b.ariaLabel)")
    assert len(names) > 6
    assert not [name for name, count in Counter(names).items() if count > 1 or "Toggle" in name]
    assert any(re.match(r"First hint, Exercise 1\.1 ", name) for name in names)


def test_words_in_figures_are_readable_on_a_phone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 900})
    sizes = page.locator("article svg[role=img] text").evaluate_all(
        "all => all.map(t => t.getBoundingClientRect().height).filter(h => h > 0)"
    )
    assert min(sizes) >= 9


@pytest.mark.parametrize("name", [page for page, _ in chapters.toc()])
def test_a_page_is_light_on_the_wire_and_introduces_itself(fast_book: Built, name: str) -> None:
    text = (fast_book.html / f"{name}.html").read_text(encoding="utf-8")
    files = set(re.findall(r'(?:src|href)="(_static/[^"?]+|searchindex\.js)', text))
    assert len(files) > 10
    sent = [text.encode(), *((fast_book.html / file).read_bytes() for file in files)]
    assert sum(len(gzip.compress(content)) for content in sent) < MAX_WIRE_BYTES
    soup = BeautifulSoup(text.split("</head>")[0], "html.parser")
    assert len(soup.find_all("meta", attrs={"name": "viewport"})) == 1
    assert soup.find("link", rel="icon")
    for about in ({"name": "description"}, {"property": "og:description"}):
        assert len(soup.find("meta", attrs=about)["content"]) > 40  # type: ignore[index]
    assert soup.title is not None
    assert soup.title.text
    assert soup.html is not None
    assert soup.html["lang"] == "en"
    ids = re.findall(r'\sid="([^"]+)"', text)
    assert not [name for name, count in Counter(ids).items() if count > 1]
