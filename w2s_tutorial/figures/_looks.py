"""What the plots share: colours and marks of the roles, labels, legends, lines of levels.

A figure is drawn under matplotlib's own defaults, whatever style its reader has set: white words
of a dark style, or words set by LaTeX, would be lost on the page.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from w2s_tutorial.figures import _findings
from w2s_tutorial.figures._findings import ROLES

COLOR = {"weak": "#D55E00", "student": "#0072B2", "baseline": "#B5608F", "ceiling": "#00865F"}
MARKER = {"weak": "o", "student": "s", "baseline": "^", "ceiling": "D"}
GREY = "#808080"  # seen on white and on dark paper
MORE, LESS = "#7F63B8", "#8C7A00"  # above and below 0, where no two roles are compared
TEXT_SIZE = 12  # points: 16 CSS pixels, and still 10 when 6 inches shrink to a phone's 358 pixels
SHAPES = ("v", "P", "X", "h", "<", "*")  # no role's marker
DASHES: tuple[Any, ...] = ("-", (0, (5, 2)), (0, (1.5, 1.5)), (0, (5, 2, 1, 2)))


@contextmanager
def defaults() -> Iterator[None]:
    """Matplotlib's own settings inside the block, or the function; the reader's come back after."""
    with mpl.rc_context():
        mpl.rcdefaults()
        yield


def kinds_of(values: Iterable[Any], *, hues: bool = False) -> dict[Any, dict[str, Any]]:
    """Colour, marker and dashes of each different value: roles first, in the book's order.

    Args:
        hues: what is no role gets colours too, for points without lines.

    Raises:
        ValueError: if more values are no roles than there are markers.
    """
    kinds = list(dict.fromkeys(values))
    roles = [role for role in ROLES if role in kinds]
    others = [kind for kind in kinds if kind not in ROLES]
    if len(others) > len(SHAPES):
        raise ValueError(f"series may have {len(SHAPES)} values at most, got {len(others)}")
    inks = ("black", MORE, LESS, GREY) if hues else ("black",)
    inks = (GREY,) if roles else inks
    looks: dict[Any, dict[str, Any]] = {
        role: {"color": COLOR[role], "marker": MARKER[role], "linestyle": "-"} for role in roles
    }
    for i, kind in enumerate(others):
        dash = DASHES[i % len(DASHES)]
        looks[kind] = {"color": inks[i % len(inks)], "marker": SHAPES[i], "linestyle": dash}
    return looks


def name_of(kind: Any, name: str = "") -> str:
    """A series in words: its value, behind the name of what it is a value of."""
    numeric = isinstance(kind, int | float | np.number)
    said = _findings.number(float(kind)) if numeric else str(kind)
    return f"{name} {said}".strip()


def marks(ax: Axes, x: Any, y: Any, look: Mapping[str, Any], **style: Any) -> Line2D:
    """Points (n,), their white edge parting neighbours that touch."""
    size = 7 if look["marker"] in (*MARKER.values(), "") else 8.5
    style = {"markersize": size, "markeredgecolor": "white", "markeredgewidth": 0.8} | style
    (points,) = ax.plot(x, y, **{**look, "linestyle": "none", "zorder": 4} | style)
    return points


def legend_key(label: str, look: Mapping[str, Any], **style: Any) -> Line2D:
    """What stands for a series in the legend."""
    size = 7 if look["marker"] in MARKER.values() else 8.5
    style = {"markersize": size, "markeredgecolor": "white", "linewidth": 2} | style
    return Line2D([], [], label=label, **{**look} | style)


def levels(
    ax: Axes, named: Mapping[str, float] | None, keys: list[Line2D], *, across: bool = True
) -> list[str]:
    """Draw lines at values with a meaning, add them to the legend's keys, and say so.

    Args:
        named: meaning -> value, such as {"chance": 0.5}.
        across: horizontal lines, else upright ones.

    Raises:
        ValueError: if a value is not finite.
    """
    for i, (name, value) in enumerate((named or {}).items()):
        if not np.isfinite(value):
            raise ValueError(f"levels must be finite, got {value} for {name}")
        draw = ax.axhline if across else ax.axvline
        dash = ("--", ":", "-.")[i % 3]
        keys.append(draw(value, color="black", lw=1, ls=dash, alpha=0.7, zorder=0, label=name))
    return [
        f"a line marks {name} at {_findings.number(value)}" for name, value in (named or {}).items()
    ]


def name_ends(ax: Axes, ends: Sequence[tuple[str, float, float]]) -> None:
    """Write each series' name beside its last point, a line apart from each other.

    Args:
        ends: name, x and y of each; the limits of the axes are already set.
    """
    height = ax.bbox.height / ax.figure.dpi  # inches, before the layout makes it a little less
    gap = 1.25 * TEXT_SIZE / 72 / (0.9 * height)  # of the axes' height
    at = -np.inf
    for name, x, y in sorted(ends, key=lambda end: end[2]):
        up = ax.transAxes.inverted().transform(ax.transData.transform((x, y)))[1]
        at = max(up, at + gap)
        off = (9, (at - up) * 0.9 * height * 72)
        style: dict[str, Any] = {"textcoords": "offset points", "va": "center"}
        ax.annotate(name, (x, y), off, fontsize=TEXT_SIZE, annotation_clip=False, **style)


def dress(
    ax: Axes,
    x_label: str,
    y_label: str,
    keys: Sequence[Line2D],
    said: Sequence[str],
    *,
    grid: bool = True,
) -> None:
    """Labels, grid and legend in the book's look, and what the axes show in words.

    Args:
        keys: of the legend above the axes, or above all panels.
        said: the finding, in clauses that become sentences.
    """
    ax.set_xlabel(x_label, fontsize=TEXT_SIZE)
    ax.set_ylabel(y_label, fontsize=TEXT_SIZE)
    ax.tick_params(labelsize=TEXT_SIZE - 1)
    ax.spines[["top", "right"]].set_visible(False)
    if grid:
        ax.grid(axis="y", color="black", alpha=0.15, linewidth=0.8)
    ax.set_axisbelow(True)
    title = ax.get_title("left")
    look: dict[str, Any] = {"frameon": False, "fontsize": TEXT_SIZE, "handlelength": 1.4}
    look |= {"handletextpad": 0.5, "columnspacing": 1.3, "borderaxespad": 0.2}
    if title:
        ax.label_outer()
        for old in ax.figure.legends:
            keys = [*old.legend_handles, *keys]  # type: ignore[list-item]
            old.remove()
        keys = list({str(key.get_label()): key for key in keys}.values())
    # About as many characters fit beside the axes' labels, or into a figure's whole width.
    room = (10 if title else 8.4) * ax.figure.get_figwidth()  # type: ignore[union-attr]
    most = len(keys) if len(keys) < 5 else 3
    look["ncols"] = next((n for n in range(most, 1, -1) if _legend_width(keys, n) <= room), 1)
    if title and keys:
        ax.figure.legend(handles=keys, loc="outside upper left", **look)
    elif keys:
        ax.legend(handles=keys, loc="lower left", bbox_to_anchor=(0, 1), **look)
    ax.set_label(_findings.sentences([f"{title}: {said[0]}" if title else said[0], *said[1:]]))


def _legend_width(keys: Sequence[Line2D], columns: int) -> int:
    """Characters in a row of the legend, which matplotlib fills column by column."""
    parts = np.array_split([len(str(key.get_label())) + 4 for key in keys], columns)
    return sum(int(part.max()) for part in parts if len(part))


def ticks_at(ax: Axes, settings: Iterable[float]) -> None:
    """On a logarithmic x axis without ticks of its own: ticks at the settings, and no others."""
    fixed = isinstance(ax.xaxis.get_major_locator(), mpl.ticker.FixedLocator)
    if ax.get_xscale() == "log" and not fixed:
        at = sorted(set(settings))
        ax.set_xticks(at, [_findings.number(tick) for tick in at])
        ax.set_xticks([], minor=True)
