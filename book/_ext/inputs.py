"""What a chapter's results depend on besides its own text, followed along its imports."""

from __future__ import annotations

import ast
import hashlib
import importlib.metadata
import platform
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from chapters import ROOT, is_fast

LIBRARIES = ("torch", "numpy", "scipy", "scikit-learn", "pandas", "matplotlib")
PACKAGE = "w2s_tutorial"


def inputs_hash(code: str) -> str:
    """Hash of what code reaches of the package and of data/, the versions, and the mode."""
    digest = hashlib.sha256(b"fast" if is_fast() else b"full")
    versions = [f"{name}=={importlib.metadata.version(name)}" for name in LIBRARIES]
    digest.update("\n".join([platform.python_version(), *versions]).encode())
    for path in inputs(code):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def package_hash() -> str:
    """Hash of the companion package alone: what the provenance table shows."""
    digest = hashlib.sha256()
    for path in sorted(ROOT.glob(f"{PACKAGE}/**/*.py")):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


def inputs(code: str) -> list[Path]:
    """Files of the package that code imports, directly or not, and the folders of data/ that the
    one or the other names.
    """
    found: set[Path] = set()
    waiting = list(_wanted(ast.parse(_plain(code))))
    seen = set(waiting)
    while waiting:
        path, name = _resolved(waiting.pop())
        if path is None:
            continue
        found |= {path, *_packages(path)}
        tree = _tree(path)
        passed_on = _passed_on(tree) if path.name == "__init__.py" else {}
        if name in passed_on:  # of what a package's face collects, the one that is asked for
            new = {passed_on[name]}
        elif path == ROOT / PACKAGE / "__init__.py":  # what its own code uses
            new = {module for alias, module in passed_on.items() if alias.startswith("_")}
        else:
            new = set(_wanted(tree))
        waiting += new - seen
        seen |= new
    text = code + "".join(path.read_text(encoding="utf-8") for path in found)
    data = [
        path
        for folder in ROOT.glob("data/*/")
        if re.search(rf"""["'/]{re.escape(folder.name)}["'/]""", text)
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in (".py", ".md", ".pyc")
    ]
    return sorted(found) + sorted(data)


def _plain(code: str) -> str:
    """Without the lines that only IPython reads."""
    return re.sub(r"(?m)^(\s*)[%!].*$", r"\1pass", code)


def _wanted(tree: ast.AST) -> Iterator[str]:
    """Dotted names of the package that are imported, or asked of a name of the package itself."""
    faces = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == PACKAGE:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Import):
            own = [alias for alias in node.names if alias.name.split(".")[0] == PACKAGE]
            yield from (alias.name for alias in own)
            faces |= {alias.asname or PACKAGE for alias in own}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            yield from {f"{PACKAGE}.{node.attr}"} if node.value.id in faces else ()


def _passed_on(tree: ast.Module) -> dict[str, str]:
    """Names that a package's face passes on: imported at its top, or listed in its `_FACE`."""
    found = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_FACE":
            for module, names in ast.literal_eval(node.value).items():
                found |= {name: f"{PACKAGE}.{module}.{name}" for name in names}
    return found


def _resolved(dotted: str) -> tuple[Path | None, str]:
    """The file that a dotted name lives in, and what is left of the name."""
    parts = dotted.split(".")
    for i in range(len(parts), 0, -1):
        stem = ROOT.joinpath(*parts[:i])
        for path in (stem.with_suffix(".py"), stem / "__init__.py"):
            if path.exists():
                return path, ".".join(parts[i : i + 1])
    return None, ""


def _packages(path: Path) -> list[Path]:
    """The faces that Python runs before this module."""
    above = [folder for folder in path.parents if ROOT in folder.parents]
    return [face for folder in above if (face := folder / "__init__.py").exists()]


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))
