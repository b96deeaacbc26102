"""Pictures that show no measurement: who is trained on what, and what the images look like."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, PathPatch
from matplotlib.path import Path
from numpy.typing import ArrayLike

from w2s_tutorial.figures import _looks
from w2s_tutorial.figures._findings import ROLES
from w2s_tutorial.figures._looks import COLOR, MARKER, TEXT_SIZE

_ROW = {"baseline": 87, "weak": 64, "student": 29, "ceiling": 6}  # weak stands above its student
_CLASSES = (1, 0, 1, 1, 0, 0)  # of six examples
_MISTAKES = (3, 4)  # of weak
_Point = tuple[float, float]


@_looks.defaults()
def four_roles(
    ax: Axes, *, highlight: Literal["weak", "student", "baseline", "ceiling"] | None = None
) -> Axes:
    """Draw who is trained on what: the data, the labels and the features of each role.

    Made for axes that fill a figure of 6.4 x 4.8 inches.

    Args:
        highlight: the role to fill in.

    Raises:
        ValueError: if highlight is no role.
    """
    if highlight is not None and highlight not in ROLES:
        raise ValueError(f"highlight must be one of {', '.join(ROLES)}, got {highlight}")
    ax.set(xlim=(0, 100), ylim=(-4, 98))
    ax.set_axis_off()
    _data(ax, "labelled set", "few examples", "baseline", "weak", rows=2)
    _data(ax, "pool", "many examples", "student", "ceiling", rows=4)
    for role, y in _ROW.items():
        on = role == highlight
        ink, stroke = (COLOR[role], 2.6) if on else ("black", 1.2)
        _arrow(ax, [(29, y), (36.5, y)], ink, stroke)
        _labels(ax, role, y)
        _arrow(ax, [(62, y), (69.5, y)], ink, stroke)
        _box(ax, (70.5, y - 9), (29, 18), COLOR[role], 3 if on else 1.6, 0.28 if on else 0.06)
        ax.plot(75.5, y + 3.6, color=COLOR[role], marker=MARKER[role], markersize=10)
        _say(ax, 79.5, y + 3.6, role, size=2, weight="bold", ha="left")
        _say(ax, 73.8, y - 3.9, f"{'weak' if role == 'weak' else 'strong'} features", ha="left")
    middle = (_ROW["weak"] + _ROW["student"]) / 2
    bend = [(85, _ROW["weak"] - 9), (85, middle), (49, middle), (49, _ROW["student"] + 8)]
    _arrow(ax, bend, COLOR["weak"], 2.6)
    _say(ax, 67, middle + 3.7, "labels the pool")
    spotlight = f" Highlighted: {highlight}." if highlight else ""
    ax.set_label(
        "Who is trained on what. Baseline and weak learn the true labels of the labelled set, "
        "baseline on strong features and weak on weak features. Weak then labels the pool, and "
        "student learns these labels, mistakes included, on strong features. Ceiling learns the "
        f"pool's true labels on strong features.{spotlight}"
    )
    return ax


@_looks.defaults()
def image_grid(ax: Axes, images: ArrayLike, titles: Sequence[str], *, columns: int = 4) -> Axes:
    """Draw small images side by side, each below its title, pixel by pixel.

    Args:
        images: (n, height, width), (n, 1, height, width) or (n, 3, height, width), in [0, 1].
        titles: n strings.
        columns: images in a row.

    Raises:
        ValueError: if the shape is another, a value lies outside [0, 1], titles are not n, or
            columns is below 1.
    """
    pixels = np.asarray(images, dtype=float)
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    if pixels.ndim != 4 or pixels.shape[1] not in (1, 3) or pixels.size == 0:
        raise ValueError(f"images must be (n, 1 or 3, height, width), got {np.shape(images)}")
    if not ((pixels >= 0) & (pixels <= 1)).all():
        raise ValueError(f"images must lie in [0, 1], got {pixels.min()} to {pixels.max()}")
    if len(titles) != len(pixels) or columns < 1:
        raise ValueError(
            f"titles must be as many as the images and columns at least 1, "
            f"got {len(titles)} titles, {len(pixels)} images, {columns} columns"
        )
    columns = min(columns, len(pixels))
    tall = pixels.shape[2] / pixels.shape[3]
    step = tall + 0.3
    for i, (image, title) in enumerate(zip(pixels, titles, strict=True)):
        row, column = divmod(i, columns)
        left, top = column * 1.08, -row * step
        rgb = np.moveaxis(np.broadcast_to(image, (3, *image.shape[1:])), 0, -1)
        ax.imshow(rgb, extent=(left, left + 1, top - tall, top), interpolation="none")
        ax.text(left, top + 0.05, title, fontsize=TEXT_SIZE)
    rows = -(-len(pixels) // columns)
    ax.set(xlim=(0, columns * 1.08), ylim=(-rows * step + 0.2, 0.3))
    ax.set_axis_off()
    ax.set_label(f"{len(pixels)} images in rows of {columns}: {', '.join(titles)}.")
    return ax


def _data(ax: Axes, name: str, size: str, top: str, bottom: str, *, rows: int) -> None:
    """A set of examples, as dots, beside the two roles that learn from it."""
    low, high = _ROW[bottom] - 9, _ROW[top] + 9
    middle = (low + high) / 2
    _box(ax, (1, low), (27, high - low), "black", 1.2, 0.04)
    _say(ax, 14.5, high - 7, name, size=2, weight="bold")
    _say(ax, 14.5, low + 6, size)
    for row in range(rows):
        y = middle + ((rows - 1) / 2 - row) * 3.6
        dots: dict[str, Any] = {"color": "black", "alpha": 0.5, "ms": 5, "markeredgewidth": 0}
        ax.plot(14.5 + np.arange(-3, 4) * 3.1, [y] * 7, "o", **dots)


def _labels(ax: Axes, role: str, y: float) -> None:
    """Six examples as labelled for this role: full and empty dots; a mistake is crossed."""
    taught = role == "student"
    color = COLOR["weak"] if taught else "black"
    _box(ax, (37.5, y - 7.5), (23.5, 15), color, 1.6 if taught else 1.2, 0.06 if taught else 0.04)
    _say(ax, 49.25, y + 3, "weak’s labels" if taught else "true labels")
    for i, label in enumerate(_CLASSES):
        wrong = taught and i in _MISTAKES
        full = bool(label) != wrong
        x = 49.25 + (i - 2.5) * 3.3
        ax.plot(x, y - 3.3, "o", color=color, fillstyle="full" if full else "none", markersize=7.5)
        if wrong:
            cross = "white" if full else color
            ax.plot(x, y - 3.3, "x", color=cross, markersize=4.5, markeredgewidth=1.3)


def _say(ax: Axes, x: float, y: float, text: str, *, size: float = 0, **style: Any) -> None:
    style = {"ha": "center"} | style
    ax.text(x, y, text, va="center_baseline", fontsize=TEXT_SIZE + 1 + size, **style)


def _box(ax: Axes, corner: _Point, size: _Point, color: str, stroke: float, tint: float) -> None:
    look: dict[str, Any] = {"edgecolor": color, "linewidth": stroke, "facecolor": (color, tint)}
    ax.add_patch(FancyBboxPatch(corner, *size, "round,pad=0,rounding_size=1.8", **look))


def _arrow(ax: Axes, corners: Sequence[_Point], color: str, stroke: float) -> None:
    *line, (x, y) = corners
    across = line[-1][1] == y
    back = (x - 1.5, y) if across else (x, y + 2)  # keeps the line's end inside the head
    ax.add_patch(PathPatch(Path([*line, back]), fill=False, color=color, linewidth=stroke))
    head = (x - 1, y) if across else (x, y + 1)
    ax.plot(*head, color=color, marker=">" if across else "v", markersize=8)
