"""Figures as files: they stand by themselves, in the colours of their theme."""

from __future__ import annotations

import csv
import struct
from pathlib import Path
from xml.dom import minidom

import chapters
import pytest
from bs4 import BeautifulSoup
from conftest import Built
from figure_files import INK_AND_PAPER, SHARPNESS, Drawing, find_browser, write
from playwright.sync_api import Browser

PAPER = "var(--pst-color-background,var(--jp-layout-color0,transparent))"

SLIDER, FIGURE = 'type="range"', 'id="fig-'


def drawing(svg: str) -> Drawing:
    return Drawing("01", "fig-a", "", "", "", 200.0, svg)


@pytest.mark.parametrize("theme", INK_AND_PAPER)
def test_ink_and_paper_are_those_of_the_theme(theme: str) -> None:
    svg = f'<svg fill="currentColor"><path style="fill: {PAPER}; stroke: currentColor"/></svg>'
    ink, paper = INK_AND_PAPER[theme]
    assert f'style="fill: {paper}; stroke: {ink}"' in drawing(svg).themed(theme)


def test_a_variable_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="no closing bracket"):
        drawing('<svg><path style="fill: var(--pst-color-background,var(--x)"/></svg>').themed(
            "dark"
        )


def test_every_figure_of_a_page_is_written(
    browser: Browser, fast_book: Built, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one page with sliders, whose frames are figures each, and of one without; short ones."""
    texts = {
        page: (fast_book.html / f"{page}.html").read_text("utf-8") for page in chapters.chapters()
    }
    drawn_on = [
        page for page in sorted(texts, key=lambda p: len(texts[p])) if FIGURE in texts[page]
    ]
    two = [next(p for p in drawn_on if (SLIDER in texts[p]) is kind) for kind in (True, False)]
    monkeypatch.setattr(chapters, "chapters", lambda: two)
    written = write(browser, fast_book.html, tmp_path)
    drawn = 0
    for chapter in two:
        page = BeautifulSoup((fast_book.html / f"{chapter}.html").read_text("utf-8"), "html.parser")
        for figure in page.select('figure[id^="fig-"]'):
            found = len(figure.select("svg[role=img]"))
            assert found, f"{chapter}: {figure['id']} has no drawing"
            drawn += found
    assert len(written) == drawn
    listed = list(csv.DictReader((tmp_path / "figures.csv").read_text("utf-8").splitlines()))
    assert len(listed) == drawn
    assert all(row["words"] and row["caption"] for row in listed)
    for row, one in zip(listed, written, strict=True):
        for theme in INK_AND_PAPER:
            file = tmp_path / row["chapter"] / f"{row['stem']}-{theme}"
            svg = file.with_suffix(".svg").read_text("utf-8")
            minidom.parseString(svg)
            assert "var(" not in svg
            assert "currentcolor" not in svg.lower()
            width, _ = struct.unpack(">II", file.with_suffix(".png").read_bytes()[16:24])
            assert abs(width - one.width * SHARPNESS) <= SHARPNESS


def test_without_a_browser_the_message_names_those_that_would_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="chromium"):
        find_browser()
