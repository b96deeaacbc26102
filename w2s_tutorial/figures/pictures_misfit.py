"""The picture of the chapter on misfit: a projection, to scale."""

from __future__ import annotations

import math
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Polygon

from w2s_tutorial.figures import findings
from w2s_tutorial.figures.plots import COLOR, MARKER, TEXT_SIZE

_TARGET = 2.0  # where the target stands along the line
_Point = tuple[float, float]


def projection(ax: Axes, degrees: float, *, distance: float = 1.5, height: float = 0.0) -> Axes:
    """Draw target, weak model and student as points whose squared distances are errors, to scale.

    The line is all that the student can say; the student is the point of it closest to the weak
    model. Made for axes that fill a figure of 6.4 x 4.2 inches.

    Args:
        degrees: direction from the target to the weak model, from the line: 0 to 180.
        distance: from target to weak model, in (0, 2]; its square is the weak error.
        height: of the target above the line, in [-1, 1]; 0 if the student can say it.

    Raises:
        ValueError: if a number leaves its range.
    """
    if not 0 <= degrees <= 180:
        raise ValueError(f"degrees must lie in 0..180, got {degrees}")
    if not 0 < distance <= 2 or not -1 <= height <= 1:
        raise ValueError(f"distance must be in (0, 2], height in [-1, 1], got {distance}, {height}")
    turn = math.radians(degrees)
    target = (_TARGET, height)
    weak = (_TARGET + distance * math.cos(turn), height + distance * math.sin(turn))
    student = (weak[0], 0.0)
    ax.plot([-0.6, 4.4], [0, 0], color=COLOR["student"], linewidth=1.4, zorder=1)
    ax.text(4.4, -0.32, "what the student can say", fontsize=TEXT_SIZE - 1, ha="right")
    sides = {"A": (weak, target), "B": (weak, student), "C": (student, target)}
    inks = {"A": COLOR["weak"], "B": "black", "C": COLOR["student"]}
    for name, (start, end) in sides.items():
        ax.plot(*zip(start, end, strict=True), color=inks[name], linewidth=2.4, zorder=2)
        if _squared(start, end) > 0.04:
            _name(ax, name, start, end)
    if abs(weak[1]) > 0.25 and _squared(student, target) > 0.04:
        side = 0.16 if target[0] > student[0] else -0.16
        up = math.copysign(0.16, weak[1])
        corners = [(student[0] + side * a, up * b) for a, b in ((0, 0), (1, 0), (1, 1), (0, 1))]
        ax.add_patch(Polygon(corners, fill=False, edgecolor="black", linewidth=1))
    dots: dict[str, Any] = {"linestyle": "none", "markeredgecolor": "white", "zorder": 4}
    ax.plot(*target, marker="*", color="black", markersize=19, **dots)
    for role, at in (("weak", weak), ("student", student)):
        ax.plot(*at, marker=MARKER[role], color=COLOR[role], markersize=10, **dots)
    a, b, c = (_squared(*sides[name]) for name in "ABC")
    errors = f"A² = {a:.2f}  weak error\nB² = {b:.2f}  misfit\nC² = {c:.2f}  student’s error"
    ax.text(-0.6, 2.15, errors, fontsize=TEXT_SIZE, va="top", linespacing=1.4)
    ax.text(4.4, 2.15, f"gain A² − C² = {a - c:.2f}", fontsize=TEXT_SIZE, va="top", ha="right")
    ax.set(xlim=(-0.7, 4.5), ylim=(-1.15, 2.25))
    ax.set_aspect("equal")
    ax.set_axis_off()
    numbers = ", ".join(
        f"{name} {findings.number(round(value, 2))}"
        for name, value in (("weak error", a), ("misfit", b), ("student's error", c))
    )
    ax.set_label(
        f"The weak model stands at {degrees:g} degrees from the target, seen from the line of all "
        f"that the student can say; the student is its projection onto that line. Squared "
        f"distances: {numbers}. The gain is {findings.number(round(a - c, 2))}."
    )
    return ax


def _squared(start: _Point, end: _Point) -> float:
    return (start[0] - end[0]) ** 2 + (start[1] - end[1]) ** 2


def _name(ax: Axes, name: str, start: _Point, end: _Point) -> None:
    """The side's letter beside its middle, off the triangle."""
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    outward = {"A": 0.24, "B": -0.2, "C": 0.0}[name]
    sign = 1 if start[0] >= _TARGET else -1
    at = (x - sign * outward, y + (0.14 if name == "A" else -0.25 if name == "C" else 0))
    ax.text(*at, name, fontsize=TEXT_SIZE + 1, weight="bold", ha="center", va="center")
