"""The first code cell of a notebook: it finds the book's code, fetches it, or says how to."""

from __future__ import annotations

from textwrap import dedent

from address import Address

# Nothing is installed: Colab has every library that the package needs (tests/test_colab.py).
CELL = """
    # @title Set-up: finds the book's code beside this notebook, on Colab and Kaggle fetches it
    import importlib.util
    import os
    import subprocess
    import sys
    from pathlib import Path


    def found():
        importlib.invalidate_caches()
        return importlib.util.find_spec("w2s_tutorial") is not None


    try:
        import google.colab

        hosted = True
    except ImportError:
        hosted = "KAGGLE_KERNEL_RUN_TYPE" in os.environ
    around = [Path.cwd(), *Path.cwd().parents]
    beside = [str(path) for path in around if (path / "w2s_tutorial" / "__init__.py").exists()]
    sys.path[:0] = beside[:1]
    {fetch}
    if not found():
        raise ModuleNotFoundError(
            "Run this once, then restart the kernel:\\n"
            "{install}"
        )

    import w2s_tutorial

    print("device:", w2s_tutorial.device())
"""

FETCH = """
    if hosted and not beside:
        if not os.path.isdir("{repository}"):  # not there yet after a restart
            clone = ["git", "clone", "--quiet", "--depth=1", "--branch={branch}"]
            subprocess.run([*clone, "{url}", "{repository}"], check=True)
        sys.path.insert(0, os.path.abspath("{repository}"))
"""
INSTALL = "!git clone --depth=1 --branch={branch} {url} && pip install -e ./{repository}"

WITHOUT_ADDRESS = """
    if hosted and not beside:
        raise RuntimeError(
            "This copy of the book has no address yet, so its code cannot be fetched. Set "
            "repository.url in _config.yml to your fork, run `make notebooks assignments`, "
            "commit, push, and open the notebook again."
        )
"""
INSTALL_HERE = "pip install -e .  (in the book's folder)"


def setup_cell(address: Address) -> str:
    """Source of the cell for a book at this address."""
    names = {"url": address.url, "branch": address.branch, "repository": address.repository}
    fetch = WITHOUT_ADDRESS if address.is_placeholder else FETCH
    install = INSTALL_HERE if address.is_placeholder else INSTALL
    parts = {"fetch": dedent(fetch).strip(), "install": install.format(**names)}
    return dedent(CELL).strip().format(**parts).format(**names)
