"""Switches that are set from outside, by variables of the environment."""

from __future__ import annotations

import os


def flag(name: str) -> bool:
    """Whether a variable is set to something that means yes: anything but 0, false, no and off."""
    return os.environ.get(name, "").strip().lower() not in ("", "0", "false", "no", "off")
