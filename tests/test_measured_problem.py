"""The Gaussian problem with the second moments of real features, and its examples."""

import pytest
import torch
from intrinsic_cases import generator, normal, views

from w2s_tutorial import overlap
from w2s_tutorial.simulation.examples import resampled


def measured_views():
    weak, strong = views(300, 5, 7, [0.9, 0.6])
    weak, strong = weak @ normal(5, 9, seed=3) + 2, strong @ normal(7, 7, seed=4)
    return weak, strong, weak[:, 0] + strong[:, 1] + 0.5 * normal(300, seed=8)


def test_joint_coordinates_make_up_the_measured_problem():
    parts = measured_views()
    z = overlap.joint_coordinates(*parts)
    given = overlap.measured_problem(*parts, n_labeled=60, n_pool=80, noise=1.0)
    assert z.shape == (300, 13)
    torch.testing.assert_close(z.T @ z / 300, torch.eye(13, dtype=torch.float64))
    torch.testing.assert_close(z.mean(0), torch.zeros(13, dtype=torch.float64))
    for part, factor in zip(parts, (given.weak, given.strong, given.target), strict=True):
        torch.testing.assert_close(z @ factor, part - part.mean(0))
    assert (given.d_weak, given.d_strong) == (5, 7)
    weak, strong = (torch.linalg.svd(p - p.mean(0), full_matrices=False).U for p in parts[:2])
    raw = (weak[:, :5].T @ strong[:, :7]).square().sum()
    assert given.d_shared == pytest.approx(float(raw))


def test_resampled_examples_come_from_the_rows_at_hand():
    rows = normal(50, 3)
    drawn = resampled(rows)((20, 100, 3), generator())
    chosen = (drawn[..., None, :] == rows).all(-1)
    assert (chosen.sum(-1) == 1).all()
    counts = chosen.double().sum((0, 1))
    assert counts.std() == pytest.approx(2000**0.5 / 50**0.5, rel=0.4)  # 4 sigma of Poisson counts
