"""How many directions views of the same examples use, how many two of them share, and the Gaussian
problem that two of them pose.

A view is (m, any): m examples, the features of one backbone. With center=True, the default, the
mean is removed first, as a model with a bias does; features with a large mean otherwise have
dimension 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from w2s_tutorial.metrics import t_half_width
from w2s_tutorial.problems import IntrinsicProblem
from w2s_tutorial.seeds import Seed, generator_of


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
    basis = _basis(features, center)
    if not 1 <= d <= basis.shape[1]:
        raise ValueError(f"d must lie in 1..{basis.shape[1]}, the features' rank, got {d}")
    return basis[:, :d] * math.sqrt(len(features))


def shared_dimension(weak: Tensor, strong: Tensor, *, center: bool = True) -> Tensor:
    """Correlation dimension d_sw of two views: their squared canonical correlations, summed.

    Unchanged by any invertible linear map of either view. The sample's own sum r is too large,
    by d_w d_s/m for independent views; this returns (m r − d_w d_s) / (m + r − d_w − d_s), which
    has mean d_sw for Gaussian views that share directions exactly or not at all, and an error of
    order min(d_w, d_s)/(4 m) at other angles. Derived here. The ranks stand for d_w and d_s:
    views of full rank with a long tail should be cut first, with `principal_coordinates`.

    Args:
        weak: (m, any), rank d_w.
        strong: (m, any), rank d_s; m must exceed d_w + d_s (by one more if centred).

    Raises:
        ValueError: if the views have different m, too few examples, or are empty, constant or
            not finite.
    """
    if len(weak) != len(strong):
        raise ValueError(
            f"weak and strong must list the same examples, got {len(weak)} and {len(strong)}"
        )
    weak_basis, strong_basis = _basis(weak, center), _basis(strong, center)
    d_weak, d_strong = weak_basis.shape[1], strong_basis.shape[1]
    m = len(weak) - int(center)
    if m <= d_weak + d_strong:
        least = d_weak + d_strong + int(center)
        raise ValueError(
            f"views of ranks {d_weak} and {d_strong} need more than {least} examples,"
            f" got {len(weak)}"
        )
    raw = (weak_basis.T @ strong_basis).square().sum()
    return (m * raw - d_weak * d_strong) / (m + raw - d_weak - d_strong)


def axis_overlap(weak: Tensor, strong: Tensor, *, d_weak: int, d_strong: int, seed: Seed) -> Tensor:
    """|V_s' V_w|² of principal axes, the estimate of d_sw in the code of Dong et al. (2025).

    It compares coordinates of one network with coordinates of another. These are unrelated, so it
    returns about d_w d_s / width whatever the views share: use `shared_dimension`. The wider view
    is first mapped to the narrower one's width at random, and nothing is centred, as published.

    Args:
        weak: (m, any).
        strong: (m, any).
        d_weak: number of principal axes of weak, 1 to the smaller width.
        d_strong: number of principal axes of strong, 1 to the smaller width.
        seed: integer or generator, consumed if the widths differ.

    Raises:
        ValueError: if a number of axes is out of range, or a view is empty, 0 or not finite.
    """
    generator = generator_of(seed)
    views = [_clean(weak, center=False), _clean(strong, center=False)]
    width = min(view.shape[1] for view in views)
    for name, d in (("d_weak", d_weak), ("d_strong", d_strong)):
        if not 1 <= d <= width:
            raise ValueError(f"{name} must lie in 1..{width}, the smaller width, got {d}")
    axes = []
    for view, d in zip(views, (d_weak, d_strong), strict=True):
        if view.shape[1] > width:
            shape = (view.shape[1], width)
            view = view @ torch.randn(shape, generator=generator, dtype=view.dtype).to(view.device)
        axes.append(torch.linalg.eigh(view.T @ view).eigenvectors[:, -d:])
    return (axes[0].T @ axes[1]).square().sum()


def jackknife_interval(
    statistic: Callable[..., Tensor],
    *samples: Tensor,
    groups: int = 50,
    level: float = 0.95,
    seed: Seed,
) -> tuple[Tensor, Tensor]:
    """Low and high end of an interval for a smooth statistic, leaving out groups of examples.

    For `shared_dimension` it errs to the wide side: in simulations a level of 0.95 held 0.94 to
    1.00 of the time. The bootstrap is no substitute: an example drawn twice correlates with
    itself, which raised the same statistic by its full bias (held 0.00 to 0.70 of the time). Not
    for `energy_dimension`, which moves in steps.

    Args:
        statistic: called with subsets of the same rows of every sample.
        samples: (m, any) each.
        groups: number of groups, 2 to m.
        level: in (0, 1).
        seed: integer or generator, consumed to deal the examples into groups.

    Raises:
        ValueError: if groups or level are out of range, or samples differ in m.
    """
    generator = generator_of(seed)
    sizes = {len(sample) for sample in samples}
    if len(sizes) != 1:
        raise ValueError(f"samples must list the same examples, got lengths {sorted(sizes)}")
    m = sizes.pop()
    if not 2 <= groups <= m:
        raise ValueError(f"groups must lie in 2..{m}, got {groups}")
    group = torch.randperm(m, generator=generator).to(samples[0].device) % groups
    left_out = torch.stack(
        [statistic(*(sample[group != g] for sample in samples)) for g in range(groups)]
    )
    error = left_out.std(0) * (groups - 1) / math.sqrt(groups)
    half = t_half_width(error, groups, level=level)
    center = statistic(*samples)
    return center - half, center + half


def joint_coordinates(weak: Tensor, strong: Tensor, target: Tensor) -> Tensor:
    """Uncorrelated coordinates (m, k) of mean 0 and variance 1 that make up views and target.

    The last one is what neither view predicts of the target, so it is in the target alone.

    Args:
        weak: (m, any); m must exceed the two ranks together by 2, or the views predict anything.
        strong: (m, any).
        target: (m,).

    Raises:
        ValueError: if lengths differ, examples are too few, a value is not finite, or the views
            predict the target to the last digit.
    """
    if target.dim() != 1 or not len(weak) == len(strong) == len(target):
        raise ValueError(
            f"weak, strong and target must list the same examples, got shapes"
            f" {tuple(weak.shape)}, {tuple(strong.shape)}, {tuple(target.shape)}"
        )
    views = torch.cat([_clean(weak, center=True), _clean(strong, center=True)], 1)
    basis = _basis(views, center=False)
    m, k = basis.shape
    if m <= k + 1:
        raise ValueError(f"views of joint rank {k} need more than {k + 1} examples, got {m}")
    label = _clean(target[:, None], center=True)
    rest = label - basis @ (basis.T @ label)
    if rest.norm() <= m * torch.finfo(rest.dtype).eps * label.norm():
        raise ValueError("target must differ from all linear functions of the views")
    return math.sqrt(m) * torch.cat([basis, rest / rest.norm()], 1)


def measured_problem(
    weak: Tensor, strong: Tensor, target: Tensor, *, n_labeled: int, n_pool: int, noise: float
) -> IntrinsicProblem:
    """The Gaussian problem with the second moments of these centred views and target.

    Its coordinates z are `joint_coordinates`, with a normal distribution for theirs.

    Args:
        weak, strong, target: see `joint_coordinates`.
        n_labeled, n_pool, noise: see `IntrinsicProblem`; the noise is added to the target's.

    Raises:
        ValueError: as `joint_coordinates` and `IntrinsicProblem`.
    """
    z = joint_coordinates(weak, strong, target)
    weak_factor, strong_factor, label = (
        z.T @ _clean(view, center=True) / len(z) for view in (weak, strong, target[:, None])
    )
    return IntrinsicProblem(n_labeled, n_pool, weak_factor, strong_factor, label[:, 0], noise)


def _clean(features: Tensor, center: bool) -> Tensor:
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
    return torch.linalg.svdvals(_clean(features, center)).square() / len(features)


def _basis(features: Tensor, center: bool) -> Tensor:
    """Orthonormal basis (m, rank) of the columns' span, by descending variance."""
    x = _clean(features, center)
    u, singular, _ = torch.linalg.svd(x, full_matrices=False)
    return u[:, singular > max(x.shape) * torch.finfo(x.dtype).eps * singular[0]]
