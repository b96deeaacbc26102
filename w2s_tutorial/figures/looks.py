"""The look of the book's figures: axes in the right size, colours and marks of the roles.

Colours mean roles, and nothing else does; other series are black or grey and differ in marker and
dashes. Axes of about 6 x 4 inches stay readable on a phone.
"""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from w2s_tutorial.figures._findings import ROLES
from w2s_tutorial.figures._looks import COLOR, GREY, LESS, MARKER, MORE, TEXT_SIZE, defaults

__all__ = ["COLOR", "GREY", "LESS", "MARKER", "MORE", "ROLES", "axes", "panels"]


@defaults()
def axes(width: float = 6.4, height: float = 4.4) -> Axes:
    """Axes that fill a new figure, in inches."""
    return Figure(figsize=(width, height), layout="constrained").subplots()


@defaults()
def panels(
    titles: Sequence[str], *, width: float = 6.4, height: float = 3.0, columns: int | None = None
) -> list[Axes]:
    """Axes side by side in a new figure, with common scales, a title above each.

    Their plots share one legend above all, and each begins its words with its title.

    Args:
        titles: of the panels, row by row.
        width: of the figure, inches.
        height: of a row of panels, inches.
        columns: panels in a row. Default: all of them.

    Raises:
        ValueError: if there is no title, an empty one or the same twice, or columns is below 1.
    """
    if not titles or len(set(titles)) < len(titles) or not all(t.strip() for t in titles):
        raise ValueError(f"titles must be different and not empty, got {list(titles)}")
    columns = len(titles) if columns is None else columns
    if columns < 1:
        raise ValueError(f"columns must be at least 1, got {columns}")
    rows = -(-len(titles) // columns)
    fig = Figure(figsize=(width, rows * height), layout="constrained")
    grid = fig.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for ax, title in zip(grid, titles, strict=False):
        ax.set_title(title, loc="left", fontsize=TEXT_SIZE)
    for ax in grid[len(titles) :]:
        ax.remove()
    return list(grid[: len(titles)])
