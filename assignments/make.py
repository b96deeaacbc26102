"""Masters -> student notebooks, answer keys, autograders. Needs the extra `assignments`.

python assignments/make.py                    everything, into _build/assignments and student/
python assignments/make.py --check            exits with 1 if a student notebook is out of date
python assignments/make.py --student ab1234   the answer keys of one student, executed
Options: --term NAME, for numbers that differ from last term's; --masters FOLDER, for your own.
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

import jupytext
import nbformat

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "book" / "_ext"))

from address import load  # noqa: E402
from otter.assign import main as assign  # noqa: E402
from set_up import set_up  # noqa: E402

HERE = ROOT / "assignments"
OUT = ROOT / "_build" / "assignments"
TERM, SET_UP = "@TERM@", "# @SET-UP@"
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
    autograder: Path


def make(master: Path, out: Path, *, term: str) -> Made:
    """Run otter on a master; the same master gives the same bytes, wherever and whenever."""
    name = master.stem
    home = load(ROOT / "_config.yml")
    text = master.read_text(encoding="utf-8").replace(TERM, term)
    notebook = jupytext.reads(text, fmt="md:myst")
    package = f"w2s-tutorial @ git+{home.url}@{home.branch}"
    notebook.cells.insert(0, nbformat.v4.new_raw_cell(CONFIG.format(package=package)))
    with tempfile.TemporaryDirectory() as folder:
        source, dist = Path(folder) / f"{name}.ipynb", Path(folder) / "dist"
        nbformat.write(notebook, source)
        assign(str(source), str(dist), no_pdfs=True, no_run_tests=True)
        checks = {
            path.name: path.read_text(encoding="utf-8")
            for path in sorted((dist / "student" / "tests").glob("*.py"))
        }
        student, key = (
            _settled(nbformat.read(dist / view / source.name, 4), set_up(home, checks))
            for view in ("student", "autograder")
        )
        zipped = next((dist / "autograder").glob("*.zip"))
        autograder = _repacked(zipped, out / "autograder" / f"{name}.zip")
    return Made(name, student, key, autograder)


def _settled(notebook: nbformat.NotebookNode, first: str) -> str:
    """Without anything of this run: ids are hashes of content, metadata are ours."""
    for i, cell in enumerate(notebook.cells):
        if cell.source == SET_UP:
            cell.source = first
            cell.metadata = {"cellView": "form", "jupyter": {"source_hidden": True}}
        cell["id"] = f"{i:03d}-" + hashlib.sha256(cell.source.encode()).hexdigest()[:8]
    notebook.metadata = nbformat.from_dict(METADATA)
    nbformat.validate(notebook)
    return json.dumps(notebook, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _repacked(zipped: Path, target: Path) -> Path:
    """The same files, in order and with a fixed date."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(zipped) as old, zipfile.ZipFile(target, "w") as new:
        for name in sorted(old.namelist()):
            new.writestr(zipfile.ZipInfo(name), old.read(name), zipfile.ZIP_DEFLATED)
    return target


def make_all(masters: Path, out: Path, *, term: str) -> Iterator[Made]:
    """Every master of a folder."""
    logging.getLogger("otter").setLevel(logging.WARNING)
    for master in sorted(masters.glob("*.md")):
        if master.name != "README.md":
            yield make(master, out, term=term)


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
    options.add_argument("--term", default="open")
    options.add_argument("--masters", type=Path, default=HERE)
    asked = options.parse_args()
    stale = []
    for made in make_all(asked.masters, OUT, term=asked.term):
        committed = asked.masters / "student" / f"{made.name}.ipynb"
        if asked.student:
            (OUT / "key").mkdir(exist_ok=True)
            executed = execute(made.key, asked.student)
            nbformat.write(executed, OUT / "key" / f"{made.name}-{asked.student}.ipynb")
        elif not committed.exists() or committed.read_text(encoding="utf-8") != made.student:
            stale.append(made.name)
            if not asked.check:
                committed.parent.mkdir(exist_ok=True)
                committed.write_text(made.student, encoding="utf-8")
        (OUT / "key").mkdir(exist_ok=True)
        (OUT / "key" / f"{made.name}.ipynb").write_text(made.key, encoding="utf-8")
    print(f"{'out of date' if asked.check else 'written'}: {', '.join(stale) or 'none'}")
    print(f"answer keys and autograders: {OUT.relative_to(ROOT)}")
    return int(asked.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
