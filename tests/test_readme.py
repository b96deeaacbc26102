"""The README's example prints what the README says, and its tree names what exists."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def block(language: str, number: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", README, re.S)[number]


def test_the_example_prints_what_it_says():
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(block("python"), "README.md", "exec"), found := {})
    assert printed.getvalue() == block("text")
    opr = found["outcome"].report(found["test"]).loc["OPR"]
    assert opr["high"] < 1, "as the text below it says, the baseline is ahead"


def test_the_example_runs_from_an_installed_package(tmp_path: Path):
    """As from a wheel: the package's own files elsewhere, without the clone around them."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    listed = project["tool"]["setuptools"]["package-data"]
    for path in (ROOT / "w2s_tutorial").rglob("*"):
        if path.is_dir() or path.suffix == ".pyc":
            continue
        package = ".".join(path.parent.relative_to(ROOT).parts)
        if path.suffix == ".py" or any(path.match(name) for name in listed.get(package, ())):
            target = tmp_path / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    # With another library's taste in numbers, as well.
    example = "import torch\ntorch.set_default_dtype(torch.float64)\n" + block("python")
    last = "\nfrom pathlib import Path\nimport w2s_tutorial\n"
    last += "assert Path(w2s_tutorial.__file__).parents[1] == Path.cwd()\n"
    last += "assert len(frozen.waterdigits_features()) == 1396\n"
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", example + last],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    assert found.stdout == block("text")


def test_the_tree_names_every_part():
    named = {line.split()[0].rstrip("/") for line in block("text", 1).splitlines()}
    package = {p.stem for p in (ROOT / "w2s_tutorial").iterdir() if not p.name.startswith("_")}
    listed = {name.removesuffix(".py") for name in named}
    assert package <= listed, f"the README lacks {sorted(package - listed)}"
    for name in named:
        places = (ROOT, ROOT / "book", ROOT / "w2s_tutorial")
        assert any((place / name).exists() for place in places), name


def test_links_and_pictures_exist():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", README):
        assert (ROOT / target).exists(), target
