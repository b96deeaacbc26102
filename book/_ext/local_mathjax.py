"""MathJax from the installed package, so that formulas need no network.

Of the package's files this copies what `tex-chtml.js` can ask for: the fonts, the TeX
extensions that load when first used, and, for readers who turn them on in a formula's menu,
the explorer and its English speech rules. Assistive MathML is part of the main file.
"""

from __future__ import annotations

from importlib.metadata import files
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.util.fileutil import copy_asset

MAIN = "tex-chtml.js"
PARTS = (
    "output/chtml/fonts",
    "input/tex/extensions",
    "a11y",
    "sre/mathmaps/base.json",
    "sre/mathmaps/en.json",
    "sre/mathmaps/nemeth.json",
)


def mathjax_folder() -> Path:
    """Where the installed package keeps MathJax."""
    for path in files("sphinx-mathjax-offline") or []:
        if path.name == MAIN:
            return Path(str(path.locate())).parent
    raise FileNotFoundError(f"the package sphinx-mathjax-offline holds no {MAIN}")


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    if error or app.builder.format != "html":
        return
    source, target = mathjax_folder(), Path(app.outdir, "_static", "mathjax")
    for part in (MAIN, *PARTS):
        destination = target / part
        folder = destination if (source / part).is_dir() else destination.parent
        folder.mkdir(parents=True, exist_ok=True)
        copy_asset(str(source / part), str(folder))


def setup(app: Sphinx) -> None:
    app.config.mathjax_path = f"mathjax/{MAIN}"
    app.connect("build-finished", copy_mathjax)
