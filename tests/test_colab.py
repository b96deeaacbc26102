"""A chapter on Colab: the link opens it, the set-up cell fetches the code, nothing is installed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import chapters
import pytest
from address import Address
from bs4 import BeautifulSoup
from conftest import ROOT, Built, build
from packaging.requirements import Requirement
from packaging.version import Version
from setup_cell import setup_cell
from small_books import page_with, small_book

# Colab's runtime of 2026-08-19, from googlecolab/backend-info at commit a724079.
COLAB_PYTHON = "3.13.15"
COLAB = {
    "torch": "2.11.0",
    "numpy": "2.1.3",
    "scipy": "1.16.3",
    "scikit-learn": "1.6.1",
    "matplotlib": "3.10.0",
    "pandas": "2.2.3",
    "ipywidgets": "7.7.1",
    "safetensors": "0.8.0",
    "filelock": "3.32.3",
}
FORK = Address("https://github.com/someone/a-fork", "trunk")
NOWHERE = Address("https://github.com/ORG/REPO", "main")


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture
def colab(tmp_path: Path) -> Path:
    """A folder to put on the path: with it, `import google.colab` works as it does on Colab."""
    stub = tmp_path / "stub" / "google" / "colab" / "__init__.py"
    stub.parent.mkdir(parents=True)
    stub.touch()
    return tmp_path / "stub"


def test_notebooks_are_up_to_date(fast_book: Built) -> None:
    """Those in book/ are the ones that the built pages offer, and there are no others."""
    offered = fast_book.html.parent / "jupyter_execute"
    stale = [
        chapter
        for chapter in chapters.chapters()
        if not (committed := chapters.BOOK / f"{chapter}.ipynb").exists()
        or committed.read_bytes() != (offered / committed.name).read_bytes()
    ]
    assert not stale, "run `make notebooks`"
    assert {path.stem for path in chapters.BOOK.glob("*.ipynb")} == set(chapters.chapters())


def test_colab_has_everything_that_the_package_needs() -> None:
    for requirement in map(Requirement, project()["dependencies"]):
        assert requirement.name in COLAB, f"{requirement.name} would have to be installed"
        assert requirement.specifier.contains(COLAB[requirement.name]), str(requirement)
    floor = project()["requires-python"].removeprefix(">=")
    assert Version(COLAB_PYTHON) >= Version(floor)


@pytest.mark.parametrize("chapter", chapters.chapters())
def test_a_notebook_carries_no_outputs_and_stable_ids(chapter: str) -> None:
    notebook = json.loads((chapters.BOOK / f"{chapter}.ipynb").read_text())
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code
    assert not any(cell["outputs"] for cell in code)


STUB = "def device():\n    return 'a stub'\n"


def set_up(folder: Path, home: Address, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the set-up cell in a Python that has neither this package nor any other installed."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-S", "-c", setup_cell(home)]
    kept = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return subprocess.run(command, cwd=folder, env=kept | env, capture_output=True, text=True)


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository with a stand-in for the package, on the branch `trunk`."""
    package = tmp_path / "origin" / "w2s_tutorial"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(STUB)
    identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost"]
    for arguments in (
        ["init", "--quiet", "--initial-branch=trunk"],
        ["add", "--all"],
        [*identity, "commit", "--quiet", "--no-verify", "-m", "Everything"],
    ):
        subprocess.run(["git", *arguments], cwd=package.parent, check=True)
    return package.parent


@pytest.mark.parametrize("folder", [".", "book", "book/of/a/course"])
def test_the_set_up_finds_the_code_around_the_notebook(origin: Path, folder: str) -> None:
    assert set_up(origin / folder, NOWHERE).stdout == "device: a stub\n"


@pytest.mark.parametrize("where", ["colab", "kaggle"])
def test_on_colab_and_kaggle_the_set_up_fetches_the_code(
    origin: Path, colab: Path, tmp_path: Path, where: str
) -> None:
    hosted = {"colab": {"PYTHONPATH": str(colab)}, "kaggle": {"KAGGLE_KERNEL_RUN_TYPE": "1"}}
    home = Address(f"file://{origin}", "trunk")
    for _ in range(2):  # a reader may run the cell again, also after a restart
        ran = set_up(tmp_path / "content", home, **hosted[where])
        assert ran.stdout == "device: a stub\n", ran.stderr
    assert (tmp_path / "content" / "origin" / "w2s_tutorial").is_dir()


def test_elsewhere_the_set_up_says_the_one_command(tmp_path: Path) -> None:
    ran = set_up(tmp_path, FORK)
    assert ran.stderr.splitlines()[-2:] == [
        "ModuleNotFoundError: Run this once, then restart the kernel:",
        f"!git clone --depth=1 --branch=trunk {FORK.url} && pip install -e ./a-fork",
    ]
    assert set_up(tmp_path, NOWHERE).stderr.endswith("\npip install -e .  (in the book's folder)\n")


def test_on_colab_a_book_without_address_says_what_to_do(tmp_path: Path, colab: Path) -> None:
    ran = set_up(tmp_path, NOWHERE, PYTHONPATH=str(colab))
    assert "RuntimeError: This copy of the book has no address yet" in ran.stderr


def test_with_an_address_the_buttons_of_a_page_lead_to_it(tmp_path: Path) -> None:
    small_book(tmp_path, {"Chapters": ["page"]}, FORK.url)
    config = tmp_path / "_config.yml"
    config.write_text(config.read_text().replace("branch: main", f"branch: {FORK.branch}"))
    page = tmp_path / "book" / "page.md"
    page.write_text(page_with("w2s = 1") + "\n```{cost-card}\n```\n")
    script = tmp_path / "book" / "_ext" / "colab_notebooks.py"
    subprocess.run([sys.executable, str(script)], check=True, stdout=subprocess.DEVNULL)
    built = build(tmp_path, None, "-W")
    assert built.ok, built.log[-3000:]
    soup = BeautifulSoup((built.html / "page.html").read_text(), "html.parser")
    links = {str(link["href"]) for link in soup.find_all("a", href=True)}
    notebook = "someone/a-fork/blob/trunk/book/page.ipynb"
    assert f"https://colab.research.google.com/github/{notebook}" in links
    assert FORK.url in links
    assert "of a clone" not in soup.get_text(), "Colab is the shorter way"
    canonical = soup.find("link", rel="canonical")
    assert canonical is not None
    assert canonical["href"] == f"{FORK.published}page.html"
    offered = [link for link in links if link.endswith("/page.ipynb") and "://" not in link]
    assert len(offered) == 1
    clean = page.with_suffix(".ipynb").read_text()
    assert (built.html / offered[0]).read_text() == clean, "the download is the clean notebook"
    assert "w2s = 1" in clean
