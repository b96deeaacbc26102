"""The benchmarks in their short form, on a CPU and on the stand-in; the one call that runs them."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType

import pytest
from conftest import ROOT
from standin import NAME, standin

SCRIPT = ROOT / "benchmarks" / "gpu.sh"
PYTHON = """#!/bin/sh
# Stands for Python: says what it was asked, and does what a variable says at one of the parts.
echo "asked: $*"
case "$*" in *"$AT"*) eval "$DO";; esac
"""


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], ModuleType]]:
    """Reads a benchmark anew, and forgets it afterwards: their names are everyday words."""
    before = dict(sys.modules)
    monkeypatch.setattr("w2s_tutorial.FAST", True)
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    yield importlib.import_module
    for name in set(sys.modules) - set(before):
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(SCRIPT.parent)):
            del sys.modules[name]


@pytest.mark.parametrize("device", ["cpu", NAME])
@pytest.mark.parametrize("name", ["heads", "features", "train", "many"])
def test_a_benchmark_measures_on_any_device(load, monkeypatch, capsys, name, device):
    monkeypatch.setenv("W2S_DEVICE", device)
    monkeypatch.setattr(sys, "argv", [f"{name}.py"])
    with standin() if device == NAME else nullcontext():
        module = load(name)
        if name == "heads":
            module.main()
        else:
            measured = {"train": "compare_all"}.get(name, "compare")
            load("common").run(module.__file__, getattr(module, measured), module.show)
    head, *rows = capsys.readouterr().out.splitlines()
    assert f"on {device}" in head
    lines = {"heads": 8, "features": 5, "train": 2, "many": 2}[name]
    numbers = [re.findall(r"\d+(?:\.\d+)?", row) for row in rows]
    assert len([found for found in numbers if len(found) > 2]) == lines
    assert not re.search(r"\b(nan|inf)\b", "\n".join(rows))


def call(folder: Path, at: str = "nowhere", do: str = "", short: int = 0) -> tuple[int, str]:
    """Exit status and report of the script, with a Python that only says what it was asked."""
    python = folder / "python"
    python.write_text(PYTHON)
    python.chmod(0o755)
    environment = {**os.environ, "PYTHON": str(python), "AT": at, "DO": do}
    environment["W2S_FAST"] = str(short)
    report = folder / "report.txt"
    ran = subprocess.run(
        ["bash", SCRIPT, report], env=environment, capture_output=True, text=True, check=False
    )
    assert ran.stdout == report.read_text()
    assert not ran.stderr
    return ran.returncode, ran.stdout


def test_one_call_asks_for_everything_and_writes_one_report(tmp_path):
    status, report = call(tmp_path)
    assert status == 0
    assert re.search(r"^all parts ran in \d+ s$", report.splitlines()[-1])
    asked = re.findall(r"^asked: (.*)$", report, re.M)
    for part in ("heads", "features", "train", "many"):
        assert f"benchmarks/{part}.py" in asked
    files = [path for line in asked for path in re.findall(r"\S+/\S+\.(?:py|ipynb)", line)]
    assert [path for path in files if not (ROOT / path).is_file()] == []
    chapters = {path.name for path in (ROOT / "book").glob("*.ipynb")}
    assert chapters == {Path(path).name for path in files if path.endswith(".ipynb")}
    some = re.findall(r"book/(\w+\.ipynb)", call(tmp_path, short=1)[1])
    assert len(some) == 2
    assert chapters > set(some)


@pytest.mark.parametrize(
    ("at", "do", "told"),
    [
        ("benchmarks/heads.py", "exit 3", "FAILED: heads (exit 3)"),
        ("book/held.ipynb", "exit 1", "FAILED: chapters (exit 123)"),
        ("import IPython", "exit 1", "FAILED: chapters (they need IPython: pip install ipython)"),
    ],
)
def test_a_part_that_fails_is_named_and_the_others_run(tmp_path, at, do, told):
    status, report = call(tmp_path, at, do)
    assert status == 1
    assert report.splitlines()[-1] == told
    assert "benchmarks/many.py" in report


def test_a_part_that_takes_too_long_is_stopped(tmp_path, monkeypatch):
    short = tmp_path / "benchmarks" / "gpu.sh"
    short.parent.mkdir()
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "one.ipynb").touch()
    short.write_text(re.sub(r"part many \d+", "part many 1", SCRIPT.read_text()))
    monkeypatch.setattr(sys.modules[__name__], "SCRIPT", short)
    status, report = call(tmp_path, "benchmarks/many.py", "sleep 30")
    assert status == 1
    assert report.splitlines()[-1] == "FAILED: many (exit 124)"


def test_all_parts_together_take_twelve_minutes_at_most():
    limits = re.findall(r"^ +part \w+ (\d+) ", SCRIPT.read_text(), re.M)
    assert len(limits) == 7
    assert sum(map(int, limits)) <= 12 * 60
