"""The synthetic examples have the shares and the distances asked for."""

import pytest
import torch

from w2s_tutorial.confidence.synthetic import CORE, two_places


def test_synthetic_examples_have_the_shares_and_the_distances_asked_for():
    sample = two_places(
        sizes={"pool": 4000}, minority={"pool": 0.2}, heads=4, strong_place=2.0,
        seed=torch.Generator().manual_seed(0),
    )["pool"]  # fmt: skip
    few = (sample.group == 1) | (sample.group == 2)
    assert few.float().mean(-1).tolist() == [pytest.approx(0.2)] * 4
    assert (sample.target.mean(1) == 0.5).all()
    side = 2.0 * sample.target[..., 1] - 1
    where = 2.0 * (sample.group % 2) - 1
    assert (side * sample.strong[..., 0]).mean() == pytest.approx(CORE, abs=0.05)
    assert (where * sample.strong[..., 1]).mean() == pytest.approx(2.0, abs=0.05)
    assert sample.strong[..., 2:].mean().abs() < 0.02
