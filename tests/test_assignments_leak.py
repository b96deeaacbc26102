"""Solutions, hidden checks and rubrics reach no student's file, no page and no package."""

from __future__ import annotations

import html
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from itertools import pairwise
from pathlib import Path

import pytest
from assignment_cases import NAMES, made
from bs4 import BeautifulSoup
from conftest import ROOT, Built

SOLUTION = re.compile(r"# BEGIN SOLUTION\n```\n(.*?)```\{raw-cell\}\n# END SOLUTION", re.S)
OF_CODE = re.compile(r"# BEGIN SOLUTION.*?\n(.*?)# END SOLUTION", re.S)
HIDDEN = re.compile(r'""" # BEGIN TEST CONFIG\nhidden: true.*?```', re.S)


def plain(text: str) -> str:
    """Without what quoting, escaping, brackets and line breaks change."""
    return re.sub(r"[\s'\"\\(),]+", "", text)


def divided(name: str) -> tuple[list[str], str]:
    """The parts of a master that only the instructor may see, and the rest of it."""
    rest = (ROOT / "assignments" / f"{name}.md").read_text(encoding="utf-8")
    parts = HIDDEN.findall(rest)
    for block in SOLUTION.findall(rest):
        parts += OF_CODE.findall(block) if "code-cell" in block else [block]
    for part in parts:
        rest = rest.replace(part, "")
    return parts, rest


PUBLIC = plain("".join(divided(name)[1] for name in NAMES))


def secrets(name: str) -> set[str]:
    """Pairs of lines of those parts that stand in no part for students.

    Pairs, because a line such as `log_p = output.log_softmax(-1)` is anybody's.
    """
    lines = [[plain(line) for line in part.splitlines()] for part in divided(name)[0]]
    pairs = {first + second for part in lines for first, second in pairwise(filter(None, part))}
    return {pair for pair in pairs if len(pair) >= 40 and pair not in PUBLIC}


SECRETS = {name: secrets(name) for name in NAMES}


def found(text: str) -> set[str]:
    """The secrets that a text, or the source of a notebook, holds."""
    text = plain(text.replace("\\n", "\n"))
    return {secret for lines in SECRETS.values() for secret in lines if secret in text}


@pytest.mark.parametrize("name", NAMES)
def test_the_instructors_files_hold_them_all(name):
    assert len(SECRETS[name]) >= 30
    assignment = made(name)
    with zipfile.ZipFile(io.BytesIO(assignment.autograder)) as archive:
        tests = [archive.read(file).decode() for file in archive.namelist()]
    # A literal that otter's copy writes with other brackets or on other lines is not recognised.
    held = found("\n".join([assignment.key, *tests]))
    assert len(held & SECRETS[name]) >= 0.6 * len(SECRETS[name])
    assert found(assignment.key)
    assert found("\n".join(tests))


@pytest.mark.parametrize("name", NAMES)
def test_the_students_notebook_holds_none(name):
    assert not found(made(name).student)
    committed = ROOT / "assignments" / "student" / f"{name}.ipynb"
    assert not found(committed.read_text(encoding="utf-8"))


def test_the_site_holds_none(fast_book: Built):
    pages = [p for p in fast_book.html.rglob("*") if p.suffix in {".html", ".ipynb", ".md", ".txt"}]
    assert len(pages) > 10
    for page in pages:
        text = page.read_text(encoding="utf-8")
        if page.suffix == ".html":
            text = BeautifulSoup(text, "html.parser").get_text()
        assert not found(text), page.name
        assert "assignments/student" not in page.as_posix()


def test_wheel_and_source_package_hold_none(tmp_path):
    tree, out = tmp_path / "tree", tmp_path / "out"
    ignored = shutil.ignore_patterns("__pycache__")
    for part in ("w2s_tutorial", "assignments", "tests"):
        shutil.copytree(ROOT / part, tree / part, ignore=ignored)
    for file in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / file, tree / file)
    out.mkdir()
    code = "from setuptools.build_meta import *; build_wheel({0!r}); build_sdist({0!r})"
    command = [sys.executable, "-c", code.format(str(out))]
    subprocess.run(command, cwd=tree, check=True, capture_output=True)
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(next(out.glob("*.whl"))) as wheel:
        wheel.extractall(unpacked / "wheel")
    with tarfile.open(next(out.glob("*.tar.gz"))) as source:
        source.extractall(unpacked / "source", filter="data")
    files = [path for path in unpacked.rglob("*") if path.is_file()]
    assert len(files) > 100
    assert not [p for p in files if "assignments" in p.relative_to(unpacked).parts]
    for path in files:
        assert not found(path.read_text(encoding="utf-8", errors="replace")), path.name


def test_a_leak_would_be_found(tmp_path):
    leak = max(divided("intrinsic")[0], key=len)
    assert found(leak)
    assert found(BeautifulSoup(f"<pre>{html.escape(leak)}</pre>", "html.parser").get_text())
    page: Path = tmp_path / "page.ipynb"
    page.write_text(json.dumps({"source": leak}))
    assert found(page.read_text())
