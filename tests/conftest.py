"""What tests share: real data, the book built once, a browser to open it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from helpers_data import Web, serve
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "book" / "_ext"), str(ROOT / "assignments")]
os.environ["W2S_FAST"] = "1"

import stamp  # noqa: E402
from figure_files import find_browser  # noqa: E402


def skip_or_fail(reason: str) -> None:
    """Skip with a reason; in continuous integration (CI=true) a missing tool is a failure."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{reason}; with CI=true this test may not be skipped")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def data_folder() -> Path:
    """Folder of the public data sets that the slower tests read."""
    folder = Path(os.environ.get("W2S_DATA") or ROOT.parent / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no data sets: set W2S_DATA to their folder ({folder} does not exist)")
    return folder


@pytest.fixture
def web() -> Iterator[Web]:
    """A server with the faults of real ones."""
    with serve() as running:
        yield running


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for downloads, empty."""
    monkeypatch.setenv("W2S_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("W2S_OFFLINE", raising=False)
    return tmp_path / "data"


@dataclass(frozen=True)
class Built:
    """A finished run of jupyter-book."""

    html: Path
    cache: Path
    ok: bool
    log: str
    fast: bool = True


def build(config_folder: Path, out: Path | None = None, *options: str, **env: str) -> Built:
    """Run `jupyter-book build book` in a folder that holds _config.yml and book/."""
    command = [str(Path(sys.executable).with_name("jupyter-book")), "build", "book", *options]
    if out is not None:
        command += ["--path-output", str(out)]
    run = subprocess.run(
        command,
        cwd=config_folder,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=900,
    )
    folder = (out or config_folder) / "_build"
    return Built(
        folder / "html", folder / ".jupyter_cache", run.returncode == 0, run.stdout + run.stderr
    )


@pytest.fixture(scope="session")
def fast_build() -> Built:
    """The book, whether it was built without a fault or not: in full where `make book` has just
    made it of what is here, else with every chapter in fast mode.
    """
    full, fast = ROOT / "_build", ROOT / "_build" / "fast" / "_build"
    fast.mkdir(parents=True, exist_ok=True)
    # Tests that run in parallel share the build: the first one makes it, the others find it made,
    # as does a later run where neither what it is made of nor its pages have changed.
    with FileLock(fast.parent / "tests.lock"):
        sources = stamp.fingerprint(*stamp.SOURCES)
        for folder in (full, fast):
            log = stamp.log_of(folder, sources)
            if log is not None:
                cache = folder / ".jupyter_cache"
                return Built(folder / "html", cache, True, log, fast=folder is fast)
        if not (fast / "stamp.json").exists():  # what failed once would not warn again
            shutil.rmtree(fast / ".doctrees", ignore_errors=True)
        (fast / "stamp.json").unlink(missing_ok=True)
        built = build(ROOT, fast.parent, "-W", "--keep-going")
        if built.ok:
            stamp.put(fast, sources, built.log)
        return built


@pytest.fixture(scope="session")
def fast_book(fast_build: Built) -> Built:
    """The pages of that build; no test looks at pages that an earlier build left behind."""
    if not fast_build.ok:
        pytest.fail("the book does not build: test_chapters.py says why", pytrace=False)
    return fast_build


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A headless browser that starts no connection of its own."""
    try:
        executable = find_browser()
    except FileNotFoundError as missing:
        skip_or_fail(str(missing))
    flags = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path=executable, args=flags)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """The client of a local Dask cluster with two workers."""
    from distributed import Client, LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "processes": True}
    with LocalCluster(**options, dashboard_address=None) as cluster, Client(cluster) as client:
        yield client


@pytest.fixture
def client(cluster: Any) -> Any:
    """Both workers are up: with one alone, joblib would run everything in this process."""
    cluster.wait_for_workers(2, timeout=120)
    return cluster


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """For a sweep of `sweep_case`, which need not wait."""
    (tmp_path / "go").touch()
    return tmp_path
