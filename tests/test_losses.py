import pytest
import torch

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


@pytest.mark.parametrize("q", [0.0, -1.0, 1.5, float("nan")])
def test_gce_refuses_other_q(q):
    with pytest.raises(ValueError, match=r"q must lie in \(0, 1\]"):
        generalized_cross_entropy(q)
