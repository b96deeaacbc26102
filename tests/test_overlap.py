"""Overlap estimators on views whose overlap is known."""

import pytest
import torch
from assertions import assert_agrees
from intrinsic_cases import generator, normal, views, z_score

from w2s_tutorial import overlap


def random_rotation(d, seed=0):
    return torch.linalg.qr(normal(d, d, seed=seed)).Q


def raw_overlap(weak, strong):
    """Sum of squared sample canonical correlations, by the textbook's regression matrices."""
    weak, strong = weak - weak.mean(0), strong - strong.mean(0)
    on_strong = torch.linalg.pinv(strong) @ weak
    on_weak = torch.linalg.pinv(weak) @ strong
    return torch.trace(on_strong @ on_weak)


CASES = [
    (200, 15, 20, [1.0] * 15),
    (200, 15, 20, [1.0] * 10),
    (200, 15, 20, []),
    (200, 20, 15, [0.9] * 5 + [0.4] * 5),
    (60, 15, 20, [1.0] * 8),  # m only 1.7 times d_weak + d_strong
    (60, 15, 20, [0.7] * 15),
]


@pytest.mark.parametrize(("m", "d_weak", "d_strong", "cosines"), CASES)
def test_shared_dimension_is_right_on_average(m, d_weak, d_strong, cosines):
    """To the stated error at angles that are neither 0 nor 90 degrees, which vanishes as 1/m."""
    true = sum(c**2 for c in cosines)
    pairs = [views(m, d_weak, d_strong, cosines, seed=s) for s in range(200)]
    estimates = torch.stack([overlap.shared_dimension(*pair) for pair in pairs])
    stated = min(d_weak, d_strong) / (4 * m) * any(0 < c < 1 for c in cosines)
    error = estimates.std() / len(estimates) ** 0.5
    assert abs(estimates.mean() - true) <= stated + 4 * error + 1e-9
    raw = torch.stack([raw_overlap(*pair) for pair in pairs])
    if true < min(d_weak, d_strong):
        assert z_score(raw, true + stated) > 4


def test_shared_dimension_solves_the_equation_it_states():
    weak, strong = views(90, 6, 4, [0.8, 0.5])
    x, raw, m = overlap.shared_dimension(weak, strong), raw_overlap(weak, strong), 89
    torch.testing.assert_close(x + (6 - x) * (4 - x) / (m - x), raw)


def test_without_centring_no_degree_of_freedom_is_lost():
    estimates = torch.stack(
        [
            overlap.shared_dimension(*views(30, 8, 6, [1.0] * 3, seed=s), center=False)
            for s in range(400)
        ]
    )
    assert_agrees(estimates, 3.0)


def test_shared_dimension_ignores_coordinates_and_axis_overlap_sees_only_them():
    """Two views of the same 12 directions in 60 unrelated coordinates: all is shared."""
    hidden = normal(400, 12)
    weak = hidden @ random_rotation(60, seed=1)[:12]
    strong = hidden @ random_rotation(60, seed=2)[:12]
    assert overlap.shared_dimension(weak, strong) == pytest.approx(12.0)

    axes = {"d_weak": 12, "d_strong": 12, "seed": generator()}
    assert overlap.axis_overlap(weak, weak, **axes) == pytest.approx(12.0)
    unrelated = torch.stack(
        [
            overlap.axis_overlap(hidden @ random_rotation(60, seed=s)[:12], strong, **axes)
            for s in range(10, 110)
        ]
    )
    assert_agrees(unrelated, 12 * 12 / 60)  # the mean for random subspaces
    assert z_score(unrelated, 12.0) < -4

    nothing_shared = normal(400, 12, seed=5)
    turned = [
        overlap.axis_overlap(nothing_shared @ random_rotation(60, seed=s)[:12], strong, **axes)
        for s in range(10, 110)
    ]
    assert_agrees(torch.stack(turned), 12 * 12 / 60)  # the same number, for views that share none
    assert abs(overlap.shared_dimension(nothing_shared @ normal(12, 60), strong)) < 1


def test_axis_overlap_maps_the_wider_view_to_the_smaller_width():
    weak, strong = normal(300, 40), normal(300, 25, seed=1)
    axes = {"d_weak": 10, "d_strong": 5}
    values = torch.stack(
        [overlap.axis_overlap(weak, strong, **axes, seed=generator(s)) for s in range(100)]
    )
    assert_agrees(values, 10 * 5 / 25)
    assert values.unique().numel() == 100


def jackknife_coverage(cosines, m, repeats):
    """Shares of repeats in which jackknife and row-bootstrap intervals hold the true value."""
    true = sum(c**2 for c in cosines)
    held = [0, 0]
    for s in range(repeats):
        weak, strong = views(m, 8, 10, cosines, seed=s)
        low, high = overlap.jackknife_interval(
            overlap.shared_dimension, weak, strong, groups=20, seed=generator(s)
        )
        held[0] += bool(low <= true <= high)
        again = torch.stack(
            [
                overlap.shared_dimension(weak[i], strong[i])
                for i in torch.randint(m, (40, m), generator=generator(s))
            ]
        )
        low, high = again.quantile(torch.tensor([0.025, 0.975], dtype=torch.float64))
        held[1] += bool(low <= true <= high)
    return held[0] / repeats, held[1] / repeats


@pytest.mark.parametrize("cosines", [[1.0] * 4, [0.7] * 6, []])
def test_jackknife_interval_holds_what_it_says_and_the_bootstrap_does_not(cosines):
    jackknife, bootstrap = jackknife_coverage(cosines, m=80, repeats=100)
    # 100 repeats of 0.95: 4 standard errors below is 0.86. It may err upwards only.
    assert jackknife > 0.86
    assert bootstrap < 0.5


def test_jackknife_interval_of_a_mean_is_the_textbook_one():
    x = normal(50, 1)
    low, high = overlap.jackknife_interval(
        lambda x: x.mean(), x, groups=50, level=0.9, seed=generator()
    )
    half = 1.6765508919142635 * float(x.std()) / 50**0.5  # t, 49 degrees of freedom
    assert [float(low), float(high)] == pytest.approx(
        [float(x.mean()) - half, float(x.mean()) + half]
    )


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: overlap.shared_dimension(normal(9, 2), normal(8, 2)), "got 9 and 8"),
        (
            lambda: overlap.shared_dimension(normal(9, 4), normal(9, 4)),
            "ranks 4 and 4 need more than 9 examples, got 9",
        ),
        (
            lambda: overlap.axis_overlap(
                normal(9, 4), normal(9, 3), d_weak=4, d_strong=1, seed=generator()
            ),
            r"d_weak must lie in 1\.\.3, the smaller width, got 4",
        ),
        (
            lambda: overlap.jackknife_interval(torch.mean, normal(9), normal(8), seed=0),
            r"got lengths \[8, 9\]",
        ),
        (
            lambda: overlap.jackknife_interval(torch.mean, normal(9), groups=10, seed=0),
            r"groups must lie in 2\.\.9, got 10",
        ),
        (
            lambda: overlap.joint_coordinates(normal(9, 2), normal(9, 2), normal(8)),
            r"\(9, 2\), \(9, 2\), \(8,\)",
        ),
        (
            lambda: overlap.joint_coordinates(normal(5, 2), normal(5, 2, seed=1), normal(5)),
            "joint rank 4 need more than 5 examples, got 5",
        ),
        (
            lambda: overlap.joint_coordinates(normal(9, 2), normal(9, 2), normal(9, 2)[:, 0]),
            "target must differ from all linear functions",
        ),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
