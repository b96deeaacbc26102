"""The book's own Sphinx extensions, in one place for _config.yml."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import api_reference
import chapter_cards
import chapter_runs
import colab_notebooks
import glossary_links
import local_mathjax
import page_furniture
import site_files
from filelock import FileLock, Timeout
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util import logging

EXTENSIONS = (
    api_reference,
    chapter_cards,
    colab_notebooks,
    glossary_links,
    local_mathjax,
    page_furniture,
    site_files,
)


def take_turns(app: Sphinx) -> None:
    """Two builds into one folder would spoil each other's cache: the second waits."""
    lock = FileLock(Path(app.outdir).parent / "build.lock", is_singleton=True)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logging.getLogger(__name__).info("Another build is at work here: waiting for its end.")
        lock.acquire()
    app.connect("build-finished", lambda app, error: lock.release())


def settle_in(folder: Path) -> None:
    """Give matplotlib, IPython and Jupyter empty folders of the build's own: how the figures look
    must not depend on somebody's settings, nor on a home that can be written to.
    """
    for name in ("MPLCONFIGDIR", "IPYTHONDIR", "JUPYTER_RUNTIME_DIR"):
        place = folder.resolve() / name.split("DIR")[0].lower()
        place.mkdir(parents=True, exist_ok=True)
        os.environ[name] = str(place)
    os.environ.pop("MATPLOTLIBRC", None)


def run_chapters(
    app: Sphinx, env: Any, added: set[str], changed: set[str], removed: set[str]
) -> list[str]:
    """Run what is stale; the pages to read again because their outputs are new."""
    if app.config.nb_execution_mode != "cache":
        env.chapter_runs = {}
        return []
    folder = Path(app.config.nb_execution_cache_path or Path(app.outdir).parent / ".jupyter_cache")
    runs, failures = chapter_runs.bring_up_to_date(folder, timeout=app.config.nb_execution_timeout)
    if failures:
        raise ExtensionError("\n\n".join(["Chapters that failed:", *failures.values()]))
    before = getattr(env, "chapter_runs", {})
    env.chapter_runs = runs
    return [name for name, run in runs.items() if run != before.get(name)]


def setup(app: Sphinx) -> dict[str, int]:
    take_turns(app)
    settle_in(Path(app.outdir).parent / "settings")
    app.connect("env-get-outdated", run_chapters)
    for extension in EXTENSIONS:
        extension.setup(app)
    return {"env_version": own_version(), "parallel_read_safe": True, "parallel_write_safe": True}


def own_version() -> int:
    """Changes with this folder's code, so that Sphinx writes every page again."""
    sources = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    return int(hashlib.sha256(b"".join(sources)).hexdigest()[:8], 16)
