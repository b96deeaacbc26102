"""What install.py says and mends, on the environments that users have reported."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from conftest import ROOT
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

posix = pytest.mark.skipif(os.name == "nt", reason="a shell script stands for a broken Python")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project's folder with a name that scripts stumble over."""
    project = tmp_path / "Ordner ü (alt)"
    project.mkdir()
    for name in ("install.py", "pyproject.toml", "constraints.txt", "requirements.lock"):
        shutil.copy(ROOT / name, project)
    return project


def install(folder: Path, *options: str, python: str | Path = sys.executable) -> str:
    """What install.py prints when it makes or mends the environment and installs nothing."""
    command = [str(python), "install.py", "--empty", *options]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
    return run.stdout + run.stderr


def works(folder: Path) -> bool:
    command = [folder / ".venv" / "bin" / "python", "-m", "pip", "--version"]
    return str(folder) in subprocess.run(command, capture_output=True, text=True).stdout


def shell(path: Path, script: str) -> Path:
    path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@posix
def test_an_environment_is_made_once_and_kept(folder: Path) -> None:
    assert "there is none" in install(folder)
    assert works(folder)
    mark = folder / ".venv" / "mark"
    mark.touch()
    assert install(folder) == ""
    assert mark.exists()


@posix
def test_an_environment_without_pip_is_made_anew(folder: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / ".venv"], check=True)
    assert "has no pip" in install(folder)
    assert works(folder)


@posix
@pytest.mark.parametrize("how", ["renamed", pytest.param("copied", marks=pytest.mark.nightly)])
def test_an_environment_made_in_another_folder_is_made_anew(folder: Path, how: str) -> None:
    install(folder)
    other = folder.with_name("kurs")
    (folder.rename if how == "renamed" else lambda to: shutil.copytree(folder, to, symlinks=True))(
        other
    )
    assert "made in another folder" in install(other)
    assert works(other)


@posix
@pytest.mark.nightly
def test_a_link_is_no_environment_of_ours(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "theirs"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", other], check=True)
    (folder / ".venv").symlink_to(other)
    assert "is a link" in install(folder)
    assert works(folder)
    assert (other / "pyvenv.cfg").exists()


@posix
def test_a_python_that_makes_no_environment_leaves_none_behind(
    folder: Path, tmp_path: Path
) -> None:
    # As on Debian without python3-venv: the folder is made, pip is not.
    venv = (
        f'case "$*" in *"-m venv"*) "{sys.executable}" -m venv --without-pip .venv; exit 1;; esac'
    )
    python = shell(tmp_path / "python", f'{venv}\nexec "{sys.executable}" "$@"')
    patched = (folder / "install.py").read_text("utf-8").replace("sys.executable,", f'"{python}",')
    (folder / "install.py").write_text(patched, "utf-8")
    said = install(folder)
    assert "apt install python3-venv" in said
    assert "Traceback" not in said
    assert not (folder / ".venv").exists()


def test_an_old_python_is_named_before_anything_is_fetched(folder: Path) -> None:
    text = (folder / "install.py").read_text("utf-8")
    (folder / "install.py").write_text(text.replace("LEAST = (3, 11)", "LEAST = (3, 99)"), "utf-8")
    said = install(folder)
    have = f"{sys.version_info[0]}.{sys.version_info[1]}"
    assert f"needs Python 3.11 or newer, this is {have}; try: make book PYTHON=" in said
    assert "Traceback" not in said
    assert not (folder / ".venv").exists()


@posix
@pytest.mark.nightly
def test_another_version_is_refused_only_where_one_was_named(folder: Path) -> None:
    install(folder)
    look = folder / ".venv" / "bin" / "python"
    look.unlink()
    shell(look, "echo '[\"" + str(folder / ".venv") + "\", [3, 98]]'")
    assert install(folder) == ""
    assert "is of Python 3.98" in install(folder, "--this-python")
    assert works(folder)


def test_a_full_disk_is_said_before_the_download(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (folder / "install.py").read_text("utf-8")
    (folder / "install.py").write_text(
        text.replace("GIGABYTES = 3 ", "GIGABYTES = 10**9 "), "utf-8"
    )
    assert "GB of free disk" in install(folder)
    assert not (folder / ".venv").exists()


def test_the_lock_holds_what_is_asked_for_with_hashes() -> None:
    lock = (ROOT / "requirements.lock").read_text("utf-8")
    entries = re.findall(
        r"(?m)^([\w.-]+)==(\S+)(?: ; [^\\]+)? \\\n((?:    --hash=sha256:\w+.*\n?)+)", lock
    )
    assert len(entries) == len(re.findall(r"(?m)^[a-z]", lock))
    versions: dict[str, list[str]] = {}
    for name, version, _ in entries:
        versions.setdefault(canonicalize_name(name), []).append(version)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    groups = project["optional-dependencies"]
    itself = next(r for r in map(Requirement, groups["test"]) if r.name == project["name"])
    held_back = set(groups) - itself.extras - {"test"}
    assert held_back == {"weights"}, "17 MB that no test needs; all else is in the lock"
    extras = [text for name in ("test", *itself.extras) for text in groups[name]]
    asked = [Requirement(text) for text in [*project["dependencies"], *extras]]
    for requirement in asked:
        if requirement.name not in ("torch", project["name"]):
            held = versions[canonicalize_name(requirement.name)]
            assert all(version in requirement.specifier for version in held), requirement
    assert "torch" not in versions
    assert not re.search(r"(?i)https?://|file://|--(?:extra-)?index", lock)
