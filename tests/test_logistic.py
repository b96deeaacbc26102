import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from w2s_tutorial.heads.linear import Heads, fit_gradient
from w2s_tutorial.heads.logistic import fit_logistic
from w2s_tutorial.losses import cross_entropy, generalized_cross_entropy


def problem(n=300, d=12, c=2, h=3, *, own=False, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn((h, n, d) if own else (n, d), generator=g, dtype=torch.float64)
    truth = torch.randn(h, d, c, generator=g, dtype=torch.float64)
    gumbel = -(-torch.rand(h, n, c, generator=g, dtype=torch.float64).log()).log()
    label = (x @ truth + gumbel).argmax(-1)
    return x, torch.nn.functional.one_hot(label, c).double(), g


def scikit_learn(x, target, l2, weight=None):
    """Coefficients and intercepts of scikit-learn's fit of one head, at the same penalty."""
    weight = torch.ones(len(x)) if weight is None else weight
    model = LogisticRegression(C=1 / (float(weight.sum()) * l2), tol=1e-10, max_iter=10_000)
    return model.fit(x.numpy(), target.argmax(-1).numpy(), weight.numpy())


def relative_error(heads, i, model):
    weight, bias = heads.weight[i].numpy(), heads.bias[i, 0].numpy()
    if weight.shape[1] == 2:
        weight, bias = weight[:, 1:] - weight[:, :1], bias[1:] - bias[:1]
    # Softmax biases are defined up to a common shift.
    bias_error = np.abs((bias - bias.mean()) - (model.intercept_ - model.intercept_.mean())).max()
    return max(np.abs(weight.T - model.coef_).max(), bias_error) / np.abs(model.coef_).max()


@pytest.mark.parametrize("c", [2, 3, 5])
@pytest.mark.parametrize("l2", [1e-4, 1e-2, 1.0])
@pytest.mark.parametrize("own", [False, True])
def test_agrees_with_scikit_learn(c, l2, own):
    x, target, g = problem(c=c, own=own)
    keep = torch.rand(3, 300, generator=g) < 0.5
    heads = fit_logistic(x, target, l2=l2, example_weight=keep)
    for i in range(3):
        xi = x[i] if own else x
        model = scikit_learn(xi[keep[i]], target[i][keep[i]], l2)
        assert relative_error(heads, i, model) < 1e-4


def test_more_features_than_examples():
    x, target, _ = problem(n=60, d=200)
    heads = fit_logistic(x, target, l2=1e-3)
    assert relative_error(heads, 1, scikit_learn(x, target[1], 1e-3)) < 1e-4


def test_shifted_and_correlated_features():
    x, target, g = problem(d=20)
    x = x @ torch.randn(20, 20, generator=g, dtype=torch.float64) + 50
    heads = fit_logistic(x, target, l2=1e-3)
    assert relative_error(heads, 2, scikit_learn(x, target[2], 1e-3)) < 1e-4


@pytest.mark.parametrize("loss", [cross_entropy, generalized_cross_entropy(0.5)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_columns_whose_squares_overflow_are_named(loss, dtype):
    x, target, _ = problem(d=4)
    x[:, [1, 3]] *= 1e22
    with pytest.raises(ValueError, match=r"below 1e15, got more in the columns \[1, 3\]"):
        fit_logistic(x.to(dtype), target.to(dtype), l2=0.1, loss=loss)


def test_each_head_has_its_own_penalty_and_weights():
    x, target, g = problem(h=4)
    l2 = torch.tensor([1e-4, 1e-2, 1.0, 10.0], dtype=torch.float64)
    weight = torch.rand(4, 300, generator=g, dtype=torch.float64)
    heads = fit_logistic(x, target, l2=l2, example_weight=weight)
    for i in range(4):
        model = scikit_learn(x, target[i], float(l2[i]), weight[i])
        assert relative_error(heads, i, model) < 1e-4


def test_soft_targets_reach_the_minimum_of_the_stated_objective():
    x, target, _ = problem(c=3, h=2)
    soft = 0.7 * target + 0.1
    heads = fit_logistic(x, soft, l2=1e-2)

    def objective(weight, bias):
        loss = cross_entropy(x @ weight + bias, soft).mean(-1)
        return loss + 1e-2 / 2 * weight.square().sum((1, 2))

    weight, bias = heads.weight.requires_grad_(), heads.bias.requires_grad_()
    gradients = torch.autograd.grad(objective(weight, bias).sum(), [weight, bias])
    assert max(g.abs().max() for g in gradients) < 1e-7
    near = fit_gradient(x, soft, cross_entropy, steps=200, lr=0.05)
    assert (objective(weight, bias) < objective(near.weight, near.bias)).all()


def test_heads_do_not_change_each_others_answer():
    x, target, _ = problem(h=6)
    together = fit_logistic(x, target, l2=1e-3)
    alone = fit_logistic(x, target[4:5], l2=1e-3)
    scale = alone.weight.abs().max()
    assert (together.weight[4:5] - alone.weight).abs().max() / scale < 1e-6


def test_a_newton_step_that_would_overshoot_is_cut():
    """Sure of the wrong side, a head meets hardly any curvature: the full step goes far too far."""
    x = torch.linspace(-2, 2, 40, dtype=torch.float64)[:, None]
    target = torch.nn.functional.one_hot((x[:, 0] > 0.1).long(), 2)[None].double()

    def objective(heads):
        size = (heads.weight[..., 1] - heads.weight[..., 0]).square().sum()
        return float(cross_entropy(heads(x), target).mean() + 1e-6 / 2 * size)

    weight = torch.tensor([[[10.0, -10.0]]], dtype=torch.float64)
    heads = Heads(weight, torch.zeros(1, 1, 2, dtype=torch.float64))
    for _ in range(6):
        after = fit_logistic(x, target, l2=1e-6, start=heads, tol=0.0, max_steps=1)
        assert objective(after) < objective(heads)
        heads = after


def test_float32_stays_float32_and_is_close():
    x, target, _ = problem()
    heads = fit_logistic(x.float(), target.float(), l2=1e-2)
    assert heads.weight.dtype == torch.float32
    exact = fit_logistic(x, target, l2=1e-2)
    assert (heads.weight - exact.weight).abs().max() / exact.weight.abs().max() < 1e-3


def test_a_fit_that_stops_early_says_so():
    x, target, _ = problem()
    with pytest.warns(ConvergenceWarning, match=r"3 of 3 heads stopped .* after 1 steps"):
        fit_logistic(x, target, l2=1e-4, max_steps=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fit_logistic(x, target, l2=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"l2": 0.0}, "l2 must be finite and exceed 0, got 0.0"),
        ({"l2": float("nan")}, "l2 must be finite"),
        (
            {"target": torch.eye(2)[[0] * 20][None]},
            "head 0 fails: its target shows it no example of class 1",
        ),
        ({"target": torch.full((1, 20, 2), 0.7)}, "label distributions"),
        ({"target": torch.ones(1, 20, 1)}, "at least 2 classes, got 1"),
        ({"x": torch.full((20, 2), torch.inf)}, "x must be finite"),
    ],
)
def test_bad_input_is_named(arguments, message):
    label = torch.eye(2)[torch.arange(20) % 2][None]
    good = {"x": torch.randn(20, 2), "target": label, "l2": 1.0}
    with pytest.raises(ValueError, match=message):
        fit_logistic(**{**good, **arguments})


@pytest.mark.parametrize("own", [False, True])
def test_a_head_that_misses_a_class_fails_alone(own):
    x, target, g = problem(h=4, c=3, own=own)
    keep = torch.rand(4, 300, generator=g) < 0.5
    keep[2] &= target[2, :, 1] == 0
    heads = fit_logistic(x, target, l2=0.1, example_weight=keep)
    assert heads.failed == {2: "its target shows it no example of class 1"}
    assert heads.weight[2].isnan().all()
    assert heads(x)[2].isnan().all()
    rest = [0, 1, 3]
    alone = fit_logistic(x[rest] if own else x, target[rest], l2=0.1, example_weight=keep[rest])
    assert not alone.failed
    torch.testing.assert_close(heads.weight[rest], alone.weight, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(heads(x)[rest], alone(x[rest] if own else x), rtol=1e-5, atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(
    h=st.integers(1, 3), n=st.integers(4, 12), d=st.integers(1, 15), c=st.integers(2, 4),
    own=st.booleans(), exponent=st.integers(-4, 1),
)  # fmt: skip
def test_the_gradient_vanishes_for_any_shape(h, n, d, c, own, exponent):
    g = torch.Generator().manual_seed(n * 100 + d)
    x = torch.randn((h, n, d) if own else (n, d), generator=g, dtype=torch.float64)
    target = torch.nn.functional.one_hot(torch.arange(n) % c, c).double().expand(h, n, c)
    l2 = 10.0**exponent
    heads = fit_logistic(x, target, l2=l2)
    p = heads(x).softmax(-1)
    penalized = 2 * heads.weight if c == 2 else heads.weight  # two classes share one vector
    gradient = x.mT @ (p - target) / n + l2 * penalized
    assert gradient.abs().max() < 2e-8
    assert (p - target).mean(1).abs().max() < 2e-8
