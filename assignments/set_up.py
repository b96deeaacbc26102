"""The first code cell of an assignment. It carries the public checks: one file is enough."""

from __future__ import annotations

from importlib.metadata import version
from textwrap import dedent

from address import Address

TITLE = (
    "# @title Set-up: run it first (it finds or fetches the book's code, and lays out the checks)"
)

# Only the package is fetched: the masters of the assignments stay where they are.
FETCH = """
    repository = Path("{repository}")
    if hosted and not found("w2s_tutorial"):
        if not repository.exists():
            clone = ["git", "clone", "--quiet", "--depth=1", "--sparse", "--branch={branch}"]
            subprocess.run([*clone, "{url}", repository], check=True)
        sparse = ["git", "-C", repository, "sparse-checkout", "set", "w2s_tutorial"]
        subprocess.run(sparse, check=True)
        sys.path.insert(0, str(repository.resolve()))
    if hosted and not found("otter", "fica", "frontmatter", "ipylab"):
        # --no-deps: otter's requirements would replace Colab's ipywidgets by a version
        # that Colab cannot show.
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        wanted = ["otter-grader=={otter}", "fica", "python-frontmatter", "ipylab"]
        subprocess.run([*pip, *wanted], check=True)
    install = '%pip install "w2s-tutorial[assignments] @ git+{url}@{branch}" and restart'
"""

WITHOUT_ADDRESS = """
    install = (
        "pip install '.[assignments]' in the folder of the book. On Colab nothing can be fetched: "
        "set repository.url in _config.yml, run `make notebooks assignments`, commit and push."
    )
"""

# Not the folder "tests": there the grader keeps its own checks while it runs a submission.
CELL = """
    import importlib.util
    import os
    import subprocess
    import sys
    from pathlib import Path


    def found(*modules):
        importlib.invalidate_caches()
        return all(importlib.util.find_spec(module) for module in modules)


    try:
        import google.colab

        hosted = True
    except ImportError:
        hosted = "KAGGLE_KERNEL_RUN_TYPE" in os.environ
    for folder in [Path.cwd(), *Path.cwd().parents]:
        if not found("w2s_tutorial") and (folder / "w2s_tutorial" / "__init__.py").exists():
            sys.path.insert(0, str(folder))
    {fetch}
    if not found("w2s_tutorial", "otter"):
        raise ModuleNotFoundError(f"w2s_tutorial or otter is missing. Run once: {{install}}")

    import otter

    Path("public_checks").mkdir(exist_ok=True)
    for name, source in {{
    {checks}
    }}.items():
        Path("public_checks", name).write_text(source, encoding="ascii")
    grader = otter.Notebook(tests_dir="public_checks")
"""


def set_up(home: Address, checks: dict[str, str]) -> str:
    """Source of the cell, for a book at this address and checks file name -> source."""
    fetch = dedent(WITHOUT_ADDRESS if home.is_placeholder else FETCH).strip()
    names = {"url": home.url, "branch": home.branch, "repository": home.repository}
    listed = "\n".join(f"    {name!r}: {_text(source)}," for name, source in checks.items())
    fetch = fetch.format(**names, otter=version("otter-grader"))
    return TITLE + "\n" + dedent(CELL).strip().format(fetch=fetch, checks=listed)


def _text(source: str) -> str:
    """A literal that reads like the file."""
    if "'''" in source or "\\" in source:
        return repr(source)
    return f"'''{source}'''"
