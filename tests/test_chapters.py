"""Every chapter runs, the book builds without a warning, and what should stop a build does."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import chapter_runs
import chapters
import inputs
import pytest
import small_books
import stamp
from conftest import Built, build
from small_books import page_with

import w2s_tutorial


@pytest.fixture
def page(tmp_path: Path) -> Path:
    """The one chapter of a small book, to be written."""
    return small_books.small_book(tmp_path, {"Chapters": ["page"]}) / "book" / "page.md"


def build_small(page: Path, **env: str) -> Built:
    folder = page.parents[1]
    return build(folder, None, "-W", "--keep-going", PYTHONPATH=str(folder), **env)


@pytest.fixture(scope="module")
def recorded(fast_build: Built) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("W2S_FAST", str(int(fast_build.fast)))
        return chapter_runs.recorded_runs(fast_build.cache)


@pytest.mark.parametrize("chapter", chapters.chapters())
def test_chapter_runs(fast_build: Built, recorded: dict[str, Any], chapter: str) -> None:
    run = recorded[chapter]
    assert run is not None, fast_build.log[-6000:]
    assert run["fast"] == fast_build.fast
    assert run["execution_seconds"] > 0


def test_book_builds_without_warning(fast_build: Built) -> None:
    assert fast_build.ok, fast_build.log[-6000:]


def test_every_page_of_the_contents_is_built(fast_book: Built) -> None:
    missing = [page for page, _ in chapters.toc() if not (fast_book.html / f"{page}.html").exists()]
    assert not missing


def test_errors_and_what_is_written_to_stderr_stop_the_build_and_are_not_kept(
    tmp_path: Path,
) -> None:
    pages = {"wrong": "1 / 0", "noisy": "import warnings\nwarnings.warn('careful')"}
    book = small_books.small_book(tmp_path, {"Chapters": list(pages)}) / "book"
    for name, code in pages.items():
        (book / f"{name}.md").write_text(page_with(code))
    built = build_small(book / "wrong.md")
    assert not built.ok
    assert "Chapters that failed:" in built.log
    assert "wrong: " in built.log
    assert "ZeroDivisionError" in built.log
    assert "noisy: cell 1 wrote to stderr:" in built.log
    assert "UserWarning: careful" in built.log
    assert not list(built.cache.glob("executed/*/base.ipynb"))


def test_a_chapter_runs_in_settings_of_the_builds_own(page: Path, tmp_path: Path) -> None:
    hostile = tmp_path / "hostile"
    (hostile / "profile_default" / "startup").mkdir(parents=True)
    (hostile / "matplotlibrc").write_text("text.color: white\n")
    (hostile / "profile_default" / "startup" / "own.py").write_text("print('my start-up')")
    page.write_text(
        page_with(
            "import matplotlib\nimport matplotlib.pyplot\nimport os\n"
            "print('ink', matplotlib.rcParams['text.color'])\n"
            "print('threads', os.environ['OMP_NUM_THREADS'])"
        )
    )
    rc = str(hostile / "matplotlibrc")
    own = {"MPLCONFIGDIR": str(hostile), "MATPLOTLIBRC": rc, "IPYTHONDIR": str(hostile)}
    poor = {"HOME": "/proc/no-home", "LC_ALL": "C", "OMP_NUM_THREADS": "2"}
    built = build_small(page, **own, **poor)
    assert built.ok, built.log
    text = (built.html / "page.html").read_text()
    assert "ink black" in text
    assert "threads 1" in text
    assert "my start-up" not in text
    assert "without encryption" not in built.log


def test_two_builds_at_once_take_turns_and_a_chapter_runs_again_when_what_it_imports_changes(
    page: Path,
) -> None:
    code = "import time\nimport w2s_tutorial\ntime.sleep(2)\nprint('answer', w2s_tutorial.answer)"
    page.write_text(page_with(code))
    with ThreadPoolExecutor() as pool:
        both = list(pool.map(build_small, [page, page]))
    assert all(built.ok for built in both), both[0].log + both[1].log
    assert sum("Another build is at work here" in built.log for built in both) == 1
    assert sum("Using cached notebook" in built.log for built in both) >= 1
    assert not any("Executing notebook" in built.log for built in both), "MyST-NB ran it once more"
    first = both[0]
    assert "answer 41" in (first.html / "page.html").read_text()
    cached = sorted(first.cache.glob("executed/*/base.ipynb"))
    written = [path.stat().st_mtime_ns for path in cached]

    (page.parents[1] / "w2s_tutorial" / "other.py").write_text("answer = 40\n")
    build_small(page)
    assert [path.stat().st_mtime_ns for path in cached] == written, "nothing it uses had changed"

    (page.parents[1] / "w2s_tutorial" / "__init__.py").write_text("answer = 42\n")
    second = build_small(page)
    assert second.ok, second.log
    assert "answer 42" in (second.html / "page.html").read_text()


USE = "import w2s_tutorial as w2s\n"
FILES = {
    "w2s_tutorial/__init__.py": "from w2s_tutorial.a import f\n_FACE = {'b': ('g',)}\n",
    "w2s_tutorial/a.py": "def f():\n    from w2s_tutorial.parts import p\n",
    "w2s_tutorial/b.py": "FOLDER = 'data' / 'two'\n",
    "w2s_tutorial/parts/__init__.py": "from w2s_tutorial.parts.one import p\n"
    "from w2s_tutorial.parts.two import q\n",
    "w2s_tutorial/parts/one.py": "",
    "w2s_tutorial/parts/two.py": "",
    "data/one/x.csv": "1",
    "data/one/make.py": "",
    "data/two/x.csv": "2",
}


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("import torch", set()),
        ("from w2s_tutorial import f", {"__init__", "a", "parts/__init__", "parts/one"}),
        ("import w2s_tutorial as w2s\nw2s.g()", {"__init__", "b", "data/two/x.csv"}),
        ("%time x\nfrom w2s_tutorial.parts import q", {"__init__", "parts/__init__", "parts/two"}),
        (
            "from w2s_tutorial import parts\nparts.p()",
            {"__init__", "parts/__init__", "parts/one", "parts/two"},
        ),
        ("read('data/one/x.csv')", {"data/one/x.csv"}),
    ],
)
def test_inputs_follow_the_imports(
    code: str, expected: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(inputs, "ROOT", tmp_path)
    found = {path.relative_to(tmp_path).as_posix() for path in inputs.inputs(code)}
    assert {n.removeprefix("w2s_tutorial/").removesuffix(".py") for n in found} == expected
    before = inputs.inputs_hash(code)
    for name in FILES:
        (tmp_path / name).write_text("'another' # text\n")
        inputs._tree.cache_clear()
        assert (inputs.inputs_hash(code) != before) == (name in found), name
        (tmp_path / name).write_text(FILES[name])
        inputs._tree.cache_clear()


def test_every_name_of_the_face_is_followed_to_its_module() -> None:
    for name in set(w2s_tutorial.__all__) - {"FAST"}:
        value = getattr(w2s_tutorial, name)
        module = getattr(value, "__module__", None) or value.__name__
        files = [path.with_suffix("").as_posix() for path in inputs.inputs(f"w2s.{name}\n" + USE)]
        assert any(f.removesuffix("/__init__").endswith(module.replace(".", "/")) for f in files)


def test_the_two_modes_do_not_share_results(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = inputs.inputs_hash("")
    monkeypatch.setenv("W2S_FAST", "0")
    assert inputs.inputs_hash("") != fast


def test_only_pages_of_these_sources_that_nobody_changed_are_taken(tmp_path: Path) -> None:
    (tmp_path / "html").mkdir()
    page = tmp_path / "html" / "page.html"
    page.write_text("words")
    assert stamp.log_of(tmp_path, "sources") is None, "no stamp"
    stamp.put(tmp_path, "sources", "what it said")
    assert stamp.log_of(tmp_path, "sources") == "what it said"
    assert stamp.log_of(tmp_path, "other sources") is None
    page.write_text("other words")
    assert stamp.log_of(tmp_path, "sources") is None
    (tmp_path / "stamp.json").write_text("{")
    assert stamp.log_of(tmp_path, "sources") is None, "a run that was stopped while it wrote"


def test_every_chapter_has_a_card_and_a_description() -> None:
    for chapter in chapters.chapters():
        assert "{cost-card}" in chapters.read(chapter), chapter
        assert str(chapters.front_matter(chapter).get("description", "")).strip(), chapter


def test_reading_minutes_count_prose_and_not_code(monkeypatch: pytest.MonkeyPatch) -> None:
    prose = "word " * 600
    monkeypatch.setattr(chapters, "read", lambda page: page_with("name\n" * 2000) + prose)
    assert chapters.reading_minutes("page") == 3
