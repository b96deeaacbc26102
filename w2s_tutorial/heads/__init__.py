"""Many linear heads on frozen features, fitted at once."""

from w2s_tutorial.heads.least_squares import (
    fit_in_ball,
    fit_ridge,
    fit_ridge_validated,
    fit_ridgeless,
)
from w2s_tutorial.heads.linear import Heads, apply, fit_gradient
from w2s_tutorial.heads.logistic import fit_logistic

__all__ = [
    "Heads",
    "apply",
    "fit_gradient",
    "fit_in_ball",
    "fit_logistic",
    "fit_ridge",
    "fit_ridge_validated",
    "fit_ridgeless",
]
