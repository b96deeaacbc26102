from itertools import pairwise

import mpmath
import pytest
import torch

from w2s_tutorial.heads._newton import Problem
from w2s_tutorial.losses import (
    auxiliary_confidence,
    confidence_weight,
    cross_entropy,
    generalized_cross_entropy,
    hardened,
    smoothed,
    squared,
)


def example(dtype=torch.float64):
    g = torch.Generator().manual_seed(0)
    output = 3 * torch.randn(4, 50, 3, generator=g, dtype=dtype)
    label = torch.randint(3, (4, 50), generator=g)
    return output, torch.nn.functional.one_hot(label, 3).to(dtype), label


def test_cross_entropy_agrees_with_torch():
    output, target, label = example()
    theirs = torch.nn.functional.cross_entropy(output.mT, label, reduction="none")
    torch.testing.assert_close(cross_entropy(output, target), theirs)


def test_squared_is_the_squared_distance():
    output, target, _ = example()
    torch.testing.assert_close(squared(output, target), (output - target).norm(dim=-1) ** 2)


def test_gce_known_ends():
    output, target, _ = example()
    p = (output.softmax(-1) * target).sum(-1)
    torch.testing.assert_close(generalized_cross_entropy(1.0)(output, target), 1 - p)
    torch.testing.assert_close(generalized_cross_entropy(0.7)(output, target), (1 - p**0.7) / 0.7)
    near_zero = generalized_cross_entropy(1e-9)(output, target)
    torch.testing.assert_close(near_zero, cross_entropy(output, target), rtol=1e-7, atol=1e-9)


def test_gce_keeps_its_digits_in_float32():
    output, target, _ = example(torch.float32)
    exact = generalized_cross_entropy(1e-6)(output.double(), target.double())
    ours = generalized_cross_entropy(1e-6)(output, target).double()
    # Relative for large losses, absolute for small ones: log_softmax itself is that exact.
    assert ((ours - exact) / exact.clamp_min(1)).abs().max() < 1e-6
    p = (output.softmax(-1) * target).sum(-1)
    textbook = ((1 - p**1e-6) / 1e-6).double()
    assert ((textbook - exact) / exact.clamp_min(1)).abs().max() > 0.01  # what the log form is for


@pytest.mark.parametrize("q", [-1.0, 1.5, float("nan"), torch.tensor([0.5, 2.0]), torch.eye(2)])
def test_gce_refuses_other_q(q):
    with pytest.raises(ValueError, match=r"q must lie in \[0, 1\], a number or \(h,\), got"):
        generalized_cross_entropy(q)


def test_each_head_has_its_own_q():
    output, target, _ = example()
    q = torch.tensor([0.0, 0.2, 0.7, 1.0])
    together = generalized_cross_entropy(q)(output, target)
    for i in range(4):
        alone = generalized_cross_entropy(float(q[i]))(output[i], target[i])
        torch.testing.assert_close(together[i], alone)
    some = generalized_cross_entropy(q).of(torch.tensor([3, 1]))
    torch.testing.assert_close(some(output[[3, 1]], target[[3, 1]]), together[[3, 1]])


LOSSES = {"cross-entropy": cross_entropy}
LOSSES |= {f"q = {q:g}": generalized_cross_entropy(q) for q in (0.0, 1e-6, 0.3, 1.0)}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_the_weight_is_minus_the_slope_of_a_concave_value(loss):
    log_p = torch.linspace(-20, -0.01, 200, dtype=torch.float64).requires_grad_()
    (slope,) = torch.autograd.grad(loss.value(log_p).sum(), log_p)
    torch.testing.assert_close(loss.weight(log_p), -slope)
    assert (slope <= 0).all()
    assert (slope.diff() <= 1e-15).all()  # concave: it falls no slower further on


@pytest.mark.parametrize("q", [0.0, 1e-12, 1e-6, 0.3, 1.0])
def test_the_solver_keeps_the_digits_of_the_loss_in_float32(q):
    """Against mpmath, at log-odds from a sure mistake to a sure hit."""
    z = torch.linspace(-12, 12, 97)
    mpmath.mp.dps = 40
    exact_q = mpmath.mpf(float(torch.tensor(q)))
    for label in (0, 1):
        one = torch.ones(1, 1, 1, 1)
        mass, theta = torch.full((1, 1, 1, 1), float(label)), torch.zeros(1, 1, 1, 1)
        loss = generalized_cross_entropy(torch.tensor(q))
        problem = Problem(one[0], mass, one, theta, loss)
        for value in z.tolist():
            got = float(problem.value(theta, torch.full((1, 1, 1, 1), value)))
            p = 1 / (1 + mpmath.exp(-mpmath.mpf(value) * (2 * label - 1)))
            exact = (1 - p**exact_q) / exact_q if q else -mpmath.log(p)
            assert abs(got - float(exact)) <= 1e-6 * max(1e-6, float(exact))


def test_smoothing_ends_at_the_label_and_at_ignorance():
    label = torch.nn.functional.one_hot(torch.tensor([[0, 2]]), 3).double()
    assert torch.equal(smoothed(label, 0.0), label)
    assert torch.allclose(smoothed(label, 1.0), torch.full_like(label, 1 / 3))
    assert torch.allclose(smoothed(label).sum(-1), torch.ones(1, 2).double())
    with pytest.raises(ValueError, match=r"amount must lie in \[0, 1\], got 1.5"):
        smoothed(label, 1.5)


def test_hardened_labels_fill_their_quota_whatever_the_bias():
    output = torch.randn(4, 50, 2, generator=torch.Generator().manual_seed(0))
    share = torch.tensor([0.0, 0.3, 0.5, 1.0])
    for shift in (0.0, 7.0):
        hard = hardened(output + torch.tensor([0.0, shift]), share)
        assert hard[..., 1].mean(-1).tolist() == pytest.approx(share.tolist())
    odds = (output[1, :, 1] - output[1, :, 0])[hard[1, :, 1] > 0]
    assert odds.min() > (output[1, :, 1] - output[1, :, 0])[hard[1, :, 1] == 0].max()
    with pytest.raises(ValueError, match="2 classes, got 3"):
        hardened(torch.ones(1, 2, 3), torch.ones(1))


def test_the_warm_up_is_continuous_at_its_corner():
    """The released code jumped here: from .05 to .5."""
    weights = [confidence_weight(step / 100, most=0.5, warm_up=0.2) for step in range(100)]
    assert weights[0] == 0
    assert weights[20:] == [0.5] * 80
    steps = [b - a for a, b in pairwise(weights)]
    assert max(steps) == pytest.approx(0.5 / 20)
    assert confidence_weight(0.0, most=0.5, warm_up=0.0) == 0.5
    told = confidence_weight(torch.arange(100) / 100, most=0.5, warm_up=0.2)
    torch.testing.assert_close(told, torch.tensor(weights))


def binary():
    output, target, _ = example()
    return output[..., :2].clone().requires_grad_(), smoothed(target[..., :2].softmax(-1), 0.1)


def test_auxiliary_confidence_is_cross_entropy_at_weight_0_and_self_training_at_1():
    output, target = binary()
    assert torch.equal(auxiliary_confidence(output, target, 0.0), cross_entropy(output, target))
    own = hardened(output, target[..., 1].mean(-1))
    assert torch.equal(auxiliary_confidence(output, target, 1.0), cross_entropy(output, own))
    assert not torch.equal(own, torch.nn.functional.one_hot(output.argmax(-1), 2).double())


def test_no_gradient_passes_through_the_students_own_labels():
    output, target = binary()
    (found,) = torch.autograd.grad(auxiliary_confidence(output, target, 0.4).sum(), output)
    constant = 0.6 * target + 0.4 * hardened(output, target[..., 1].mean(-1))
    torch.testing.assert_close(found, output.softmax(-1) - constant)


def test_auxiliary_confidence_of_many_runs_at_once():
    output, target = binary()
    weight = torch.tensor([0.0, 0.2, 0.5, 1.0], dtype=torch.float64)
    together = torch.func.vmap(auxiliary_confidence)(output, target, weight)
    for i in range(4):
        alone = auxiliary_confidence(output[i], target[i], float(weight[i]))
        torch.testing.assert_close(together[i], alone)
