"""The architecture, as a dictionary: who may import whom. And what all public names promise."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import w2s_tutorial

PACKAGE = Path(__file__).parents[1] / "w2s_tutorial"
MODULES = sorted(PACKAGE.rglob("*.py"))

# Each part of the package, and all that it imports of the others. A theory sees the problem and
# nothing else: one that cannot see the simulator cannot be adjusted to agree with it.
ARCHITECTURE: dict[str, set[str]] = {
    # the vocabulary
    "problems": set(),
    "_arrays": set(),
    "_tables": set(),
    "sample": {"_arrays", "seeds"},
    "losses": set(),
    "metrics": {"seeds"},
    "storage": {""},
    "devices": set(),
    "_flags": set(),
    "seeds": set(),
    "progress": {"_flags"},
    # predicting, simulating, measuring features
    "theory": {"problems"},
    "simulation": {"heads", "networks", "problems", "seeds"},
    "overlap": {"metrics", "problems", "seeds"},
    # data, networks, heads
    "datasets": {"_flags", "sample", "seeds", "storage"},
    "networks": {"devices", "progress", "seeds", "storage"},
    "heads": {"losses", "progress"},
    "pipeline": {"heads", "metrics", "sample", "seeds"},
    "confidence": {
        "_arrays",
        "heads",
        "losses",
        "metrics",
        "pipeline",
        "progress",
        "sample",
        "seeds",
    },
    "mixtures": {"heads"},
    "growing": {"networks", "seeds"},
    "shares": {
        *("_tables", "datasets", "heads", "metrics"),
        *("pipeline", "sample", "storage", "sweeps"),
    },
    "whole": {
        *("datasets", "heads", "losses", "metrics"),
        *("networks", "pipeline", "sample", "seeds"),
    },
    # running, showing, checking
    "tables": {"_tables", "metrics", "seeds", "storage"},
    "sweeps": {"", "_arrays", "_tables", "progress", "storage"},
    "figures": {"_tables"},
    "variants": {"storage"},
    "checks": {
        *("confidence", "losses", "metrics", "mixtures"),
        *("overlap", "pipeline", "problems", "sample", "simulation"),
    },
    "": {"_flags"},  # and shows the rest, by name
}


def part(module: str) -> str:
    """`w2s_tutorial.heads.linear` -> `heads`; the package itself is the empty part."""
    return [*module.split("."), ""][1].removesuffix("__init__")


def imports(path: Path) -> set[str]:
    """Parts of our own package that a module imports, at its top or inside a function."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "w2s_tutorial":
            names = {alias.name for alias in node.names}
            submodules = {name for name in names if (PACKAGE / name).exists() or _file(name)}
            found |= {f"w2s_tutorial.{name}" for name in submodules}
            found |= {"w2s_tutorial"} if names - submodules else set()
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return {part(name) for name in found if name.split(".")[0] == "w2s_tutorial"}


def _file(name: str) -> bool:
    return (PACKAGE / f"{name}.py").exists()


def module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)


def test_imports_are_those_of_the_dictionary():
    actual: dict[str, set[str]] = {}
    for path in MODULES:
        own = part(module_name(path))
        actual.setdefault(own, set()).update(imports(path) - {own})
    assert actual == ARCHITECTURE


def test_theories_do_not_import_each_other():
    for path in (PACKAGE / "theory").glob("*.py"):
        others = {"intrinsic", "misfit", "spurious"} - {path.stem.split("_")[0]}
        text = path.read_text(encoding="utf-8")
        assert not any(
            f"theory.{other}" in text or f"theory import {other}" in text for other in others
        )


def public(path: Path) -> list[ast.FunctionDef | ast.ClassDef]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    kinds = (ast.FunctionDef, ast.ClassDef)
    return [n for n in tree.body if isinstance(n, kinds) and not n.name.startswith("_")]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: module_name(path))
def test_public_names_are_documented_and_typed(path):
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), "the module"
    for node in public(path):
        docstring = ast.get_docstring(node)
        assert docstring, node.name
        if isinstance(node, ast.FunctionDef):
            arguments = {a.arg for a in node.args.args + node.args.kwonlyargs}
            optional = {node.args.vararg, node.args.kwarg} - {None}
            arguments |= {a.arg for a in optional}
            block = re.search(r"^Args:\n((?:    .*\n?|\n)+)", docstring, re.M)
            listed = re.findall(r"^    (\w[\w, ]*):", block[1], re.M) if block else []
            named = {name.strip() for names in listed for name in names.split(",")}
            assert named <= arguments, f"{node.name} documents {sorted(named - arguments)}"


FORBIDDEN = [
    (r"^\s*print\(", "print"),
    (r"torch\.manual_seed\(", "the global generator"),
    (r"^\s*assert ", "assert"),
    (r"allow_pickle=True|weights_only=False|pickle\.loads?\(", "unpickling"),
    (r"\.cuda\(", "a fixed device"),
    (r"rcParams\[.*\] *=", "a global style"),
]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: module_name(path))
def test_the_package_keeps_off(path):
    for line in path.read_text(encoding="utf-8").splitlines():
        for pattern, what in FORBIDDEN:
            assert not re.search(pattern, line), f"{what}: {line}"


FACE = """
import sys
import w2s_tutorial as w2s
assert "torch" not in sys.modules, "the face imports nothing before it is used"
for name in w2s.__all__:
    assert name in dir(w2s) and getattr(w2s, name) is not None, name
assert not [name for name in dir(w2s) if name not in w2s.__all__ and name != "__version__"]
assert w2s.Sample.__module__ == "w2s_tutorial.sample"
try:
    w2s.no_such_name
except AttributeError as error:
    assert "no attribute 'no_such_name'" in str(error)
else:
    raise AssertionError("a name that is not there")
"""


def test_the_face_shows_its_names_and_imports_none_before_it_is_used():
    subprocess.run([sys.executable, "-c", FACE], check=True, cwd=PACKAGE.parent)


def test_the_face_is_about_forty_names_and_no_part_leans_on_it():
    assert 35 <= len(w2s_tutorial.__all__) <= 45
    leaning = {name for name, needs in ARCHITECTURE.items() if "" in needs}
    assert leaning <= {"storage", "sweeps"}  # which ask for the version and for FAST
