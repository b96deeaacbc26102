"""Every chapter runs, the book builds without a warning, and what should stop a build does."""

from __future__ import annotations

from pathlib import Path

import chapter_runs
import chapters
import pytest
import small_books
from conftest import Built, build
from small_books import page_with


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """The one chapter of a small book, to be written."""
    return small_books.small_book(tmp_path, {"Chapters": ["page"]}) / "book" / "page.md"


def build_small(page: Path) -> Built:
    folder = page.parents[1]
    return build(folder, None, "-W", "--keep-going", PYTHONPATH=str(folder))


@pytest.mark.parametrize("chapter", chapters.chapters())
def test_chapter_runs(fast_build: Built, chapter: str) -> None:
    run = chapter_runs.recorded_runs(fast_build.cache)[chapter]
    assert run is not None, fast_build.log[-6000:]
    assert run["fast"]
    assert run["execution_seconds"] > 0


def test_book_builds_without_warning(fast_build: Built) -> None:
    assert fast_build.ok, fast_build.log[-6000:]
    assert "Executing notebook" not in fast_build.log, "MyST-NB ran a chapter a second time"


def test_every_page_of_the_contents_is_built(fast_book: Built) -> None:
    missing = [page for page, _ in chapters.toc() if not (fast_book.html / f"{page}.html").exists()]
    assert not missing


def test_an_error_in_a_chapter_stops_the_build(page: Path) -> None:
    page.write_text(page_with("1 / 0"))
    built = build_small(page)
    assert not built.ok
    assert "Chapters that failed:" in built.log
    assert "page: " in built.log
    assert "ZeroDivisionError" in built.log


def test_a_warning_in_a_chapter_stops_the_build(page: Path) -> None:
    code = "import warnings\nwarnings.warn('careful')"
    page.write_text(page_with(code))
    built = build_small(page)
    assert not built.ok
    assert "stderr was found in the cell outputs" in built.log


def test_a_chapter_runs_again_when_the_package_or_the_data_change(page: Path) -> None:
    code = "import w2s_tutorial\nprint('answer', w2s_tutorial.answer)"
    page.write_text(page_with(code))
    first = build_small(page)
    assert first.ok, first.log
    assert "answer 41" in (first.html / "page.html").read_text()
    cached = sorted(first.cache.glob("executed/*/base.ipynb"))
    written = [path.stat().st_mtime_ns for path in cached]

    build_small(page)
    assert [path.stat().st_mtime_ns for path in cached] == written, "nothing had changed"

    (page.parents[1] / "w2s_tutorial" / "__init__.py").write_text("answer = 42\n")
    second = build_small(page)
    assert second.ok, second.log
    assert "answer 42" in (second.html / "page.html").read_text()

    (page.parents[1] / "data").mkdir()
    (page.parents[1] / "data" / "numbers.csv").write_text("1\n")
    written = [path.stat().st_mtime_ns for path in cached]
    build_small(page)
    assert [path.stat().st_mtime_ns for path in cached] != written, "data/ is no input"


def test_the_two_modes_do_not_share_results(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = chapters.inputs_hash()
    monkeypatch.setenv("W2S_FAST", "0")
    assert chapters.inputs_hash() != fast


def test_every_chapter_has_a_card_and_a_description() -> None:
    for chapter in chapters.chapters():
        assert "{cost-card}" in chapters.read(chapter), chapter
        assert str(chapters.front_matter(chapter).get("description", "")).strip(), chapter


def test_reading_minutes_count_prose_and_not_code(monkeypatch: pytest.MonkeyPatch) -> None:
    prose = "word " * 600
    monkeypatch.setattr(chapters, "read", lambda page: page_with("name\n" * 2000) + prose)
    assert chapters.reading_minutes("page") == 3
