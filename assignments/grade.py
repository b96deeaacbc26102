"""Grade the notebooks of people whom you trust: points, feedback and written answers in a table.

python assignments/grade.py FOLDER intrinsic                   into FOLDER/graded
python assignments/grade.py FOLDER intrinsic --written TABLE   adds points entered in results.csv

A notebook is a program, and this runs it as you, with a limit on time and memory and nothing else
in its way. For people whom you do not trust: README.md, "What grading protects from".
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
import warnings
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import nbformat
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import results  # noqa: E402
import submissions  # noqa: E402

AUTOGRADERS = ROOT / "_build" / "assignments" / "autograder"
MARK = "W2S_GRADED"  # in the environment of all that one notebook starts
FAILED = re.compile(r"(\S+ - \d+) result:\n.*\n\s+Error at line .*\n\s*(.*)\n\s+(\w+): (.*)")


class Limits(NamedTuple):
    """What every notebook of a run gets: the checks, what was handed out, time and memory."""

    autograder: bytes
    given: nbformat.NotebookNode
    seconds: float
    gigabytes: float


def run(notebook: nbformat.NotebookNode, limits: Limits) -> tuple[str, list]:
    """Run a notebook: "graded" or why not, and what otter says of each question."""
    otter = [sys.executable, "-m", "otter", "run", "submission.ipynb", "-a", "autograder.zip"]
    kept = {key: os.environ[key] for key in ("PATH", "LANG", "SYSTEMROOT") if key in os.environ}
    own = {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    homes = ("HOME", "USERPROFILE", "TMPDIR", "TEMP", "TMP", "IPYTHONDIR", "MPLCONFIGDIR", MARK)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        home = Path(made).resolve()
        (home / "out").mkdir()
        (home / "autograder.zip").write_bytes(limits.autograder)
        nbformat.write(notebook, home / "submission.ipynb")
        process = subprocess.Popen(
            [*otter, "-o", "out", "--no-logo"],
            cwd=home,
            env={**kept, **own, **dict.fromkeys(homes, str(home))},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,  # a notebook may print the hidden checks
            stderr=subprocess.DEVNULL,
            start_new_session=True,  # a signal to its group does not reach this process
        )
        try:
            status = _watch(process, home, limits)
        finally:
            _end(process, home)
        with suppress(OSError, ValueError, KeyError, RecursionError):
            out = submissions.plain_file(home / "out" / "results.json", 10**7)
            return status, json.loads(out)["tests"]
    return status, []


def _watch(process: subprocess.Popen, home: Path, limits: Limits) -> str:
    last = time.monotonic() + limits.seconds
    while process.poll() is None:
        if time.monotonic() > last:
            return "timed out"
        if _memory(home) > limits.gigabytes * 2**30:
            return "too much memory"
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
    return "crashed" if process.returncode else "graded"


def _memory(home: Path) -> int:
    """Bytes that all its processes hold, shared ones counted for each."""
    return sum(process.info["memory_info"].rss for process in _started(home))


def _end(process: subprocess.Popen, home: Path) -> None:
    for _ in range(100):  # what is started meanwhile is found the next time
        for each in (started := list(_started(home))):
            with suppress(psutil.Error):  # it may have ended by itself
                each.kill()
        if process.poll() is not None and not started:
            return
        time.sleep(0.05)


def _started(home: Path) -> Iterator[psutil.Process]:
    """Every process with this notebook's mark, also one whose parent has ended."""
    for process in psutil.process_iter(["environ", "memory_info"]):
        known = process.info  # None what may not be read: another user's
        if known["memory_info"] and (known["environ"] or {}).get(MARK) == str(home):
            yield process


def feedback(tests: list[dict]) -> str:
    """What our own checks say. Other errors come from the notebook, and could quote anything."""
    lines = []
    for check, code, kind, message in FAILED.findall("\n".join(test["output"] for test in tests)):
        ours = kind in ("AssertionError", "CheckError") and re.match("assert |require", code)
        lines.append(f"{check}: {message[:300] if ours else f'your code raised {kind}'}")
    return "\n".join(lines)


def grade(path: Path, file: str, limits: Limits, owner: str | None) -> results.Row:
    """A row of the table; never raises for what is in a notebook or what it does."""
    most, start = limits.given.metadata.assignment.points, time.monotonic()
    try:
        submission = submissions.read(path, limits.given, student=owner)
    except submissions.Refused as error:
        return results.row(file, owner or "", str(error), most)
    except Exception as error:  # whatever it is, the next file is another student's
        return results.row(file, owner or "", f"unreadable ({type(error).__name__})", most)
    status, tests = run(submission.runs, limits)
    more = {f"{question} answer": text for question, text in submission.written.items()}
    more["notes"] = "; ".join(submission.notes)
    with suppress(ValueError, KeyError, TypeError):
        tests = [test for test in tests if test["name"] in most]
        points = {test["name"]: float(test["score"]) for test in tests}
        if points and all(0 <= value <= most[q] for q, value in points.items()):
            more |= {**points, "feedback": feedback(tests)}
    if status == "graded" and "feedback" not in more:
        status = "crashed"
    more["seconds"] = round(time.monotonic() - start)
    return results.row(file, submission.student, status, most, **more)


def main() -> int:
    """See the top of this file."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("assignment")
    options.add_argument("--autograder", type=Path)
    options.add_argument("--jobs", type=int, default=os.cpu_count())
    options.add_argument("--seconds", type=float, default=600)
    options.add_argument("--gigabytes", type=float, default=4.0)
    options.add_argument("--ids", type=re.compile, help="its group finds the id in a file's path")
    options.add_argument("--written", type=Path, help="a results.csv with points filled in")
    asked = options.parse_args()
    warnings.simplefilter("ignore", SyntaxWarning)  # of the code in notebooks
    zipped = asked.autograder or AUTOGRADERS / f"{asked.assignment}.zip"
    if not asked.folder.is_dir():
        options.error(f"{asked.folder} is no folder")
    if not zipped.exists():
        options.error(f"{zipped} does not exist: run `make assignments`")
    with zipfile.ZipFile(zipped) as archive:
        given = submissions.loaded(archive.read("given.ipynb"))
    limits = Limits(zipped.read_bytes(), given, asked.seconds, asked.gigabytes)
    about, out = given.metadata.assignment, asked.folder / "graded"
    table = asked.written or out / "results.csv"
    try:
        old = results.read(table, about.points) if asked.written or table.exists() else []
    except (OSError, ValueError) as error:
        options.error(str(error))
    if asked.written:
        results.write(old, about.points, out)
        for row in old:
            results.hand_back(row, about.points, out)
        return 0
    entered = {(row["file"], q): row[q] for row in old for q in about.written}
    rows = []
    with ThreadPoolExecutor(asked.jobs) as pool:
        submitted = []
        for path in submissions.find(asked.folder):
            file = submissions.shown(path.relative_to(asked.folder))
            found = asked.ids and asked.ids.search(file)
            owner = found[1] if found else "" if asked.ids else None
            submitted.append(pool.submit(grade, path, file, limits, owner))
        for done in as_completed(submitted):
            rows.append(row := done.result())
            row |= {q: entered.get((row["file"], q), "") for q in about.written}
            results.write(rows, about.points, out)
            try:
                results.hand_back(row, about.points, out)
            except OSError as error:  # a name too long for a file, say
                print(f"{row['file']}: no feedback ({error})", file=sys.stderr)
    graded = sum(row["status"] == "graded" for row in rows)
    print(f"{graded} of {len(rows)} notebooks graded", *([out / "results.csv"] if rows else []))
    return int(not graded)


if __name__ == "__main__":
    sys.exit(main())
