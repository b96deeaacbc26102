"""Ridge heads, each with the penalty that other examples ask for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge

from w2s_tutorial.heads import fit_ridge, fit_ridge_validated

PENALTIES = (1e-3, 1e-1, 1e1, 1e3)


def problem(noise: tuple[float, ...] = (0.1, 3.0, 100.0)):
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(120, 30, generator=generator)
    truth = x @ torch.randn(30, 1, generator=generator)
    scale = torch.tensor(noise)[:, None, None]
    target = truth + scale * torch.randn(len(noise), 120, 1, generator=generator)
    return x[:60], target[:, :60], x[60:], target[:, 60:]


def test_each_head_is_the_one_that_a_loop_with_scikit_learn_keeps():
    x, target, held, asked = problem()
    heads, penalty = fit_ridge_validated(x, target, held, asked, l2=PENALTIES)
    outputs = heads(held.double())
    for h in range(len(target)):
        fits = [Ridge(alpha=60 * p / 2).fit(x.double(), target[h].double()) for p in PENALTIES]
        told = [fit.predict(held.double()).ravel() for fit in fits]
        errors = [np.square(one - asked[h, :, 0].double().numpy()).mean() for one in told]
        best = int(np.argmin(errors))
        assert penalty[h] == PENALTIES[best]
        assert np.abs(outputs[h, :, 0].numpy() - told[best]).max() < 1e-9


def test_noisier_labels_get_the_larger_penalty():
    _, penalty = fit_ridge_validated(*problem(), l2=PENALTIES)
    assert penalty[0] < penalty[2]


def test_one_penalty_is_no_choice_and_own_features_are_taken():
    x, target, held, asked = problem()
    heads, _ = fit_ridge_validated(x, target, held, asked, l2=[0.1])
    assert torch.equal(heads.weight, fit_ridge(x, target, l2=0.1).weight)
    own = [part.expand(3, -1, -1) for part in (x, held)]
    each, penalty = fit_ridge_validated(own[0], target, own[1], asked, l2=PENALTIES)
    shared, _ = fit_ridge_validated(x, target, held, asked, l2=PENALTIES)
    assert (each.weight - shared.weight).abs().max() < 1e-9
    assert penalty.shape == (3,)


@pytest.mark.parametrize(
    ("penalties", "message"), [((), "at least 1 penalty"), ((0.0,), "exceed 0")]
)
def test_no_penalty_is_refused(penalties, message):
    with pytest.raises(ValueError, match=message):
        fit_ridge_validated(*problem(), l2=penalties)
