"""Intrinsic dimensions of real feature matrices; `overlap` compares two of them.

Features are (m, d): m examples, d features of one backbone. With center=True, the default, the
mean is removed first, as a model with a bias does; features with a large mean otherwise have
dimension 1.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def energy_dimension(features: Tensor, *, share: float = 0.99, center: bool = True) -> int:
    """The least number of principal directions that hold this share of the total variance.

    Dong et al. (2025, 2502.05075) use share = 0.99 without centring. A sample understates it for
    a spectrum with a long tail: compare values at several m before quoting one.

    Args:
        features: (m, d).
        share: in (0, 1].

    Raises:
        ValueError: if share leaves (0, 1] or features are empty, constant or not finite.
    """
    if not 0.0 < share <= 1.0:
        raise ValueError(f"share must lie in (0, 1], got {share}")
    held = _spectrum(features, center).cumsum(0)
    return int((held < share * held[-1]).sum()) + 1


def principal_coordinates(features: Tensor, d: int, *, center: bool = True) -> Tensor:
    """The examples (m, d) in the d directions of largest variance, scaled to mean square 1.

    Raises:
        ValueError: if d is below 1 or above the rank of the features.
    """
    basis = basis_of(features, center)
    if not 1 <= d <= basis.shape[1]:
        raise ValueError(f"d must lie in 1..{basis.shape[1]}, the features' rank, got {d}")
    return basis[:, :d] * math.sqrt(len(features))


def clean(features: Tensor, center: bool) -> Tensor:
    """The features in float64, centred if asked, refused if nothing can be measured on them."""
    if features.dim() != 2 or 0 in features.shape:
        shape = tuple(features.shape)
        raise ValueError(f"features must be (m, d), m >= 1, d >= 1, got shape {shape}")
    if not features.isfinite().all():
        raise ValueError("features must be finite, got NaN or infinity")
    x = features.double()
    # A constant column leaves the rounding error of its mean, which is no signal.
    rounding = len(x) * torch.finfo(x.dtype).eps * x.abs().amax()
    if center:  # twice: the mean of large numbers is off by their rounding, in all rows alike
        x = x - x.mean(0)
        x = x - x.mean(0)
    if x.abs().amax() <= rounding:
        raise ValueError(f"features must differ between examples, got {len(x)} equal ones")
    return x


def _spectrum(features: Tensor, center: bool) -> Tensor:
    """Eigenvalues of the second moment, descending."""
    return torch.linalg.svdvals(clean(features, center)).square() / len(features)


def basis_of(features: Tensor, center: bool) -> Tensor:
    """Orthonormal basis (m, rank) of the columns' span, by descending variance."""
    x = clean(features, center)
    u, singular, _ = torch.linalg.svd(x, full_matrices=False)
    return u[:, singular > max(x.shape) * torch.finfo(x.dtype).eps * singular[0]]
