"""Every notebook as a reader of Colab has it, on the CPU and on another device: equal tensors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import chapters
import nbformat
import pytest
from assignment_cases import NAMES, code_cells, made, questions
from conftest import ROOT
from nbformat.v4 import new_code_cell, new_notebook
from notebook_cells import code_of

RUNNER = ROOT / "tests" / "notebook_cells.py"
CHAPTERS = chapters.chapters()
# Pages that name no device yet; a page leaves this set and never enters it.
NOT_YET: set[str] = set()
TABLES_ONLY = {"held"}
# The stand-in costs these some twenty processor seconds or more: every night, not every time.
DEAR = ["question", "pool", "pictures", "confidence", "whole_networks"]
DEAR += ["teachers", "reasoning", "preferences", "growing"]
RUNS = [(chapter, chapter not in DEAR) for chapter in CHAPTERS]
RUNS += [pytest.param(chapter, True, marks=pytest.mark.nightly) for chapter in DEAR]

Run = Callable[..., str]


@pytest.fixture(scope="module")
def colab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Runs a notebook in an empty folder and gives its log; fails with the end of it."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "W2S_FAST": "1",
    }
    server = subprocess.Popen(
        [sys.executable, RUNNER],
        env=environment,
        cwd=tmp_path_factory.mktemp("colab"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def run(notebook: Path, least: int | None, *extra: str) -> str:
        assert server.stdin is not None
        assert server.stdout is not None
        folder = tmp_path_factory.mktemp("content")
        asked = {"notebook": str(notebook), "folder": str(folder), "least": least, "extra": extra}
        print(json.dumps(asked), file=server.stdin, flush=True)
        status = server.stdout.readline().strip()
        log = (folder / "log.txt").read_text("utf-8")
        if status != "0":
            pytest.fail(f"exit status {status}\n{log[-6000:]}", pytrace=False)
        return log

    yield run
    server.communicate()


@pytest.mark.parametrize(("chapter", "elsewhere"), RUNS)
def test_a_chapters_notebook_runs_with_the_package_alone_on_any_device(
    colab: Run, chapter: str, elsewhere: bool
) -> None:
    least = 0 if chapter in TABLES_ONLY else 4 if elsewhere and chapter not in NOT_YET else None
    text, notebook = (chapters.BOOK / f"{chapter}.{end}" for end in ("md", "ipynb"))
    # While a chapter is written its own cells count; test_colab.py wants its notebook up to date.
    current = notebook.exists() and not set(sources(text)) - set(sources(notebook))
    log = colab(notebook if current else text, least)
    assert log.startswith("device: ") or not current
    assert "Warning" not in log


@pytest.mark.parametrize("name", NAMES)
def test_an_assignments_notebook_runs_with_the_package_and_otter_alone(
    colab: Run, tmp_path: Path, name: str
) -> None:
    """The key, on both devices, whose checks pass, and the stub, whose checks answer."""
    stub, key = tmp_path / "stub.ipynb", tmp_path / "key.ipynb"
    stub.write_text(made(name).student.replace('\\"your id\\"', '\\"ab1234\\"'))
    set_up = nbformat.reads(made(name).student, 4).cells[1].source
    assert set_up.startswith("# @title Set-up")
    checks = [f"grader.check({question!r})" for question in questions(made(name))]
    code = [set_up, *code_cells(made(name).key, "ab1234"), *checks]
    key.write_text(nbformat.writes(new_notebook(cells=[new_code_cell(cell) for cell in code])))
    for notebook, least, runs, passed in ((key, 0, 2, 4), (stub, None, 1, 0)):
        log = colab(notebook, least, "otter-grader")
        assert log.count("All test cases passed!") == runs * passed
        assert log.count(" results:") == runs * 4


def sources(notebook: Path) -> list[str]:
    return [code.strip() for code, _ in code_of(notebook)]


def test_who_names_no_device_yet_is_a_chapter() -> None:
    assert set(CHAPTERS) >= NOT_YET | TABLES_ONLY


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import tqdm", "No module named 'tqdm'"),
        ("import sphinx", "No module named 'sphinx'"),
        ("from importlib.util import find_spec\nassert find_spec('pooch')", "AssertionError"),
        ("import conftest", "No module named 'conftest'"),
        (
            "w = torch.ones(3) + torch.ones(3, device=here)",
            "Expected all tensors to be on the same",
        ),
        ("w = torch.ones(3, device=here) * (1 + (here.type == 'standin'))", "w on the stand-in"),
        ("w = torch.ones(3)", "0 of 1 tensors on the stand-in"),
        (
            "import ipywidgets\n@ipywidgets.interact_manual(n=(1, 9))\ndef live(n=5):\n"
            "    assert n < 9, 'too many'\nw = torch.ones(3, device=here)",
            "{'n': 9} of a slider: too many",
        ),
        ("here.type == 'cpu' or (w := torch.ones(3, device=here))", "only once: ['w']"),
    ],
)
def test_what_fails_there_is_said(colab: Run, tmp_path: Path, code: str, message: str) -> None:
    cells = ["import torch\nimport w2s_tutorial as w2s\nhere = w2s.device()", code]
    found = [{"cell_type": "code", "metadata": {}, "source": cell} for cell in cells]
    (tmp_path / "page.ipynb").write_text(json.dumps({"cells": found}))
    with pytest.raises(pytest.fail.Exception) as failed:
        colab(tmp_path / "page.ipynb", 1)
    assert message in str(failed.value)
