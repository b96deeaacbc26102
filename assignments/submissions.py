"""Notebooks as they were handed in, and what is written about them."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ID = re.compile(r"^STUDENT = [\"'](.*)[\"']", re.M)
TYPE_HERE = "_Type your answer here, replacing this text._"
LOOK_AT = re.compile(
    r"\b(otter\.(?!Notebook)|Checker|subprocess|os\.system|socket|urllib|requests|shutil\.rmtree"
    r"|__import__|pickle|inspect|gc\.get_objects|_getframe|tests/|checks\.common|variants\.\w)"
)


@dataclass(frozen=True)
class Submission:
    """One notebook: its content, with the id that it is graded for."""

    content: dict[str, Any]
    student: str
    written: dict[str, str]
    notes: str


@dataclass(frozen=True)
class Result:
    """What one notebook got."""

    file: str
    student: str
    status: str  # "graded", "timed out" or "crashed"
    seconds: float = 0.0
    points: dict[str, float] = field(default_factory=dict)
    possible: dict[str, float] = field(default_factory=dict)
    feedback: str = ""
    written: dict[str, str] = field(default_factory=dict)
    notes: str = ""


def read(path: Path, *, ids: str) -> Submission:
    """A notebook; with ids="file" its id is the file's name up to the first underscore.

    Raises:
        ValueError: if the file is no notebook.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        cells = [(cell["cell_type"], "".join(cell["source"])) for cell in content["cells"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path.name} is no notebook: {error!r}") from error
    code = "\n".join(text for kind, text in cells if kind == "code" and "# @title" not in text)
    own = next(iter(ID.findall(code)), "")
    student = path.stem.split("_")[0] if ids == "file" else own
    notes = [f"uses {word}" for word in sorted(set(LOOK_AT.findall(code)))]
    if student != own:
        notes.append(f"names the id {own!r}, graded for {student!r}")
        for cell in content["cells"]:
            cell["source"] = ID.sub(lambda _: f"STUDENT = {student!r}", "".join(cell["source"]))
    return Submission(content, student, _written(cells), "; ".join(notes))


def _written(cells: list[tuple[str, str]]) -> dict[str, str]:
    """Question -> answer, of the questions that a person grades."""
    answers: dict[str, str] = {}
    title, inside = "", False
    for kind, text in cells:
        if kind != "markdown":
            continue
        if heading := re.match(r"## (\d+.*)", text):
            title = heading[1]
        if "<!-- BEGIN QUESTION -->" in text:
            inside, answers[title] = True, ""
        elif "<!-- END QUESTION -->" in text:
            inside = False
        elif inside:
            answers[title] += text.replace(TYPE_HERE, "") + "\n\n"
    return answers


def write(results: list[Result], out: Path) -> None:
    """results.csv, a file of feedback for each student, and the written answers by question."""
    out.mkdir(parents=True, exist_ok=True)
    questions = sorted({q for result in results for q in result.points})
    ids = Counter(result.student for result in results)
    with (out / "results.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["student", "file", "status", "total", *questions, "seconds", "notes"])
        for r in results:
            each = [r.points.get(q, 0.0) for q in questions]
            twice = ["same id twice"] if ids[r.student] > 1 else []
            notes = "; ".join([*filter(None, [r.notes]), *twice])
            row = [r.student, r.file, r.status, sum(each), *each, f"{r.seconds:.0f}", notes]
            table.writerow([_no_formula(value) for value in row])
    for r in results:
        total = f"{sum(r.points.values()):g} of {sum(r.possible.values()):g} points: {r.status}"
        text = f"# {r.file}\n\n{total}\n\n```text\n{r.feedback or 'Nothing to add.'}\n```\n"
        (out / f"{Path(r.file).stem}.md").write_text(text, encoding="utf-8")
    asked = sorted({question for r in results for question in r.written})
    parts = [
        f"# {q}\n\n"
        + "".join(f"## {r.file}\n\n{r.written.get(q, '').strip()}\n\n" for r in results)
        for q in asked
    ]
    (out / "written.md").write_text("\n".join(parts), encoding="utf-8")


def _no_formula(value: Any) -> Any:
    """What a spreadsheet would take for a formula, as text: ids are the students' to choose."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t" and value else value
