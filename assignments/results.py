"""What each notebook got: one table, and a file each for the student and for Gradescope."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from w2s_tutorial.storage import replacing
from w2s_tutorial.variants import plain_id

Row = dict[str, Any]  # student, file, status, total, a column per question, seconds, notes, ...


def row(file: str, student: str, status: str, most: Mapping[str, float], **more: Any) -> Row:
    """A row of the table; a question that nobody has graded yet is empty.

    Args:
        most: question -> points at most.
        more: points by question, and further columns.
    """
    said = {"student": student, "file": file, "status": status, "total": 0.0}
    all_columns = {**said, **dict.fromkeys([*most, "seconds", "notes", "feedback"], ""), **more}
    # A spreadsheet would run what looks like a formula, and ids are the students' to choose.
    return {
        key: f"'{value}" if isinstance(value, str) and value.startswith(tuple("=+-@\t")) else value
        for key, value in all_columns.items()
    }


def read(path: Path, most: Mapping[str, float]) -> list[Row]:
    """The table, saved by whatever spreadsheet, with what a person entered for written answers.

    Raises:
        ValueError: if it is not this table, or points are no number from 0 to most.
    """
    how = {"sep": None, "engine": "python", "encoding": "utf-8-sig", "dtype": str}
    rows = pd.read_csv(path, keep_default_na=False, **how).to_dict("records")
    for each in rows:
        if missing := {"file", "student", "status", *most} - each.keys():
            raise ValueError(f"{path} must have the columns {sorted(missing)}")
        for question, highest in most.items():
            entered = each[question].strip().replace(",", ".")
            points = pd.to_numeric(entered or 0, errors="coerce")
            if not 0 <= points <= highest:
                where = f"{path}, {each['file']}, {question}"
                raise ValueError(f"{where}: points must be 0 to {highest}, got {entered}")
            each[question] = float(points) if entered else ""
    return rows


def write(rows: Sequence[Row], most: Mapping[str, float], out: Path) -> None:
    """results.csv: whole at any moment, with the rows that there are."""
    ids = Counter(plain_id(row["student"]) for row in rows if row["student"])
    for row in rows:
        row["total"] = sum(row[question] or 0 for question in most)
        if ids[plain_id(row["student"])] > 1 and "same id twice" not in row["notes"]:
            row["notes"] = "; ".join(filter(None, [row["notes"], "same id twice"]))
    with replacing(out / "results.csv") as partial:  # with the mark that Excel needs for umlauts
        table = pd.DataFrame(rows).sort_values("file")
        table.to_csv(partial, index=False, encoding="utf-8-sig", errors="replace")


def hand_back(row: Row, most: Mapping[str, float], out: Path) -> None:
    """The student's feedback, and the same as a results.json of Gradescope."""
    total = sum(row[question] or 0 for question in most)
    lines = [f"{q}: {'-' if row[q] == '' else f'{row[q]:g}'} of {most[q]:g}" for q in most]
    text = f"# {row['file']}\n\n{row['status']}: {total:g} points\n\n```text\n"
    text += "\n".join([*lines, "", row["feedback"]]).rstrip() + "\n```\n"
    tests = [{"name": q, "score": row[q] or 0, "max_score": most[q]} for q in most]
    gradescope = json.dumps({"score": total, "output": text, "tests": tests}, indent=1)
    for suffix, content in ((".md", text), (".json", gradescope)):
        path = out / "feedback" / Path(row["file"]).with_suffix(suffix)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
