"""Masters -> student notebooks, answer keys, autograders. Needs the extra `assignments`.

python assignments/make.py                    everything, into _build/assignments and student/
python assignments/make.py --check            exits with 1 if a student notebook is out of date
python assignments/make.py --student ab1234   the answer keys of one student, executed
Options: --term NAME, for numbers that differ from last term's, remembered in the notebooks it
writes; --masters FOLDER, for your own. Only the first of the three commands writes what others use.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import sys
import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext
import nbformat
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from address import load  # noqa: E402
from otter.assign import main as assign  # noqa: E402
from set_up import set_up  # noqa: E402

HERE = ROOT / "assignments"
OUT = ROOT / "_build" / "assignments"
TERM, SET_UP, HANDED_OUT = "@TERM@", "# @SET-UP@", "given.ipynb"
CONFIG = """# ASSIGNMENT CONFIG
init_cell: false
export_cell: false
check_all_cell: false
generate: true
tests: {{files: true, ok_format: false}}
requirements: ["{package}"]
"""
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
    "colab": {"provenance": [], "toc_visible": True},
}


@dataclass(frozen=True)
class Made:
    """What one master becomes: two notebooks, as the text of their files, and a zip."""

    name: str
    student: str
    key: str
    autograder: bytes


def make(master: Path, *, term: str) -> Made:
    """Run otter on a master; the same master gives the same bytes, wherever and whenever.

    Raises:
        ValueError: if a check is not ASCII: otter reads checks in the machine's encoding.
    """
    name = master.stem
    home = load(ROOT / "_config.yml")
    text = master.read_text(encoding="utf-8").replace(TERM, term)
    notebook = jupytext.reads(text, fmt="md:myst")
    begun = [cell.source for cell in notebook.cells if "# BEGIN QUESTION" in cell.source]
    questions = [yaml.safe_load(source) for source in begun]
    about = {
        "name": name,
        "term": term,
        "points": {question["name"]: question["points"] for question in questions},
        "written": [question["name"] for question in questions if question.get("manual")],
    }
    package = f"w2s-tutorial @ git+{home.url}@{home.branch}"
    notebook.cells.insert(0, nbformat.v4.new_raw_cell(CONFIG.format(package=package)))
    with tempfile.TemporaryDirectory() as folder:
        source, dist = Path(folder) / f"{name}.ipynb", Path(folder) / "dist"
        nbformat.write(notebook, source)
        assign(str(source), str(dist), no_pdfs=True, no_run_tests=True)
        views = dist / "student", dist / "autograder"
        checks, hidden = (
            {path.name: path.read_text("utf-8") for path in sorted((view / "tests").glob("*.py"))}
            for view in views
        )
        if odd := [c for check in hidden.values() for c in check if not c.isascii()]:
            raise ValueError(f"checks of {name} must be ASCII: write {odd[0]!a} for {odd[0]!r}")
        first = set_up(home, checks)
        student, key = (_settled(nbformat.read(v / source.name, 4), first, about) for v in views)
        zipped = next(views[1].glob("*.zip"))
        with zipfile.ZipFile(zipped, "a") as archive:
            archive.writestr(HANDED_OUT, student)
        return Made(name, student, key, zipped.read_bytes())


def _settled(notebook: nbformat.NotebookNode, first: str, about: dict[str, Any]) -> str:
    """Without anything of this run: ids are hashes of content, metadata are ours."""
    for i, cell in enumerate(notebook.cells):
        if cell.source == SET_UP:
            cell.source = first
            cell.metadata = {"cellView": "form", "jupyter": {"source_hidden": True}}
        cell["id"] = f"{i:03d}-" + hashlib.sha256(cell.source.encode()).hexdigest()[:8]
    notebook.metadata = nbformat.from_dict({**METADATA, "assignment": about})
    nbformat.validate(notebook)
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def make_all(masters: Path, *, term: str | None = None) -> Iterator[Made]:
    """Every master of a folder, for a term; None stays with that of its student notebook."""
    logging.getLogger("otter").setLevel(logging.WARNING)
    for master in sorted(masters.glob("*.md")):
        if master.name != "README.md":
            student = masters / "student" / f"{master.stem}.ipynb"
            last = nbformat.read(student, 4).metadata if student.exists() else {}
            yield make(master, term=term or last.get("assignment", {}).get("term", "open"))


def execute(key: str, student: str) -> nbformat.NotebookNode:
    """The answer key with one student's id, run: the numbers that this student should get."""
    from nbclient import NotebookClient

    notebook = nbformat.reads(key, as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace('STUDENT = "your id"', f"STUDENT = {student!r}")
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        return NotebookClient(notebook, timeout=300, resources=resources).execute()


def main() -> int:
    """See the top of this file."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--check", action="store_true")
    options.add_argument("--student")
    options.add_argument("--term")
    options.add_argument("--masters", type=Path, default=HERE)
    asked = options.parse_args()
    changed, keys = [], OUT / "key"
    for made in make_all(asked.masters, term=asked.term):
        student = asked.masters / "student" / f"{made.name}.ipynb"
        files = {
            student: made.student.encode(),
            keys / f"{made.name}.ipynb": made.key.encode(),
            OUT / "autograder" / f"{made.name}.zip": made.autograder,
        }
        if asked.student:
            executed = nbformat.writes(execute(made.key, asked.student))
            files = {keys / f"{made.name}-{asked.student}.ipynb": executed.encode()}
        elif not student.exists() or student.read_bytes() != files[student]:
            changed.append(made.name)
        for path, content in files.items() if not asked.check else ():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
    print(f"{'out of date' if asked.check else 'changed'}: {', '.join(changed) or 'none'}")
    return int(asked.check and bool(changed))


if __name__ == "__main__":
    sys.exit(main())
