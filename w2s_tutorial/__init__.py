"""Weak-to-strong generalization: many heads at once, three theories, one pipeline.

The parts, from the vocabulary to the page: `problems`, `sample`, `losses`, `metrics`; `theory` and
`simulation`; `datasets`, `networks`, `heads`, `pipeline`, `confidence`; `sweeps`, `tables`,
`figures`, `checks`.
"""

from __future__ import annotations

from w2s_tutorial.devices import device as device
from w2s_tutorial.flags import flag as _flag

__version__ = "0.1.0"

FAST = _flag("W2S_FAST")
"""True where the chapters should run with few heads (tests); set by the variable W2S_FAST."""
