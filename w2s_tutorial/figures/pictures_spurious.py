"""The picture of the chapter on spurious correlations: cows of many sizes, in two places."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse, FancyBboxPatch, Polygon

from w2s_tutorial.figures import findings
from w2s_tutorial.figures.plots import TEXT_SIZE

_GRASS, _SAND, _SEA = "#4E7D1E", "#9A6B00", "#3A7CA5"  # no role's colour


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
    ax.set_label(findings.sentences(["cows of many sizes", *said]))
    return ax


def _place(ax: Axes, x: float, y: float, *, beach: bool) -> None:
    tint = _SAND if beach else _GRASS
    ax.add_patch(
        FancyBboxPatch(
            (x, y), 1, 1, boxstyle="round,pad=0,rounding_size=.08", facecolor=(tint, 0.16),
            edgecolor=tint, linewidth=1.2,
        )
    )  # fmt: skip
    if beach:
        along = np.linspace(x + 0.06, x + 0.94, 40)
        for height in (0.78, 0.88):
            wave = y + height + 0.025 * np.sin((along - x) * 26 + 40 * height)
            ax.plot(along, wave, color=_SEA, linewidth=1.4)
    else:
        for blade in np.arange(0.1, 0.95, 0.16):
            ax.plot(
                [x + blade - 0.035, x + blade, x + blade + 0.035],
                [y + 0.15, y + 0.05, y + 0.15],
                color=tint,
                linewidth=1.4,
            )


def _cow(ax: Axes, x: float, y: float, *, size: float) -> None:
    """A cow that looks to the right, its body centred on (x - .06, y)."""
    ink: dict[str, Any] = {"facecolor": "black", "edgecolor": "none"}
    for leg in (-0.22, -0.13, 0.06, 0.15):
        corners = [(leg, -0.05), (leg + 0.06, -0.05), (leg + 0.055, -0.3), (leg + 0.01, -0.3)]
        ax.add_patch(Polygon([(x + size * u, y + size * v) for u, v in corners], **ink))
    ax.add_patch(Ellipse((x - 0.02 * size, y), 0.56 * size, 0.3 * size, **ink))
    head = [
        (0.18, 0.08),
        (0.22, 0.2),
        (0.33, 0.2),
        (0.43, 0.08),
        (0.42, 0),
        (0.34, 0),
        (0.28, -0.02),
    ]
    ax.add_patch(Polygon([(x + size * u, y + size * v) for u, v in head], **ink))
    for horn in (0.25, 0.31):
        ax.plot(
            [x + size * horn, x + size * (horn + 0.02)],
            [y + size * 0.22, y + size * 0.31],
            color="black",
            linewidth=1.6,
        )
    tail = [(-0.27, 0.06), (-0.33, 0.0), (-0.33, -0.16)]
    ax.plot(*zip(*((x + size * u, y + size * v) for u, v in tail), strict=True), "k", linewidth=1.4)
    for u, v, w in ((-0.14, 0.04, 0.13), (0.06, -0.03, 0.1)):
        ax.add_patch(
            Ellipse((x + size * u, y + size * v), w * size, 0.09 * size, facecolor="white")
        )
