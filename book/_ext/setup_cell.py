"""The first code cell of a notebook: it fetches the book's code on Colab, and only there."""

from __future__ import annotations

from textwrap import dedent

from address import Address

TITLE = "# @title Set-up: on Colab this fetches the book's code, elsewhere it does nothing"

WITHOUT_ADDRESS = """
    try:
        import google.colab
    except ImportError:
        pass
    else:
        raise RuntimeError(
            "This copy of the book has no address yet, so Colab cannot fetch its code. "
            "Set repository.url in _config.yml to your fork, run `make notebooks`, commit "
            "and push, and open the notebook again."
        )
"""

# Nothing is installed: Colab has every library that the package needs (tests/test_colab.py).
WITH_ADDRESS = """
    try:
        import google.colab
    except ImportError:
        pass
    else:
        import os
        import subprocess
        import sys

        if not os.path.isdir("../w2s_tutorial"):  # not there yet after a restart
            if not os.path.isdir("{repository}"):
                command = ["git", "clone", "--quiet", "--depth=1", "--branch={branch}"]
                subprocess.run([*command, "{url}", "{repository}"], check=True)
            os.chdir("{repository}/book")
        sys.path.insert(0, os.path.abspath(".."))
"""


def setup_cell(address: Address) -> str:
    """Source of the cell for a book at this address."""
    code = WITHOUT_ADDRESS if address.is_placeholder else WITH_ADDRESS
    code = code.format(url=address.url, branch=address.branch, repository=address.repository)
    return f"{TITLE}\n{dedent(code).strip()}"
