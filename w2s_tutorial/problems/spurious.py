"""Regression with two groups that a spurious feature tells apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from w2s_tutorial.problems._common import check_amount, check_count

Reading = Literal["mean", "mixture"]


@dataclass(frozen=True, eq=False)
class SpuriousProblem:
    """Least squares on entangled core and group features (Liu, Dong, Lei 2026, 2509.24005).

    An example has a core feature z, d_core independent standard normal coordinates, the same in
    both groups, and independently of it a group feature xi of k coordinates in units of their
    standard deviation. The label is z @ (unknown coefficients) plus noise. The weak model sees
    all products of z with w = [1, xi @ weak], the student those with psi = [1, xi @ strong]: both
    can express the label, so all risk is variance and the coefficients do not matter. The weak
    model is fitted by least squares on n_labeled labels; the student on what it says about n_pool
    other examples; the baseline on the labels; the ceiling on true labels of the pool.

    A data set with a share of minority examples can be read in two ways, which differ in the
    covariance of xi between the groups:

    * "mean": xi ~ N(share * shift, identity), what the theorem's terms describe;
    * "mixture": each example is in the minority with probability share, and then
      xi ~ N(shift, identity), else N(0, identity).

    The two agree on each group by itself, where the share is 0 or 1.

    Attributes:
        n_labeled: number of labelled examples (the paper's n).
        n_pool: number of pseudolabelled examples (N).
        d_core: dimension of the core feature (d_z).
        weak: (k, p_weak - 1) float64, orthonormal columns: the group features of the weak model.
        strong: (k, p_strong - 1) float64, orthonormal columns: those of the student.
        shift: (k,) float64, how the minority's mean differs, in standard deviations (mu/sigma_xi).
        noise: variance of the label noise (sigma_y^2), above 0.
        minority_labeled: share of the minority among the labelled examples (eta_l), in [0, 1].
        minority_pool: share of the minority in the pool (eta_u).
        minority_test: share of the minority where risk is measured (eta_t); 0 is the risk of the
            majority, 1 that of the minority.
        reading: which of the two models above.

    The three shares may be tensors of any shapes that broadcast: risks then have that shape.

    Raises:
        ValueError: naming the field, what it must be, and what came.
    """

    n_labeled: int
    n_pool: int
    d_core: int
    weak: Tensor
    strong: Tensor
    shift: Tensor
    noise: float
    minority_labeled: float | Tensor
    minority_pool: float | Tensor
    minority_test: float | Tensor
    reading: Reading

    def __post_init__(self) -> None:
        if self.reading not in ("mean", "mixture"):
            raise ValueError(f"reading must be 'mean' or 'mixture', got {self.reading!r}")
        check_amount("noise", self.noise, zero=False)
        check_count("d_core", self.d_core, 1)
        if self.shift.dim() != 1 or len(self.shift) == 0:
            raise ValueError(f"shift must be (k,), k > 0, got shape {tuple(self.shift.shape)}")
        k = len(self.shift)
        for name in ("shift", "weak", "strong"):
            value = getattr(self, name)
            if value.dtype != torch.float64 or not value.isfinite().all():
                raise ValueError(f"{name} must be finite float64, got {value.dtype}")
            if name == "shift":
                continue
            if value.dim() != 2 or len(value) != k:
                raise ValueError(f"{name} must be ({k}, any), got shape {tuple(value.shape)}")
            off = (value.T @ value - torch.eye(value.shape[1]).to(value)).abs()
            if (off > 1e-9).any():
                raise ValueError(f"{name} must be orthonormal to 1e-9, got {off.max():.2g} off")
        # Below these sizes least squares has infinite mean risk.
        most = max(self.p_weak, self.p_strong)
        check_count("n_labeled", self.n_labeled, most * self.d_core + 2)
        check_count("n_pool", self.n_pool, self.p_strong * self.d_core + 2)
        shapes = []
        for name in ("minority_labeled", "minority_pool", "minority_test"):
            share = torch.as_tensor(getattr(self, name), dtype=torch.float64)
            shapes.append(tuple(share.shape))
            if share.numel() == 0 or not ((share >= 0) & (share <= 1)).all():
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)!r}")
        try:
            torch.broadcast_shapes(*shapes)
        except RuntimeError:
            raise ValueError(f"minority shares must broadcast, got shapes {shapes}") from None

    @property
    def shares(self) -> tuple[Tensor, Tensor, Tensor]:
        """Shares of labelled set, pool and test, float64, with as many axes as their risks."""
        given = self.minority_labeled, self.minority_pool, self.minority_test
        tensors = [torch.as_tensor(s, dtype=torch.float64).to(self.shift.device) for s in given]
        axes = max(share.dim() for share in tensors)
        labeled, pool, test = (s.reshape((1,) * (axes - s.dim()) + s.shape) for s in tensors)
        return labeled, pool, test

    @property
    def p_weak(self) -> int:
        """Number of entries of w, 1 and the weak model's group features (p_T)."""
        return self.weak.shape[1] + 1

    @property
    def p_strong(self) -> int:
        """Number of entries of psi (p_S)."""
        return self.strong.shape[1] + 1

    @property
    def overlap(self) -> Tensor:
        """Xi = weak' strong, (p_weak - 1, p_strong - 1)."""
        return self.weak.T @ self.strong

    @property
    def p_shared(self) -> float:
        """1 + |Xi|_F^2, the number of entries that w and psi have in common (p_{T and S})."""
        return 1.0 + float(self.overlap.square().sum())

    @property
    def shift_weak(self) -> Tensor:
        """The shift that the weak model sees, (p_weak - 1,) (mu_T / sigma_xi)."""
        return self.weak.T @ self.shift

    @property
    def shift_strong(self) -> Tensor:
        """The shift that the student sees, (p_strong - 1,) (mu_S / sigma_xi)."""
        return self.strong.T @ self.shift

    @classmethod
    def aligned(
        cls,
        *,
        n_labeled: int,
        n_pool: int,
        d_core: int,
        p_weak: int,
        p_strong: int,
        overlap: float,
        separation_weak: float,
        separation_strong: float,
        minority_labeled: float | Tensor,
        minority_pool: float | Tensor,
        minority_test: float | Tensor,
        noise: float = 1.0,
        reading: Reading = "mean",
    ) -> SpuriousProblem:
        """Group features with a chosen overlap, all alike: equal cosines, equal shares of shift.

        Args:
            p_weak: 1 and the number of the weak model's group features.
            p_strong: the same for the student.
            overlap: |Xi|_F^2, from 0 to the smaller number of group features.
            separation_weak: |mu_T|^2 / sigma_xi^2, the group separation that the weak model sees.
            separation_strong: |mu_S|^2 / sigma_xi^2, the one that the student sees.

        Raises:
            ValueError: if a number is out of range, or no shift has both separations.
        """
        check_count("p_weak", p_weak, 1)
        check_count("p_strong", p_strong, 1)
        check_amount("separation_weak", separation_weak, zero=True)
        check_amount("separation_strong", separation_strong, zero=True)
        pairs, k = min(p_weak, p_strong) - 1, max(1, p_weak + p_strong - 2)
        if not 0 <= overlap <= pairs:
            raise ValueError(f"overlap must lie in [0, {pairs}], got {overlap}")
        identity = torch.eye(k, dtype=torch.float64)
        strong = identity[:, : p_strong - 1]
        weak = identity[:, p_strong - 1 : p_strong + p_weak - 2].clone()
        cosine = math.sqrt(overlap / pairs) if pairs else 0.0
        weak[:, :pairs] = cosine * strong[:, :pairs] + math.sqrt(1 - cosine**2) * weak[:, :pairs]
        seen = [
            torch.full((p - 1,), math.sqrt(separation / max(1, p - 1)), dtype=torch.float64)
            for p, separation in ((p_weak, separation_weak), (p_strong, separation_strong))
        ]
        views = torch.cat([weak, strong], 1).T
        shift = torch.linalg.pinv(views) @ torch.cat(seen)
        reached = float((weak.T @ shift).square().sum()), float((strong.T @ shift).square().sum())
        asked = separation_weak, separation_strong
        if max(abs(r - a) for r, a in zip(reached, asked, strict=True)) > 1e-9 * (1 + sum(asked)):
            raise ValueError(
                f"separation_weak, separation_strong must be reachable at overlap {overlap} and"
                f" p = {p_weak}, {p_strong}, got {asked}; the nearest shift has {reached}"
            )
        shares = minority_labeled, minority_pool, minority_test
        return cls(n_labeled, n_pool, d_core, weak, strong, shift, noise, *shares, reading)
