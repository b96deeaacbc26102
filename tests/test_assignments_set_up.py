"""The first cell of an assignment, wherever a notebook lands, and what follows it there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from address import Address
from conftest import ROOT
from set_up import set_up

# Python as on another machine: what is named in HIDDEN is not among the installed packages.
ELSEWHERE = """
import os, sys
from importlib.machinery import PathFinder

HIDDEN = {"w2s_tutorial", *os.environ["HIDDEN"].split()}


class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        if name.partition(".")[0] in HIDDEN and path is None:
            path = [folder for folder in sys.path if "site-packages" not in folder]
        return PathFinder.find_spec(name, path, target)


sys.meta_path[:] = [found for found in sys.meta_path if "ditable" not in repr(found)]
sys.meta_path[sys.meta_path.index(PathFinder)] = Without
os_root = os.environ["ROOT"]
sys.path[:] = [folder for folder in sys.path if folder != os_root]
"""
# Installs otter where Python looks, once it is allowed to.
PIP = """
import os, sys
from pathlib import Path

if "NO_INDEX" in os.environ:
    sys.exit("no network")
assert sys.argv[1] == "install", sys.argv
for name in ("otter", "fica", "frontmatter", "ipylab"):
    (Path(__file__).parents[1] / name).mkdir()
    text = "class Notebook:\\n    def __init__(self, tests_dir): pass\\n"
    (Path(__file__).parents[1] / name / "__init__.py").write_text(text)
"""
OTTER = ["otter", "fica", "frontmatter", "ipylab"]
CHECKS = {"q1.py": "name = 'q1'\n"}


@pytest.fixture
def machine(tmp_path):
    """Runs code in an empty folder of a machine that has neither this package nor HIDDEN."""
    installed, content = tmp_path / "installed", tmp_path / "content"
    for path, text in {
        "sitecustomize.py": ELSEWHERE,
        "pip/__init__.py": "",
        "pip/__main__.py": PIP,
    }.items():
        (installed / path).parent.mkdir(parents=True, exist_ok=True)
        (installed / path).write_text(text)
    content.mkdir()

    def run(code: str, hidden: list[str], **environment: str) -> subprocess.CompletedProcess:
        own = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONPATH": str(installed)}
        own |= {"HIDDEN": " ".join(hidden), "ROOT": str(ROOT), "OMP_NUM_THREADS": "1"}
        (tmp_path / "cells.py").write_text(f"import sys; sys.path[0] = ''\n{code}")
        command = [sys.executable, "-W", "ignore", str(tmp_path / "cells.py")]
        return subprocess.run(
            command,
            cwd=content,
            env={**own, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def origin(tmp_path) -> Path:
    """A repository with a little of everything."""
    folder = tmp_path / "origin"
    for file in ("w2s_tutorial/__init__.py", "data/a.csv", "assignments/a.md", "tests/test_a.py"):
        (folder / file).parent.mkdir(parents=True)
        (folder / file).write_text("")
    identity = ["-c", "user.name=Test", "-c", "user.email=test@localhost"]
    for arguments in (
        ["init", "--quiet", "--initial-branch=trunk"],
        ["add", "--all"],
        [*identity, "commit", "--quiet", "--no-verify", "-m", "Everything"],
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    return folder


@pytest.mark.parametrize("where", ["Colab", "Kaggle"])
def test_hosted_the_set_up_fetches_and_recovers_from_what_failed(where, origin, tmp_path, machine):
    if where == "Colab":
        stub = tmp_path / "installed" / "google" / "colab" / "__init__.py"
        stub.parent.mkdir(parents=True)
        stub.touch()
    hosted = {"KAGGLE_KERNEL_RUN_TYPE": "Interactive"} if where == "Kaggle" else {}
    code = set_up(Address(f"file://{origin}", "trunk"), CHECKS)
    code += "\nimport w2s_tutorial; print(w2s_tutorial.__file__)"
    away = origin.rename(tmp_path / "away")  # no network at all
    assert machine(code, OTTER, **hosted).returncode
    away.rename(origin)  # git works, pip does not
    failed = machine(code, OTTER, NO_INDEX="1", **hosted)
    assert failed.returncode
    assert "no network" in failed.stderr
    for _ in range(2):  # and once more after a restart
        run = machine(code, OTTER, NO_INDEX="1", **hosted) if _ else machine(code, OTTER, **hosted)
        assert run.returncode == 0, run.stderr
    content = tmp_path / "content"
    assert run.stdout.strip() == str(content / "origin" / "w2s_tutorial" / "__init__.py")
    assert {p.name for p in (content / "origin").iterdir()} == {".git", "w2s_tutorial"}
    assert Path(content, "public_checks", "q1.py").read_text() == "name = 'q1'\n"


@pytest.mark.parametrize("missing", ["package", "otter"])
@pytest.mark.parametrize("url", ["https://github.com/someone/book", "https://github.com/ORG/REPO"])
def test_on_a_laptop_the_set_up_says_the_one_command(missing, url, tmp_path, machine):
    if missing == "otter":
        (tmp_path / "content" / "w2s_tutorial").symlink_to(ROOT / "w2s_tutorial")
    run = machine(set_up(Address(url, "main"), CHECKS), OTTER if missing == "otter" else [])
    assert run.returncode
    command = "pip install '.[assignments]'"
    if "ORG" not in url:
        command = f'%pip install "w2s-tutorial[assignments] @ git+{url}@main"'
    assert command in run.stderr.splitlines()[-1]
    assert not (tmp_path / "content" / "public_checks").exists()
