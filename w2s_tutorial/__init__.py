"""Weak-to-strong generalization: many heads at once, three theories, one pipeline.

    import w2s_tutorial as w2s

    whole = w2s.Sample.from_arrays(weak=X_weak, strong=X_strong, y=y)
    labeled, pool, test = whole.split(200, 2000, 1000, seed=0, draws=20)
    outcome = w2s.weak_to_strong(labeled, pool, fit="logistic", l2=0.01, pseudo_label=w2s.hard)
    outcome.report(test)

What stands here is all that most readers need; the rest is one level down, by part. Nothing is
imported before it is used.
"""

from __future__ import annotations

import importlib
from typing import Any

from w2s_tutorial._flags import flag as _flag

__version__ = "0.1.0"

FAST = _flag("W2S_FAST")
"""True where the chapters should run with few heads (tests); set by the variable W2S_FAST."""

_FACE = {
    "sample": ("Sample", "join"),
    "pipeline": ("weak_to_strong", "Outcome", "hard", "soft"),
    "heads": ("Heads", "fit_logistic", "fit_ridge", "fit_ridgeless", "fit_in_ball", "fit_gradient"),
    "metrics": (
        "accuracy", "error_rate", "group_accuracy", "squared_error", "misfit",
        "pgr", "opr", "bootstrap_interval",
    ),
    "sweeps": ("sweep",),
    "tables": ("summarize", "measured_ratio", "load_result"),
    "confidence.retrain": ("retrain",),
    "confidence.estimator": ("WeakToStrongClassifier",),
    "problems": ("IntrinsicProblem", "MisfitProblem", "SpuriousProblem"),
    "devices": ("device",),
}  # fmt: skip
_PARTS = (
    "checks", "datasets", "figures", "losses", "metrics", "networks", "problems", "simulation",
    "theory",
)  # fmt: skip
_PLACE = {name: module for module, names in _FACE.items() for name in names}

__all__ = ["FAST", *_PLACE, *_PARTS]


def __getattr__(name: str) -> Any:
    if name in _PLACE:
        value = getattr(importlib.import_module(f"{__name__}.{_PLACE[name]}"), name)
    elif name in _PARTS:
        value = importlib.import_module(f"{__name__}.{name}")
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
