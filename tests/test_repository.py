"""The repository as a whole: one place for each fact, small files, nothing of anyone's machine."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import address
import pytest
import yaml
from conftest import ROOT

import w2s_tutorial

TEXT = {".py", ".md", ".yml", ".yaml", ".toml", ".txt", ".cff", ".css", ".bib", ".ipynb", ".csv"}
MAX_LINES = 350
MAX_DATA_BYTES = 25_000_000
SHORT = (
    "assignments/*.py",
    "w2s_tutorial/**/*.py",
    "book/_ext/*.py",
    "tests/**/*.py",
    "benchmarks/**/*.py",
    "data/**/*.py",
    "data/**/*.md",
)


@cache
def files() -> tuple[Path, ...]:
    """Files that are tracked, or would be: new ones that git does not ignore."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip(f"not a git checkout: {listed.stderr.strip()}")
    return tuple(path for name in listed.stdout.splitlines() if (path := ROOT / name).is_file())


def texts() -> dict[str, str]:
    named = {"Makefile", "run", "LICENSE", "LICENSE-text"}
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in files()
        if path.suffix in TEXT or path.name in named
    }


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_conda_asks_for_what_pip_installs() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    asked = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert asked == [["-c constraints.txt", "-e .[test]"]]
    assert "test" in project()["optional-dependencies"]
    python = next(e for e in environment["dependencies"] if str(e).startswith("python="))
    floor = project()["requires-python"].removeprefix(">=")
    assert [int(part) for part in python.removeprefix("python=").split(".")] >= [
        int(part) for part in floor.split(".")
    ]


def test_one_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert project()["version"] == w2s_tutorial.__version__ == citation["version"]


def test_the_address_stands_in_one_place() -> None:
    home = address.load(ROOT / "_config.yml")
    owner_and_name = home.url.split("//", 1)[1].split("/", 1)[1]
    repeated = [
        name
        for name, text in texts().items()
        if name != "_config.yml"
        and not name.endswith(".ipynb")  # generated from it
        and not name.startswith("tests/")
        and f"github.com/{owner_and_name}" in text
    ]
    assert not repeated


def test_an_address_says_where_the_book_is_published() -> None:
    def published(url: str) -> str | None:
        return address.Address(url, "main").published

    assert published("https://github.com/Someone/Book") == "https://someone.github.io/Book/"
    assert published("https://github.com/someone/book.git") == "https://someone.github.io/book/"
    assert published("https://github.com/someone/someone.github.io") == "https://someone.github.io/"
    assert published("https://github.com/ORG/REPO") is None
    assert published("file:///tmp/book") is None


def test_an_address_that_is_none_is_refused(tmp_path: Path) -> None:
    config = tmp_path / "_config.yml"
    config.write_text("repository: {url: someone/book, branch: main}")
    with pytest.raises(ValueError, match=r"repository\.url must be"):
        address.load(config)


def half_recipes(text: str) -> list[str]:
    """Lines that speak of an address and forget the assignments."""
    forgets = re.compile(r"make notebooks(?! assignments)")
    return [line for line in text.splitlines() if "address" in line and forgets.search(line)]


def test_a_new_address_goes_into_all_notebooks_by_one_recipe() -> None:
    """Chapters' and assignments' both, wherever a fork or a new term is told what to run."""
    told = {name for name, text in texts().items() if "make notebooks assignments" in text}
    assert told >= {"README.md", "CONTRIBUTING.md", "_config.yml", "book/instructors.md"}
    forgotten = {name: half_recipes(text) for name, text in texts().items() if name[:6] != "tests/"}
    assert not any(forgotten.values()), forgotten
    assert half_recipes("set the address and run make notebooks")
    assert not half_recipes("set the address and run make notebooks assignments")


def test_code_files_are_short() -> None:
    paths = [path for pattern in SHORT for path in ROOT.glob(pattern)]
    assert len(paths) > 10
    lengths = {p.relative_to(ROOT): len(p.read_text().splitlines()) for p in paths}
    assert not {str(path): n for path, n in lengths.items() if n > MAX_LINES}


def test_no_path_of_a_machine() -> None:
    roots = "|".join(["work", "root", "home", "Users"])
    machine = re.compile(rf"(?<![\w.:/-])/(?:{roots})/\w|[A-Z]:\\\\Users")
    assert machine.search("see " + "/" + "home/me")
    found = {name: machine.findall(text) for name, text in texts().items()}
    assert not {name: paths for name, paths in found.items() if paths}


def test_data_stay_small() -> None:
    size = sum(path.stat().st_size for path in files() if (ROOT / "data") in path.parents)
    assert size < MAX_DATA_BYTES


def test_no_script_or_font_of_others() -> None:
    suffixes = {".js", ".woff", ".woff2", ".ttf", ".pkl", ".pt", ".pth"}
    found = {path.name for path in files() if path.suffix in suffixes}
    assert found == {"book.js", "planner.js"}  # our own, short


@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ("vendor.github-workflows", ".github/workflows/*.yml"),
        ("vendor.citation-file-format", "CITATION.cff"),
    ],
)
def test_files_for_github_follow_their_schema(schema: str, pattern: str) -> None:
    paths = sorted(map(str, ROOT.glob(pattern)))
    assert paths
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *paths]
    checked = subprocess.run(command, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def test_workflows_call_the_makefile() -> None:
    targets = set(re.findall(r"(?m)^([a-z]+):.*##", (ROOT / "Makefile").read_text()))
    assert {"book", "test", "serve", "notebooks", "clean", "help"} <= targets
    for path in [*ROOT.glob(".github/workflows/*.yml"), ROOT / ".ci" / "run"]:
        called = set(re.findall(r"(?m)(?:run: |^)make (\w+)", path.read_text()))
        assert called, path.name
        assert called <= targets
