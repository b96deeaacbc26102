"""The cell of a page that is for a GPU and for models that others published."""

from __future__ import annotations

import re

import pytest
import torch
from conftest import ROOT

GUARD = re.compile(r"^assert here.type != \"cpu\".*$", re.M)


def published_cell(page: str) -> str:
    """The cell without its guard, which was seen to stop it on a CPU before anything is fetched."""
    text = (ROOT / "book" / f"{page}.md").read_text(encoding="utf-8")
    (cell,) = re.findall(r"```\{code-cell\} ipython3\n:tags: \[colab-only.*?\n(.*?)```", text, re.S)
    with pytest.raises(AssertionError, match="this cell needs a GPU"):
        exec(cell, {"here": torch.device("cpu")})
    before, guard, rest = cell.partition(GUARD.search(cell)[0])
    assert all(line.startswith("#") for line in before.splitlines())
    exec(guard, {"here": torch.device("cuda")})
    return before + rest
