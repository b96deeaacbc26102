"""A chapter on Colab: the link opens it, the set-up cell fetches the code, nothing is installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import chapters
import colab_notebooks
import nbformat
import pytest
from address import Address
from bs4 import BeautifulSoup
from conftest import ROOT, Built, build
from kernels import run_notebook
from nbclient.exceptions import CellExecutionError
from packaging.requirements import Requirement
from packaging.version import Version

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
}
FORK = Address("https://github.com/someone/a-fork", "trunk")
FIRST = chapters.chapters()[0]


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def set_up_cell(home: Address) -> str:
    notebook = json.loads(dict(colab_notebooks.notebooks(home))[FIRST])
    return next(cell["source"] for cell in notebook["cells"] if cell["cell_type"] == "code")


def copy_of_the_book(folder: Path, home: Address) -> Path:
    """The working tree at another address."""
    ignored = shutil.ignore_patterns(".git", ".venv", "_build", "__pycache__", ".*_cache")
    shutil.copytree(ROOT, folder, ignore=ignored)
    config = folder / "_config.yml"
    text = re.sub(r"(?m)^  url: \S+", f"  url: {home.url}", config.read_text())
    config.write_text(re.sub(r"(?m)^  branch: \S+", f"  branch: {home.branch}", text))
    script = folder / "book" / "_ext" / "colab_notebooks.py"
    subprocess.run([sys.executable, str(script)], check=True, stdout=subprocess.DEVNULL)
    return folder


def run(notebook: str, folder: Path, *path: Path) -> None:
    """Run every cell in a fresh kernel that starts in a folder."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, path))}
    cells = nbformat.reads(notebook, as_version=4)
    run_notebook(cells, folder=folder, environment=environment, timeout=120)


@pytest.fixture
def colab(tmp_path: Path) -> Path:
    """A folder to put on the path: with it, `import google.colab` works as it does on Colab."""
    stub = tmp_path / "stub" / "google" / "colab" / "__init__.py"
    stub.parent.mkdir(parents=True)
    stub.touch()
    return tmp_path / "stub"


def test_notebooks_are_up_to_date(capsys: pytest.CaptureFixture[str]) -> None:
    assert colab_notebooks.main(check=True) == 0, capsys.readouterr().out + "run `make notebooks`"


def test_colab_has_everything_that_the_package_needs() -> None:
    for requirement in map(Requirement, project()["dependencies"]):
        assert requirement.name in COLAB, f"{requirement.name} would have to be installed"
        assert requirement.specifier.contains(COLAB[requirement.name]), str(requirement)
    floor = project()["requires-python"].removeprefix(">=")
    assert Version(COLAB_PYTHON) >= Version(floor)


@pytest.mark.parametrize("home", [FORK, Address("https://github.com/ORG/REPO", "main")])
def test_the_set_up_cell_installs_nothing(home: Address) -> None:
    assert "google.colab" in set_up_cell(home)
    assert "pip" not in set_up_cell(home)
    assert ("git" in set_up_cell(home)) == (home is FORK)


@pytest.mark.parametrize("chapter", chapters.chapters())
def test_a_notebook_carries_no_outputs_and_stable_ids(chapter: str) -> None:
    notebook = json.loads((chapters.BOOK / f"{chapter}.ipynb").read_text())
    ids = [cell["id"] for cell in notebook["cells"]]
    assert len(set(ids)) == len(ids)
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code
    assert not any(cell["outputs"] for cell in code)


def test_the_first_notebook_runs_from_top_to_bottom() -> None:
    run((chapters.BOOK / f"{FIRST}.ipynb").read_text(), chapters.BOOK)


def test_on_colab_the_notebook_fetches_the_code_and_imports_it(tmp_path: Path, colab: Path) -> None:
    origin = copy_of_the_book(tmp_path / "origin", Address(f"file://{tmp_path}/origin", "trunk"))
    identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost"]
    for arguments in (
        ["init", "--quiet", "--initial-branch=trunk"],
        ["add", "--all"],
        [*identity, "commit", "--quiet", "--no-verify", "-m", "Everything"],
    ):
        subprocess.run(["git", *arguments], cwd=origin, check=True)
    content = tmp_path / "content"
    content.mkdir()
    notebook = json.loads((origin / "book" / f"{FIRST}.ipynb").read_text())
    assert f"file://{origin}" in json.dumps(notebook)
    check = (
        "import os, w2s_tutorial\n"
        f"assert w2s_tutorial.__file__.startswith({str(content / 'origin')!r})\n"
        f"assert os.getcwd() == {str(content / 'origin' / 'book')!r}"
    )
    set_up, imports = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"][:2]
    again = {**set_up, "id": "again"}  # a reader may run the cell twice
    where = {**imports, "id": "where", "source": check}
    notebook["cells"] = [set_up, again, where, imports]
    run(json.dumps(notebook), content, colab)
    assert (content / "origin" / "w2s_tutorial").is_dir()


def test_on_colab_a_book_without_address_says_what_to_do(tmp_path: Path, colab: Path) -> None:
    home = Address("https://github.com/ORG/REPO", "main")
    notebook = dict(colab_notebooks.notebooks(home))[FIRST]
    with pytest.raises(CellExecutionError, match="has no address yet") as caught:
        run(notebook, tmp_path, colab)
    assert caught.value.ename == "RuntimeError"


def test_links_of_notebooks_lead_to_places_of_the_published_book(fast_book: Built) -> None:
    published = FORK.published
    assert published == "https://someone.github.io/a-fork/"
    links = [
        link
        for _, text in colab_notebooks.notebooks(FORK)
        for link in re.findall(rf"{re.escape(published)}([^)\s\"\\]*)", text)
    ]
    assert links
    for link in links:
        page, _, anchor = link.partition("#")
        soup = BeautifulSoup((fast_book.html / page).read_text(), "html.parser")
        assert not anchor or soup.find(id=anchor) is not None, link


def test_with_an_address_the_buttons_of_a_page_lead_to_it(tmp_path: Path) -> None:
    folder = copy_of_the_book(tmp_path / "fork", FORK)
    config = folder / "_config.yml"
    off = config.read_text().replace("execute_notebooks: cache", 'execute_notebooks: "off"')
    config.write_text(off)
    built = build(folder)
    assert built.ok, built.log[-3000:]
    for chapter in chapters.chapters():
        page = BeautifulSoup((built.html / f"{chapter}.html").read_text(), "html.parser")
        links = {str(link["href"]) for link in page.find_all("a", href=True)}
        notebook = f"book/{chapter}.ipynb"
        opened = f"https://colab.research.google.com/github/someone/a-fork/blob/trunk/{notebook}"
        assert opened in links
        assert FORK.url in links
        assert (folder / notebook).exists()
        canonical = page.find("link", rel="canonical")
        assert canonical is not None
        assert canonical["href"] == f"{FORK.published}{chapter}.html"
