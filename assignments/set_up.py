"""The first code cell of an assignment. It carries the public checks: one file is enough."""

from __future__ import annotations

from importlib.metadata import version
from textwrap import dedent

from address import Address
from setup_cell import WITHOUT_ADDRESS

TITLE = (
    "# @title Set-up: run it first (it fetches the book's code on Colab, and lays out the checks)"
)

# Only the package is fetched: the masters of the assignments stay where they are.
ON_COLAB = """
    try:
        import google.colab
    except ImportError:
        pass
    else:
        import os
        import subprocess
        import sys

        if not os.path.isdir("{repository}"):
            clone = ["git", "clone", "--quiet", "--depth=1", "--sparse", "--branch={branch}"]
            subprocess.run([*clone, "{url}", "{repository}"], check=True)
            sparse = ["git", "-C", "{repository}", "sparse-checkout", "set"]
            subprocess.run([*sparse, "w2s_tutorial"], check=True)
            # --no-deps: otter's requirements would replace Colab's ipywidgets by a version
            # that Colab cannot show.
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
            wanted = ["otter-grader=={otter}", "fica", "python-frontmatter", "ipylab"]
            subprocess.run([*pip, *wanted], check=True)
        sys.path.insert(0, os.path.abspath("{repository}"))
"""

# Not the folder "tests": there the grader keeps its own checks while it runs a submission.
CHECKS = """
    from pathlib import Path

    import otter

    Path("public_checks").mkdir(exist_ok=True)
    for name, source in {{
    {checks}
    }}.items():
        Path("public_checks", name).write_text(source, encoding="utf-8")
    grader = otter.Notebook(tests_dir="public_checks")
"""


def set_up(home: Address, checks: dict[str, str]) -> str:
    """Source of the cell, for a book at this address and checks file name -> source."""
    fetch = WITHOUT_ADDRESS if home.is_placeholder else ON_COLAB
    fetch = fetch.replace("make notebooks", "make assignments")
    fetch = dedent(fetch).format(
        url=home.url,
        branch=home.branch,
        repository=home.repository,
        otter=version("otter-grader"),
    )
    listed = "\n".join(f"    {name!r}: {_text(source)}," for name, source in checks.items())
    return "\n".join([TITLE, fetch.strip(), "", dedent(CHECKS).strip().format(checks=listed)])


def _text(source: str) -> str:
    """A literal that reads like the file."""
    if "'''" in source or "\\" in source:
        return repr(source)
    return f"'''{source}'''"
