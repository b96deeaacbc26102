"""Grade a folder of notebooks with `otter run`, without docker: points, feedback, written answers.

python assignments/grade.py FOLDER intrinsic              results.csv in FOLDER/graded
Options: --jobs, --seconds and --gigabytes for each notebook, --ids file|notebook.

Every notebook runs by itself, on a copy, and one that crashes or hangs costs the others nothing.
It cannot change your files (Landlock), reach a network or see your processes (namespaces): where
this machine lacks one of the two, the first lines printed say so. It can read whatever you can,
the hidden checks included, and one that sets out to forge its own points can do that: look at the
column `notes`, and grade in a container, or as a user made for it, whomever you do not trust.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import cache
from pathlib import Path

from confine import landlock_version
from submissions import Result, read, write

HERE = Path(__file__).resolve().parent
AUTOGRADERS = HERE.parent / "_build" / "assignments" / "autograder"
NAMESPACES = ["--map-root-user", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]
# Of what a failed check says, its message alone: the line of code above it may be a hidden one.
FAILED = re.compile(r"(q\d+ - \d+) result:\n.*\n\s+Error at line .*\n.*\n\s+\w+: (.*)")


@cache
def isolated() -> list[str]:
    """The command that starts another one in namespaces of its own; empty where that fails."""
    if not (unshare := shutil.which("unshare")):
        return []
    command = [unshare, *NAMESPACES]
    tried = subprocess.run([*command, "true"], capture_output=True, check=False)
    return command if tried.returncode == 0 else []


def grade(
    notebook: Path, autograder: Path, *, seconds: int, gigabytes: float, ids: str = "notebook"
) -> Result:
    """Run one notebook, confined; never raises for what the notebook does."""
    try:
        submission = read(notebook, ids=ids)
    except ValueError as error:
        return Result(notebook.name, notebook.stem, "crashed", notes=str(error))
    start = time.monotonic()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as made:
        folder = Path(made).resolve()
        (folder / "out").mkdir()
        (folder / "submission.ipynb").write_text(json.dumps(submission.content), encoding="utf-8")
        shutil.copy(autograder, folder / "autograder.zip")
        status = _run(folder, seconds, gigabytes)
        result = Result(
            notebook.name,
            submission.student,
            status,
            written=submission.written,
            notes=submission.notes,
        )
        try:
            found = json.loads((folder / "out" / "results.json").read_text(encoding="utf-8"))
            result = _with_points(result, found["tests"])
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            if status == "graded":
                result = replace(result, status="crashed")
    return replace(result, seconds=time.monotonic() - start)


def _confined(folder: Path, seconds: int, gigabytes: float) -> list[str]:
    """The beginning of a command that may do no more than confine.py says."""
    limits = [str(folder), str(seconds), str(gigabytes)]
    return [*isolated(), sys.executable, str(HERE / "confine.py"), *limits]


def _run(folder: Path, seconds: int, gigabytes: float) -> str:
    otter = [sys.executable, "-m", "otter", "run", "submission.ipynb", "-a", "autograder.zip"]
    kept = {key: os.environ[key] for key in ("PATH", "LANG") if key in os.environ}
    here = {name: str(folder) for name in ("HOME", "TMPDIR", "IPYTHONDIR", "MPLCONFIGDIR")}
    process = subprocess.Popen(
        [*_confined(folder, seconds, gigabytes), *otter, "-o", "out", "--no-logo"],
        env={**kept, **here, "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,  # a notebook may print the hidden checks
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        return "crashed" if process.wait(timeout=seconds) else "graded"
    except subprocess.TimeoutExpired:
        return "timed out"
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End what the command started; in a namespace of its own that is all of it."""
    import psutil

    try:
        started = psutil.Process(process.pid).children(recursive=True)
    except psutil.Error:
        started = []
    for child in started:
        with suppress(psutil.Error):  # it may have ended meanwhile
            child.kill()
    process.kill()
    process.wait()


def _with_points(result: Result, tests: list[dict]) -> Result:
    scored = [test for test in tests if re.fullmatch(r"q\d+", test["name"])]
    said = "\n".join(test["output"] for test in scored if test["score"] < test["max_score"])
    return replace(
        result,
        points={test["name"]: float(test["score"]) for test in scored},
        possible={test["name"]: float(test["max_score"]) for test in scored},
        feedback="\n\n".join(f"{check}: {why}" for check, why in FAILED.findall(said)),
    )


def main() -> int:
    """See the top of this file."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("assignment")
    options.add_argument("--autograder", type=Path)
    options.add_argument("--jobs", type=int, default=os.cpu_count())
    options.add_argument("--seconds", type=int, default=600)
    options.add_argument("--gigabytes", type=float, default=4.0)
    options.add_argument("--ids", choices=("notebook", "file"), default="notebook")
    asked = options.parse_args()
    autograder = asked.autograder or AUTOGRADERS / f"{asked.assignment}.zip"
    if not autograder.exists():
        options.error(f"{autograder} does not exist: run `make assignments`")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([*_confined(Path(folder), 10, 1), "true"], check=True)  # or say why not
    print("files outside the copy:", "protected" if landlock_version() else "NOT PROTECTED")
    print("network and processes:", "shut off" if isolated() else "NOT SHUT OFF")
    limits = {"seconds": asked.seconds, "gigabytes": asked.gigabytes, "ids": asked.ids}
    notebooks = sorted(asked.folder.glob("*.ipynb"))
    with ThreadPoolExecutor(asked.jobs) as pool:
        results = list(pool.map(lambda path: grade(path, autograder, **limits), notebooks))
    write(results, asked.folder / "graded")
    print(f"{len(results)} notebooks:", asked.folder / "graded" / "results.csv")
    return 0


if __name__ == "__main__":
    sys.exit(main())
