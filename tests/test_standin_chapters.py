"""The code cells of chapters on another device than the CPU, in short mode."""

from __future__ import annotations

import ast
import re

import matplotlib.pyplot as plt
import pytest
import torch
from conftest import ROOT
from standin import standin
from torch import Tensor

CHAPTERS = ["01_question"]
CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", re.M | re.S)


def cells(chapter: str) -> list[str]:
    """The code of a chapter's cells, without those that only a notebook has."""
    found = []
    for cell in CELL.findall((ROOT / "book" / f"{chapter}.md").read_text(encoding="utf-8")):
        options = re.match(r"---\n.*?\n---\n|(?::[^\n]*\n)*", cell, re.S)[0]
        if "skip-execution" not in options:
            found.append(cell.removeprefix(options))
    return found


def run(chapter: str) -> dict[str, object]:
    """All cells in one space of names; the last expression of each is shown, as on a page."""
    space: dict[str, object] = {"__name__": "__main__"}
    for code in cells(chapter):
        tree = ast.parse(code)
        shown = (
            ast.Expression(tree.body.pop().value) if isinstance(tree.body[-1], ast.Expr) else None
        )
        exec(compile(tree, chapter, "exec"), space)
        if shown:
            repr(eval(compile(shown, chapter, "eval"), space))
        plt.close("all")
    return space


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_chapter_runs_on_the_device(monkeypatch, chapter):
    monkeypatch.setenv("W2S_DEVICE", "standin")
    with standin() as device:
        found = {name: v for name, v in run(chapter).items() if isinstance(v, Tensor)}
        there = {name for name, value in found.items() if value.device == device}
        found = {name: value.cpu() for name, value in found.items()}
    monkeypatch.setenv("W2S_DEVICE", "cpu")
    expected = run(chapter)
    assert len(there) > 3, "little was computed there"
    for name, value in found.items():
        torch.testing.assert_close(value, expected[name], rtol=1e-6, atol=1e-9, equal_nan=True)
