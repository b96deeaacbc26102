"""Scenes: a theory or an example drawn to scale, without a measurement."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Ellipse, FancyBboxPatch, Polygon
from numpy.typing import ArrayLike

from w2s_tutorial.figures import _findings, _looks
from w2s_tutorial.figures._findings import number
from w2s_tutorial.figures._looks import COLOR, MARKER, TEXT_SIZE

_TARGET = 2.0  # where the target stands along the line
_GRASS, _SAND, _SEA = "#4E7D1E", "#9A6B00", "#3A7CA5"  # no role's colour
_HEAD = [(0.18, 0.08), (0.22, 0.2), (0.33, 0.2), (0.43, 0.08), (0.42, 0), (0.34, 0), (0.28, -0.02)]
_SHAPES = {"majority": "o", "minority": "P"}
_Point = tuple[float, float]


@_looks.defaults()
def herd(ax: Axes, sets: Sequence[tuple[str, int]], *, cows: int = 8) -> Axes:
    """Draw sets of cows, some on a beach and the rest on a pasture, one row per set.

    Made for axes that fill a figure of 6.4 inches by 1.5 per set.

    Args:
        sets: name of each set, and how many of its cows stand on a beach.
        cows: number of cows in a set.

    Raises:
        ValueError: if there is no set, or the beach holds fewer than 0 or more than all cows.
    """
    if not sets:
        raise ValueError("sets must list at least 1 set, got 0")
    for row, (name, on_beach) in enumerate(sets):
        if not 0 <= on_beach <= cows:
            raise ValueError(f"sets must have 0 to {cows} cows on the beach, got {on_beach}")
        y = -1.75 * row
        ax.text(0, y + 1.12, f"{name}: {on_beach} of {cows} on a beach", fontsize=TEXT_SIZE + 1)
        for i in range(cows):
            # Spread evenly, so that the eye has to count places and not the ends of rows.
            beach = (i + 1) * on_beach // cows > i * on_beach // cows
            _place(ax, i * 1.1, y, beach=beach)
            _cow(ax, i * 1.1 + 0.5, y + 0.42, size=0.75 + 0.25 * ((5 * i + 3 * row) % 8) / 7)
    ax.set(xlim=(-0.05, cows * 1.1 - 0.05), ylim=(-1.75 * len(sets) + 1.6, 1.5))
    ax.set_aspect("equal")
    ax.set_axis_off()
    said = [
        f"in the {name} {on_beach} of {cows} stand on a beach, the rest on a pasture"
        for name, on_beach in sets
    ]
    ax.set_label(_findings.sentences(["cows of many sizes", *said]))
    return ax


@_looks.defaults()
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
        f"{name} {number(round(value, 2))}"
        for name, value in (("weak error", a), ("misfit", b), ("student's error", c))
    )
    ax.set_label(
        f"The weak model stands at {degrees:g} degrees from the target, seen from the line of all "
        f"that the student can say; the student is its projection onto that line. Squared "
        f"distances: {numbers}. The gain is {number(round(a - c, 2))}."
    )
    return ax


@_looks.defaults()
def canonical_angle(ax: Axes, degrees: float, errors: ArrayLike) -> Axes:
    """Draw a teacher's errors along its one direction, and what a student at an angle keeps.

    Made for axes that fill a figure of 6.4 x 4 inches.

    Args:
        degrees: angle between the teacher's direction and the student's, 0 to 90.
        errors: (n,) the teacher's errors, in units of their standard deviation.

    Raises:
        ValueError: if degrees leaves 0..90, or errors are empty, not finite or not (n,).
    """
    if not 0 <= degrees <= 90:
        raise ValueError(f"degrees must lie in 0..90, got {degrees}")
    taught = np.asarray(errors, dtype=float)
    if taught.ndim != 1 or not taught.size or not np.isfinite(taught).all():
        raise ValueError(f"errors must be (n,), finite, n > 0, got shape {taught.shape}")
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = taught * cosine, taught * sine
    for role, along in (("student", (1.0, 0.0)), ("weak", (cosine, sine))):
        ends = np.array([-3.2, 3.2])
        ax.plot(ends * along[0], ends * along[1], color=COLOR[role], linewidth=1.5, zorder=1)
    ax.vlines(x, 0, y, color="black", linewidth=0.8, alpha=0.35, zorder=2)
    dots: dict[str, Any] = {"linestyle": "none", "markeredgecolor": "white", "zorder": 3}
    ax.plot(x, y, marker=MARKER["weak"], color=COLOR["weak"], markersize=7, **dots)
    ax.plot(x, 0 * x, marker=MARKER["student"], color=COLOR["student"], markersize=6, **dots)
    keys = [
        Line2D([], [], color=COLOR[role], marker=MARKER[role], label=label)
        for role, label in (("weak", "errors of weak"), ("student", "what student inherits"))
    ]
    share = f"inherited variance: cos² = {number(round(cosine**2, 9))}"
    said = [
        f"the teacher's direction stands at {degrees:g} degrees to the student's",
        "each error of the teacher is projected onto the student's line",
        f"the student inherits {number(round(100 * cosine**2, 9))} percent of its variance",
    ]
    _looks.dress(ax, "", "", keys, said, grid=False)
    ax.text(3.2, -2.6, share, fontsize=TEXT_SIZE + 1, ha="right")
    ax.set(xlim=(-3.4, 3.4), ylim=(-2.9, 3.4), xticks=[], yticks=[])
    ax.set_aspect("equal")
    ax.spines[:].set_visible(False)
    return ax


@_looks.defaults()
def kept_points(
    ax: Axes,
    core: ArrayLike,
    place: ArrayLike,
    wrong: ArrayLike,
    minority: ArrayLike,
    keep: ArrayLike,
) -> Axes:
    """Draw a pool over its core and place features: kept examples solid, the others faint.

    Args:
        core, place: (n,) features.
        wrong: (n,) bool, whether the pseudolabel is wrong; drawn in black, right ones in grey.
        minority: (n,) bool, drawn as plus signs, the majority as circles.
        keep: (n,) bool.

    Raises:
        ValueError: if lengths differ or nothing is kept.
    """
    x, y = (np.asarray(v, dtype=float) for v in (core, place))
    masks = [np.asarray(v, dtype=bool) for v in (wrong, minority, keep)]
    if any(v.shape != x.shape or x.ndim != 1 for v in (y, *masks)):
        raise ValueError(f"all must be (n,), got {[v.shape for v in (x, y, *masks)]}")
    bad, few, kept = masks
    if not kept.any():
        raise ValueError("keep must keep an example, got none")
    for group, shape in _SHAPES.items():
        for is_bad, color in ((False, _looks.GREY), (True, "black")):
            for solid, alpha in ((False, 0.15), (True, 0.9)):
                rows = (few == (group == "minority")) & (bad == is_bad) & (kept == solid)
                style: dict[str, Any] = {"marker": shape, "alpha": alpha, "s": 34, "linewidth": 0}
                ax.scatter(x[rows], y[rows], color=color, **style)
    keys = [
        Line2D([], [], linestyle="none", color=color, marker=shape, label=name, markersize=7)
        for name, color, shape in (
            ("label right", _looks.GREY, "s"),
            ("label wrong", "black", "s"),
            ("majority", _looks.GREY, "o"),
            ("minority", _looks.GREY, "P"),
        )
    ]
    said = [
        f"of {len(x)} examples {int(kept.sum())} are kept",
        f"{number(100 * (~bad).mean())} percent of all labels are right, "
        f"{number(100 * (~bad)[kept].mean())} percent of the kept ones",
        f"the minority is {number(100 * few.mean())} percent of all and "
        f"{number(100 * few[kept].mean())} percent of the kept",
    ]
    _looks.dress(ax, "core feature", "place feature", keys, said)
    return ax


def _squared(start: _Point, end: _Point) -> float:
    return (start[0] - end[0]) ** 2 + (start[1] - end[1]) ** 2


def _name(ax: Axes, name: str, start: _Point, end: _Point) -> None:
    """The side's letter beside its middle, off the triangle."""
    x, y = (start[0] + end[0]) / 2, (start[1] + end[1]) / 2
    outward = {"A": 0.24, "B": -0.2, "C": 0.0}[name]
    sign = 1 if start[0] >= _TARGET else -1
    at = (x - sign * outward, y + (0.14 if name == "A" else -0.25 if name == "C" else 0))
    if name == "C" and end[1] > 0:  # below it the letter would lie on the student's line
        at = (x + sign * 0.1, y + 0.2)
    ax.text(*at, name, fontsize=TEXT_SIZE + 1, weight="bold", ha="center", va="center")


def _place(ax: Axes, x: float, y: float, *, beach: bool) -> None:
    tint = _SAND if beach else _GRASS
    look: dict[str, Any] = {"facecolor": (tint, 0.16), "edgecolor": tint, "linewidth": 1.2}
    ax.add_patch(FancyBboxPatch((x, y), 1, 1, "round,pad=0,rounding_size=.08", **look))
    if beach:
        along = np.linspace(x + 0.06, x + 0.94, 40)
        for height in (0.78, 0.88):
            wave = y + height + 0.025 * np.sin((along - x) * 26 + 40 * height)
            ax.plot(along, wave, color=_SEA, linewidth=1.4)
    else:
        for blade in np.arange(0.1, 0.95, 0.16):
            tips = x + blade + np.array([-0.035, 0, 0.035])
            ax.plot(tips, y + np.array([0.15, 0.05, 0.15]), color=tint, linewidth=1.4)


def _cow(ax: Axes, x: float, y: float, *, size: float) -> None:
    """A cow that looks to the right, its body centred on (x - .06, y)."""
    ink: dict[str, Any] = {"facecolor": "black", "edgecolor": "none"}

    def body(points: Sequence[_Point]) -> np.ndarray:
        return np.array([x, y]) + size * np.array(points)

    for leg in (-0.22, -0.13, 0.06, 0.15):
        corners = [(leg, -0.05), (leg + 0.06, -0.05), (leg + 0.055, -0.3), (leg + 0.01, -0.3)]
        ax.add_patch(Polygon(body(corners), **ink))
    ax.add_patch(Ellipse((x - 0.02 * size, y), 0.56 * size, 0.3 * size, **ink))
    ax.add_patch(Polygon(body(_HEAD), **ink))
    for horn in (0.25, 0.31):
        ax.plot(*body([(horn, 0.22), (horn + 0.02, 0.31)]).T, "k", linewidth=1.6)
    ax.plot(*body([(-0.27, 0.06), (-0.33, 0.0), (-0.33, -0.16)]).T, "k", linewidth=1.4)
    for u, v, w in ((-0.14, 0.04, 0.13), (0.06, -0.03, 0.1)):
        spot = (x + size * u, y + size * v), w * size, 0.09 * size
        ax.add_patch(Ellipse(*spot, facecolor="white"))
