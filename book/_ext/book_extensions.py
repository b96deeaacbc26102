"""The book's own Sphinx extensions, in one place for _config.yml."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import api_reference
import chapter_cards
import chapter_runs
import colab_notebooks
import glossary_links
import local_mathjax
import page_furniture
import role_picture
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

EXTENSIONS = (
    api_reference,
    chapter_cards,
    colab_notebooks,
    glossary_links,
    local_mathjax,
    page_furniture,
    role_picture,
)


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
    app.connect("env-get-outdated", run_chapters)
    for extension in EXTENSIONS:
        extension.setup(app)
    return {"env_version": own_version(), "parallel_read_safe": True, "parallel_write_safe": True}


def own_version() -> int:
    """Changes with this folder's code, so that Sphinx writes every page again."""
    sources = [path.read_bytes() for path in sorted(Path(__file__).parent.glob("*.py"))]
    return int(hashlib.sha256(b"".join(sources)).hexdigest()[:8], 16)
