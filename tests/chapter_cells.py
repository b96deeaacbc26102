"""A chapter's code cells in this process: python tests/chapter_cells.py book/NAME.md ..."""

from __future__ import annotations

import ast
import re
import sys
import time
from pathlib import Path

CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", re.M | re.S)


def cells(chapter: Path) -> list[str]:
    """The code of a chapter's cells, without those that only a notebook has."""
    found = []
    for cell in CELL.findall(chapter.read_text(encoding="utf-8")):
        options = re.match(r"---\n.*?\n---\n|(?::[^\n]*\n)*", cell, re.S)[0]
        if "skip-execution" not in options:
            found.append(cell.removeprefix(options))
    return found


def run(chapter: Path) -> dict[str, object]:
    """All cells in one space of names; the last expression of each is shown, as on a page."""
    import matplotlib.pyplot as plt

    plt.switch_backend("agg")
    space: dict[str, object] = {"__name__": "__main__"}
    for code in cells(chapter):
        tree = ast.parse(code)
        last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, chapter.name, "exec"), space)
        if last:
            repr(eval(compile(ast.Expression(last.value), chapter.name, "eval"), space))
        plt.close("all")
    return space


if __name__ == "__main__":
    for name in sys.argv[1:]:
        start = time.perf_counter()
        run(Path(name))
        print(f"{name}: {(time.perf_counter() - start) / 60:.2f} minutes", flush=True)
