"""Notebooks as on Colab: python tests/notebook_cells.py [--also standin] [--with NAME] FILE ...

FILE is an .ipynb, or a chapter's .md before its notebook is written. Every cell runs, from top to
bottom, in a process in which nothing can be imported but the package, what it needs (`dependencies`
in pyproject.toml) and what --with names. With --also, a second run computes on the stand-in for a
GPU, and its tensors must equal the first run's.
Without files, they are read from the standard input, a line of JSON for each: the arguments of
`run_or_say_why`. What answers is the exit status. One process imports, a child of it runs.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import os
import re
import signal
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterable
from importlib.machinery import ModuleSpec, PathFinder
from itertools import product
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

TESTS = Path(__file__).resolve().parent
PROJECT = tomllib.loads((TESTS.parent / "pyproject.toml").read_text("utf-8"))["project"]
# A device fits all heads at once, a CPU as many as its cache holds: sums differ in their order.
SAME = {"rtol": 1e-6, "atol": 1e-9, "equal_nan": True}
SAME_IN_SINGLE_PRECISION = {"rtol": 1e-4, "atol": 2e-6, "equal_nan": True}
SECONDS = 600
HIDDEN: set[str] = set()
LOG = "log.txt"
# What chapters import, or torch with its first optimizer, some three processor seconds.
IMPORTED_ONCE = (
    "IPython.core.interactiveshell", "IPython.terminal.interactiveshell", "matplotlib.pyplot",
    "pandas.io.formats.style", "sklearn.datasets", "sklearn.linear_model", "torch._dynamo",
    "w2s_tutorial.datasets",
)  # fmt: skip
CELL = re.compile(r"^```\{code-cell\}[^\n]*\n(.*?)^```$", re.M | re.S)
OPTIONS = re.compile(r"---\n.*?\n---\n|(?::[^\n]*\n)*", re.S)


def needed(names: list[str]) -> set[str]:
    """Installed distributions that these requirements bring, with what those need in turn."""
    found: set[tuple[str, str]] = set()
    waiting = [(name, "") for name in names]
    while waiting:
        text, extra = waiting.pop()
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        for own in {"", *requirement.extras}:
            try:
                further = importlib.metadata.requires(requirement.name) or []
            except importlib.metadata.PackageNotFoundError:
                break
            if (key := (canonicalize_name(requirement.name), own)) not in found:
                found.add(key)
                waiting += [(text, own) for text in further]
    return {name for name, _ in found}


def absent(extra: Iterable[str] = ()) -> set[str]:
    """Modules that are installed here and would not be with the package alone."""
    there = needed([*PROJECT["dependencies"], *extra, PROJECT["name"]])
    owned = importlib.metadata.packages_distributions().items()
    return {
        module
        for module, owners in owned
        if not there & {canonicalize_name(owner) for owner in owners}
    }


def hide(modules: set[str]) -> None:
    """From here on modules of this set are not found."""

    class Without(PathFinder):
        @classmethod
        def find_spec(cls, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
            if path is None and name in modules:
                return None
            return PathFinder.find_spec(name, path, target)

    sys.meta_path[sys.meta_path.index(PathFinder)] = Without


def code_of(notebook: Path) -> list[tuple[str, list[str]]]:
    """Each code cell with its tags; of a chapter's text, without those for a hosted notebook."""
    text = notebook.read_text("utf-8")
    if notebook.suffix == ".ipynb":
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        return [("".join(cell["source"]), cell["metadata"].get("tags", [])) for cell in cells]
    found = []
    for cell in CELL.findall(text):
        options = OPTIONS.match(cell)[0]
        if "skip-execution" not in options:
            found.append((cell.removeprefix(options), re.findall(r"raises-exception", options)))
    return found


def run(notebook: Path, device: str) -> dict[str, Any]:
    """The names that are bound after all cells; what a cell ends with is shown, as in a notebook.

    Raises:
        RuntimeError: if a cell fails, which says where; its traceback is on the standard output.
    """
    import matplotlib.pyplot as plt
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    os.environ["W2S_DEVICE"] = device
    options = Config({"HistoryManager": {"enabled": False}})
    shell = InteractiveShell(user_ns={}, colors="NoColor", config=options)
    for source, tags in code_of(notebook):
        if {"needs-gpu", "skip-execution"} & set(tags):  # and gigabytes of published weights
            continue
        ran = shell.run_cell(source)
        if not ran.success and "raises-exception" not in tags:
            place = f"{notebook.name} stopped, device {device or 'open'}, in the cell"
            raise RuntimeError(f"{place}\n{source[:400]}")
        plt.close("all")
    own = shell.user_ns_hidden
    if device in {"", "cpu"}:  # sizes do not depend on the device
        try_both_ends(notebook.name, shell.user_ns)
    return {name: v for name, v in shell.user_ns.items() if name not in own and name[0] != "_"}


def try_both_ends(notebook: str, names: dict[str, Any]) -> None:
    """Call what a live widget calls, with every slider at its left end and at its right one.

    Raises:
        RuntimeError: with the values for which that fails.
    """
    from ipywidgets import interactive

    widgets = [getattr(value, "widget", None) for value in names.values()]
    live = [widget for widget in widgets if isinstance(widget, interactive)]
    for widget, end in product(live, ("min", "max")):
        values = {each._kwarg: getattr(each, end, each.value) for each in widget.kwargs_widgets}
        try:
            widget.f(**values)
        except Exception as problem:
            raise RuntimeError(f"{notebook}: {values} of a slider: {problem}") from problem


def tensors(value: Any, name: str = "") -> dict[str, Any]:
    """Tensors in names, collections and the fields of dataclasses, by where they are."""
    import torch

    if isinstance(value, torch.Tensor):
        return {name[1:]: value.detach()}
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, type):
        value = {field: getattr(value, field) for field in value.__dataclass_fields__}
    elif isinstance(value, (list, tuple)):
        value = dict(enumerate(value))
    if not isinstance(value, dict):
        return {}
    return {at: t for key, v in value.items() for at, t in tensors(v, f"{name}.{key}").items()}


def compare(notebook: Path, least: int) -> str:
    """Run on the CPU and on the stand-in: the same tensors, at least so many of them there."""
    import torch
    from standin import NAME, standin

    plain = tensors(run(notebook, "cpu"))
    with standin():
        found = tensors(run(notebook, NAME))
        there = sum(value.device.type == NAME for value in found.values())
        found = {name: value.cpu() for name, value in found.items()}
    if set(found) != set(plain):
        raise RuntimeError(f"{notebook.name}: only once: {sorted(set(found) ^ set(plain))}")
    for name, value in found.items():
        message = lambda words, name=name: f"{notebook.name}, {name} on the stand-in: {words}"
        same = SAME_IN_SINGLE_PRECISION if value.dtype == torch.float32 else SAME
        torch.testing.assert_close(value, plain[name], **same, msg=message)
    if there < least:
        raise RuntimeError(f"{notebook.name}: {there} of {len(found)} tensors on the stand-in")
    return f"{there} of {len(found)} tensors on the stand-in"


def run_or_say_why(
    notebook: str, folder: str, least: int | None = None, extra: tuple[str, ...] = ()
) -> None:
    """Run a notebook in a folder where all that it writes stays, and end this process.

    Args:
        notebook: its file.
        folder: where it runs, and where its log is written.
        least: run it on the stand-in as well, where at least so many tensors are.
        extra: what may be imported beside the package and what it needs.
    """
    signal.alarm(SECONDS)
    if extra:
        HIDDEN.intersection_update(absent(extra))
    os.environ["HOME"] = os.environ["IPYTHONDIR"] = folder
    os.chdir(folder)
    log = os.open(LOG, os.O_WRONLY | os.O_CREAT)
    os.dup2(log, 1)
    os.dup2(log, 2)
    status, said, start = 0, "", time.perf_counter()
    try:
        if least is None:
            run(Path(notebook), os.environ.get("W2S_DEVICE", ""))
        else:
            said = compare(Path(notebook), least)
    except (RuntimeError, AssertionError) as problem:
        status, said = 1, str(problem)
    minutes, processor = (time.perf_counter() - start) / 60, time.process_time()
    spent = f"{minutes:.2f} minutes, {processor:.0f} processor seconds"
    print(f"{Path(notebook).name}: {spent}. {said}", flush=True)
    os._exit(status)


def fork(**asked: Any) -> int:
    """Exit status of a child that runs one notebook, with everything imported here."""
    sys.stdout.flush()
    child = os.fork()
    if not child:
        run_or_say_why(**asked)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path)
    parser.add_argument("--also", choices=["standin"])
    parser.add_argument("--with", dest="extra", action="append", default=[], metavar="NAME")
    asked = parser.parse_args()
    HIDDEN.update(absent())
    hide(HIDDEN)
    os.environ.setdefault("MPLBACKEND", "agg")
    for name in IMPORTED_ONCE:
        importlib.import_module(name)
    if asked.also or not asked.notebooks:
        importlib.import_module("standin")
    sys.path.remove(str(TESTS))
    worst, least = 0, 0 if asked.also else None
    for line in sys.stdin if not asked.notebooks else ():
        print(fork(**json.loads(line)), flush=True)
    for path in asked.notebooks:
        with tempfile.TemporaryDirectory() as folder:
            status = fork(
                notebook=str(path.resolve()), folder=folder, least=least, extra=asked.extra
            )
            written = Path(folder, LOG).read_text("utf-8").splitlines()
        print(*written[-40 if status else -1 :], sep="\n", flush=True)
        worst = max(worst, abs(status))
    return worst


if __name__ == "__main__":
    sys.exit(main())
