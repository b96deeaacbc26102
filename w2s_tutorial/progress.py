"""Bars for whoever watches: in a terminal, or in a notebook that asks for them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TypeVar

from w2s_tutorial._flags import flag

T = TypeVar("T")


def progress(
    steps: Iterable[T], *, of: str = "", total: int | None = None, quiet: bool = False
) -> Iterable[T]:
    """The steps, one by one, with a bar where a person watches and the work takes seconds.

    A bar needs tqdm, and a terminal or W2S_PROGRESS=1 (a notebook has no terminal, and the pages
    of a book want no bars). It appears after two seconds.

    Args:
        steps: what to go through; a range that starts late is shown as begun.
        of: what the bar is called.
        total: how many steps there are, where steps cannot say.
        quiet: no bar.
    """
    if quiet or not (sys.stderr.isatty() or flag("W2S_PROGRESS")):
        return steps
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return steps
    first, last = (steps.start, steps.stop) if isinstance(steps, range) else (0, total)
    return tqdm(steps, desc=of or None, initial=first, total=last, delay=2.0, leave=False)
