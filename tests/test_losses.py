import mpmath
import pytest
import torch

from w2s_tutorial.heads._newton import Problem
from w2s_tutorial.losses import cross_entropy, generalized_cross_entropy, squared


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
