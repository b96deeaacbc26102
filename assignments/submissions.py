"""Notebooks as they were handed in: where they are, whose, of what, and what a person must read."""

from __future__ import annotations

import ast
import json
import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from nbformat import NotebookNode

from w2s_tutorial.variants import plain_id

LARGEST = 50 * 2**20  # bytes of a notebook; with all its pictures it has a tenth
CHECK, BEGIN = "grader.check(", "<!-- BEGIN QUESTION -->"
KERNEL = {"name": "python3", "display_name": "Python 3"}


class Refused(Exception):
    """Why a file is not run; the message is its status."""


class Submission(NamedTuple):
    """The code of one student, ready to run, and what else the file says."""

    runs: NotebookNode
    student: str
    written: dict[str, str]
    notes: list[str]


def find(folder: Path) -> list[Path]:
    """Everything called a notebook below a folder, and folders in it that hold no notebook."""

    def counts(path: Path) -> bool:  # not .ipynb_checkpoints, ._name, __MACOSX, graded
        parts = path.relative_to(folder).parts
        return parts[0] != "graded" and not any(part.startswith((".", "__")) for part in parts)

    named = [path for path in folder.rglob("*") if ".ipynb" in path.name.lower() and counts(path)]
    files = [path for path in named if not path.is_dir()]
    owners = {folder / path.relative_to(folder).parts[0] for path in files}
    empty = [path for path in folder.iterdir() if path.is_dir() and counts(path)]
    return sorted([*files, *(path for path in empty if path not in owners)])


def shown(path: Path) -> str:
    """A path as tables show it: one Unicode form, and nothing that is not UTF-8."""
    readable = os.fsencode(path.as_posix()).decode("utf-8", "replace")
    return unicodedata.normalize("NFC", readable)


def plain_file(path: Path, largest: int) -> bytes:
    """Content of a file; OSError if it is a link, a folder, a pipe, a device, or larger."""
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode) or found.st_size > largest:
        raise OSError(f"{path} is no plain file of at most {largest} bytes")
    return path.read_bytes()


def loaded(content: bytes) -> NotebookNode:
    """A notebook, in any of JSON's encodings."""
    # Half a character, of an emoji cut in two, could be written nowhere.
    text = json.dumps(json.loads(content), ensure_ascii=False).encode("utf-8", "replace")
    notebook = nbformat.convert(nbformat.from_dict(json.loads(text)), 4)
    for cell in notebook.cells:
        cell.source = "\n".join("".join(cell.source).splitlines())
    return notebook


def read(path: Path, given: NotebookNode, *, student: str | None = None) -> Submission:
    """A notebook, compared with the one that was handed out.

    Args:
        student: whose it is, if that is known from elsewhere; None takes it from the notebook.

    Raises:
        Refused: if it is of another assignment or term, or there is none.
        Exception: any other, if it is no notebook.
    """
    if path.is_dir():
        raise Refused("no notebook")
    notebook = loaded(plain_file(path, LARGEST))
    made_for, wanted = _assignments(notebook), _assignments(given)
    if made_for and not made_for & wanted:
        raise Refused(f"made for {sorted(made_for)[0]}, not for {sorted(wanted)[0]}")
    notes = [] if made_for else ["does not say of which assignment and term it is"]
    named = list(_ids(notebook))
    student = (named or [""])[0] if student is None else student
    if plain_id(student) in ("", "your id"):
        notes.append("id not filled in" if student else "no id found")
    if others := [name for name in named if plain_id(name) != plain_id(student)]:
        notes.append(f"names the id {others[0]!r}, graded for {student!r}")
    written = _written(notebook, given)
    notes += [f"{question}: no answer found" for question, text in written.items() if not text]
    # Whatever the code does to STUDENT, each check is made for the student.
    owner = f"STUDENT = {student!r}\n" if student else ""
    sources = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    sources = [*(owner * (CHECK in source) + source for source in sources), owner]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    runs = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
    return Submission(runs, student, written, notes)


def _nodes(notebook: NotebookNode) -> Iterator[ast.AST]:
    """The syntax of all cells that can be parsed, magics included."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
                yield from ast.walk(ast.parse(TransformerManager().transform_cell(cell.source)))


def _ids(notebook: NotebookNode) -> Iterator[str]:
    """What is assigned to STUDENT, where it is text or a number."""
    for node in _nodes(notebook):
        targets = getattr(node, "targets", [getattr(node, "target", None)])
        if any(isinstance(name, ast.Name) and name.id == "STUDENT" for name in targets):
            value = getattr(getattr(node, "value", None), "value", None)
            if isinstance(value, str | int):
                yield str(value)


def _assignments(notebook: NotebookNode) -> set[str]:
    """Assignment and term, as the call says that draws the numbers; else as the metadata say."""
    found = set()
    for node in _nodes(notebook):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "draw":
            said = [*node.args[1:], *(k.value for k in node.keywords if k.arg == "term")]
            found.add(", term ".join(str(getattr(value, "value", "?")) for value in said))
    about = notebook.metadata.get("assignment")
    return found or ({f"{about['name']}, term {about['term']}"} if about else set())


def _written(notebook: NotebookNode, given: NotebookNode) -> dict[str, str]:
    """Question -> what the student added from its prompt on, in whatever cell, to the next."""
    cells, questions = notebook.cells, given.metadata.assignment.written
    known = {line.strip() for cell in given.cells for line in _lines(cell)} - {""}
    begins, prompts = (
        [i for i, cell in enumerate(one.cells) if BEGIN in cell.source] for one in (notebook, given)
    )
    if len(begins) != len(prompts):  # one is lost: better too much than nothing
        begins, prompts = [0] * len(questions), [len(given.cells)] * len(questions)
    answers = {}
    for question, begin, prompt in zip(questions, begins, prompts, strict=True):
        later = {line for cell in given.cells[prompt + 1 :] for line in _lines(cell)}
        titles = {line for line in later if re.match(r"#+ \d", line)}
        ends = [i for i in range(begin + 1, len(cells)) if titles & {*_lines(cells[i])}]
        lines = [line for cell in cells[begin : min([*ends, len(cells)])] for line in _lines(cell)]
        own = "\n".join(line for line in lines if line.strip() not in known)
        answers[question] = re.sub(r"\n{3,}", "\n\n", own).strip()
    return answers


def _lines(cell: NotebookNode) -> list[str]:
    return [*cell.source.splitlines(), ""]
