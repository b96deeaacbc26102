"""Two Gaussian views of the same examples, and how much they share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from w2s_tutorial.problems._common import check_amount, check_count


@dataclass(frozen=True, eq=False)
class IntrinsicProblem:
    """Least squares on two Gaussian views of the same examples (Dong et al. 2025, 2502.05075).

    An example is a vector z of k independent standard normal coordinates. The weak model sees
    z @ weak, the student z @ strong, and the label is z @ target plus Gaussian noise. Least
    squares without a penalty depends on the two factors through their ranges alone. The weak
    model is fitted on n_labeled labels; the student on what it says about n_pool other examples;
    the baseline on the labels; the ceiling on true labels of all n_labeled + n_pool examples.

    Attributes:
        n_labeled: number of labelled examples (the paper's n).
        n_pool: number of pseudolabelled examples (N).
        weak: (k, any) float64, factor of the weak features' covariance, weak.T @ weak.
        strong: (k, any) float64, the same for the student's features.
        target: (k,) float64, coefficients of the noiseless label.
        noise: variance of the label noise (sigma^2), above 0.

    Raises:
        ValueError: naming the field, what it must be, and what came.
    """

    n_labeled: int
    n_pool: int
    weak: Tensor
    strong: Tensor
    target: Tensor
    noise: float

    def __post_init__(self) -> None:
        check_count("n_labeled", self.n_labeled, 1)
        check_count("n_pool", self.n_pool, 1)
        check_amount("noise", self.noise, zero=False)
        if self.target.dim() != 1 or len(self.target) == 0:
            raise ValueError(f"target must be (k,), k > 0, got shape {tuple(self.target.shape)}")
        k = len(self.target)
        for name, value in (("weak", self.weak), ("strong", self.strong)):
            if value.dim() != 2 or len(value) != k or not value.any():
                shape = tuple(value.shape)
                raise ValueError(f"{name} must be ({k}, any) and not all 0, got shape {shape}")
        for name in ("weak", "strong", "target"):
            value = getattr(self, name)
            if value.dtype != torch.float64 or not value.isfinite().all():
                raise ValueError(f"{name} must be finite float64, got {value.dtype}")

    @cached_property
    def weak_axes(self) -> tuple[Tensor, Tensor]:
        """Orthonormal basis (k, d_weak) of the weak features' range, and variances (d_weak,)."""
        return _axes(self.weak)

    @cached_property
    def strong_axes(self) -> tuple[Tensor, Tensor]:
        """Orthonormal basis (k, d_strong) of the student's range, and variances (d_strong,)."""
        return _axes(self.strong)

    @property
    def d_weak(self) -> int:
        """Dimension of the weak features (d_w)."""
        return self.weak_axes[0].shape[1]

    @property
    def d_strong(self) -> int:
        """Dimension of the student's features (d_s)."""
        return self.strong_axes[0].shape[1]

    @cached_property
    def cosines(self) -> Tensor:
        """Cosines of the canonical angles between the two ranges, min(d_weak, d_strong) of them."""
        return torch.linalg.svdvals(self.strong_axes[0].T @ self.weak_axes[0]).clamp(max=1.0)

    def to(self, device: torch.device | str) -> IntrinsicProblem:
        """The same problem on a device; what is computed from it stays there."""
        moved = {name: getattr(self, name).to(device) for name in ("weak", "strong", "target")}
        return replace(self, **moved)

    @property
    def d_shared(self) -> float:
        """Correlation dimension (d_sw): the sum of squared cosines of the canonical angles."""
        return float(self.cosines.square().sum())

    def require_finite_risk(self) -> None:
        """Refuse sizes at which least squares without a penalty has infinite mean risk.

        Raises:
            ValueError: if n_labeled or n_pool does not exceed the fitted dimensions by 2.
        """
        for name, n, d in (
            ("n_labeled", self.n_labeled, max(self.d_weak, self.d_strong)),
            ("n_pool", self.n_pool, self.d_strong),
        ):
            if n <= d + 1:
                raise ValueError(
                    f"{name} must exceed {d + 1}, got {n}: least squares on {d} Gaussian features"
                    " has infinite mean risk here"
                )

    @classmethod
    def aligned(
        cls,
        *,
        n_labeled: int,
        n_pool: int,
        d_weak: int,
        d_strong: int,
        d_shared: int | Sequence[float],
        noise: float,
        unreachable: float = 0.0,
    ) -> IntrinsicProblem:
        """Views of d_weak and d_strong unit-variance features with a chosen overlap.

        The target is zero inside both views: least squares adds what a view can express to its
        estimate, so such a part changes no risk. Set another with dataclasses.replace.

        Args:
            d_shared: number of directions that the views have in common, the rest orthogonal;
                or the cosines of their canonical angles, the missing ones 0.
            unreachable: variance of the part of the target outside both views, the error that
                neither can avoid.
        """
        check_count("d_weak", d_weak, 1)
        check_count("d_strong", d_strong, 1)
        check_amount("unreachable", unreachable, zero=True)
        if isinstance(d_shared, int):
            check_count("d_shared", d_shared, 0)
        cosines = [1.0] * d_shared if isinstance(d_shared, int) else list(d_shared)
        most = min(d_weak, d_strong)
        if len(cosines) > most or not all(0.0 <= c <= 1.0 for c in cosines):
            raise ValueError(f"d_shared must be at most {most} cosines in [0, 1], got {d_shared}")
        identity = torch.eye(d_strong + d_weak + 1, dtype=torch.float64)
        cos = identity.new_tensor(cosines + [0.0] * (d_weak - len(cosines)))
        own = identity[:, d_strong : d_strong + d_weak] * (1 - cos.square()).sqrt()
        weak = own + identity[:, :d_weak] * cos
        target = math.sqrt(unreachable) * identity[:, -1]
        return cls(n_labeled, n_pool, weak, identity[:, :d_strong], target, noise)

    @classmethod
    def published(
        cls, *, n_labeled: int, n_pool: int, d_shared: int, noise: float
    ) -> IntrinsicProblem:
        """The synthetic experiment of Dong et al. (2025): d_weak = 200, d_strong = 100.

        Variances 1/i over 300 coordinates; the student sees the first 100, the weak model 200
        that start after coordinate 100 - d_shared. The published runs draw the target's signs;
        they change no distribution and are all positive here.

        Args:
            d_shared: 0 to 99; the paper's figures show 10, 50, 90.
            noise: the paper's figures show 1e-2 and 4e-4.
        """
        if not 0 <= d_shared <= 99:
            raise ValueError(f"d_shared must lie in 0..99, got {d_shared}")
        start = 100 - d_shared
        index = torch.arange(300, dtype=torch.float64)
        scale = (index + 1).rsqrt()
        weak = torch.diag(index.clamp(min=1).rsqrt())[:, start : start + 200]
        strong = torch.diag(scale)[:, :100]
        return cls(n_labeled, n_pool, weak, strong, scale / math.sqrt(20_000), noise)


def _axes(factor: Tensor) -> tuple[Tensor, Tensor]:
    u, singular, _ = torch.linalg.svd(factor, full_matrices=False)
    kept = singular > max(factor.shape) * torch.finfo(factor.dtype).eps * singular[0]
    return u[:, kept], singular[kept].square()
