"""Numbers of one's own in a graded assignment: the same for one student, others for the next."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from w2s_tutorial.storage import generator_for

Choices = Mapping[str, Sequence[Any]]

CHOICES: Mapping[str, Choices] = {
    "intrinsic": {
        "n_labeled": range(60, 121, 5),
        "n_pool": range(60, 201, 10),
        "d_weak": range(20, 41),
        "d_strong": range(8, 17),
        "d_shared": range(2, 8),
        "noise": (0.25, 0.5, 2.0),
        "asked": ("student / weak", "PGR", "OPR"),
    },
    "spurious": {
        "labeled": (0.05, 0.1, 0.15, 0.4, 0.45, 0.5),
        "pool": (0.2, 0.25, 0.3, 0.35),
        "shift_weak": ((2.0, 1.0), (1.0, 3.0), (4.0, -1.0), (3.0, 2.0), (-2.0, 3.0)),
        "carried": ((0.5, 0.25), (0.25, -0.5), (-0.5, 1.0), (1.0, 0.75), (0.75, -1.0)),
        "p_weak": range(4, 9),
        "p_shared": (1.5, 1.75, 2.25, 2.5),
        "asked": ("majority", "minority", "balanced"),
    },
    "misfit": {
        "weak_error": (0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4),
        "misfit": (0.05, 0.06, 0.07, 0.08, 0.09, 0.1, 0.11),
        "share": (0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75),
        "asked": ("stopped", "finished"),
    },
    "confidence": {
        "minority": (0.2, 0.25, 0.3, 0.35, 0.4, 0.45),
        "kept_majority": (0.55, 0.6, 0.65, 0.7, 0.75, 0.8),
        "kept_minority": (0.1, 0.15, 0.2, 0.25, 0.3),
        "right_majority": (0.85, 0.9, 0.95),
        "right_minority": (0.4, 0.5, 0.55, 0.6),
        "asked": ("share of the minority", "share of right labels"),
    },
    "reasoning": {
        "right": (0.6, 0.65, 0.7, 0.75, 0.8, 0.85),
        "steps": range(3, 8),
        "base": range(3, 8),
        "share": (0.65, 0.7, 0.75, 0.8, 0.85),
        "asked": ("lucky answers", "right steps of wrong derivations"),
    },
    "whole_networks": {
        "teacher": (0.7, 0.75, 0.8),
        "agrees_first": (0.78, 0.8, 0.82),
        "repeats_first": (0.4, 0.45, 0.5, 0.55),
        "agrees_second": (0.84, 0.86, 0.88, 0.9),
        "repeats_second": (0.7, 0.75, 0.8, 0.85),
        "asked": ("accuracy at the second look", "second accuracy minus first"),
    },
}


def plain_id(student: str | int) -> str:
    """An id without what does not count: spaces around it, capitals, its Unicode form."""
    return unicodedata.normalize("NFC", str(student).strip().casefold())


def draw(
    student: str | int, assignment: str, *, term: str, choices: Choices | None = None
) -> dict[str, Any]:
    """One value of each of an assignment's choices, drawn by the student's id.

    Args:
        student: the id, as the instructor wrote it; `plain_id` says what does not count.
        assignment: a key of `CHOICES`, or any name if choices are given.
        term: another term gives all students other numbers.
        choices: name -> values to draw from, of an assignment of your own.

    Raises:
        ValueError: if the id is empty or still the one that the notebook came with, or there is
            no such assignment.
    """
    name = plain_id(student) if isinstance(student, str | int) else ""
    if name in ("", "your id"):
        raise ValueError(f"student must be your own id, in quotation marks, got {student!r}")
    if choices is None and assignment not in CHOICES:
        raise ValueError(f"assignment must be one of {sorted(CHOICES)}, got {assignment!r}")
    choices = CHOICES[assignment] if choices is None else choices
    setting = {"assignment": assignment, "student": name, "term": term}
    generator = generator_for(setting)
    return {
        key: values[int(torch.randint(len(values), (), generator=generator))]
        for key, values in choices.items()
    }
