"""The batched solver of generalised cross-entropy against slow ones, its ends, and its promises."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.exceptions import ConvergenceWarning

from w2s_tutorial.heads import Heads, fit_logistic
from w2s_tutorial.losses import generalized_cross_entropy


def noisy(b=2, n=120, d=5, c=2, wrong=0.2, seed=0):
    """Features (b, n, d) and one-hot labels (b, n, c), a share of them wrong."""
    g = torch.Generator().manual_seed(seed)
    x = torch.randn(b, n, d, generator=g, dtype=torch.float64) + 0.3
    truth = torch.randn(b, d, c, generator=g, dtype=torch.float64)
    label = (x @ truth).argmax(-1)
    flip = torch.rand(b, n, generator=g) < wrong
    label = torch.where(flip, (label + 1) % c, label)
    return x, torch.nn.functional.one_hot(label, c).double()


def fit_generalized(x, target, *, q, **options):
    return fit_logistic(x, target, loss=generalized_cross_entropy(q), **options)


def objective(heads, x, target, q, l2, weight=None):
    """The slow, obvious formula, (h,)."""
    h = len(target)
    weight = torch.ones(h, x.shape[-2], dtype=torch.float64) if weight is None else weight.double()
    mean = (generalized_cross_entropy(q)(heads(x), target) * weight).sum(-1) / weight.sum(-1)
    w = heads.weight
    size = (w[..., 1] - w[..., 0]).square().sum(-1) if w.shape[-1] == 2 else w.square().sum((1, 2))
    return mean + l2 / 2 * size


@pytest.mark.parametrize("c", [2, 3])
@pytest.mark.parametrize("shared", [True, False])
def test_q_0_is_logistic_regression(c, shared):
    x, target = noisy(c=c)
    if shared:
        x = x[0]
    keep = torch.rand(target.shape[:2], generator=torch.Generator().manual_seed(1)) < 0.7
    l2 = torch.tensor([0.03, 0.3], dtype=torch.float64)
    ours = fit_generalized(x, target, q=0.0, l2=l2, example_weight=keep)
    theirs = fit_logistic(x, target, l2=l2, example_weight=keep)
    torch.testing.assert_close(ours.weight, theirs.weight, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours.bias - ours.bias.mean(-1, keepdim=True),
                               theirs.bias - theirs.bias.mean(-1, keepdim=True),
                               rtol=1e-5, atol=1e-6)  # fmt: skip


@pytest.mark.parametrize("c", [2, 3])
@pytest.mark.parametrize("q", [0.3, 0.7, 1.0])
def test_against_a_slow_solver_from_zero(q, c):
    x, target = noisy(b=1, c=c, seed=1)
    ours = fit_generalized(x, target, q=q, l2=0.05)

    def slow(theta):
        theta = torch.tensor(theta, requires_grad=True)
        heads = Heads(theta[: 5 * c].view(1, 5, c), theta[5 * c :].view(1, 1, c))
        value = objective(heads, x, target, q, 0.05).sum()
        value.backward()
        return value.item(), theta.grad.numpy()

    found = minimize(slow, np.zeros(6 * c), jac=True, method="BFGS", options={"gtol": 1e-9})
    assert abs(float(objective(ours, x, target, q, 0.05)) - found.fun) < 1e-9
    weight = torch.tensor(found.x[: 5 * c]).view(5, c)
    gap = (ours.weight[0] - ours.weight[0].mean(-1, keepdim=True)) - (
        weight - weight.mean(-1, keepdim=True)
    )
    assert gap.abs().max() < 1e-5
    vanilla = fit_generalized(x, target, q=0.0, l2=0.05)
    assert objective(vanilla, x, target, q, 0.05) > found.fun + 1e-4  # another loss, another answer


def test_heads_do_not_interact():
    """A head ends where it would alone, whoever shares its block; blocks are features apart."""
    x, target = noisy(b=2)
    q, l2 = torch.tensor([0.0, 1.0, 0.7]), torch.tensor([1.0, 0.003, 0.1])
    repeated = target.repeat_interleave(3, 0)
    together = fit_generalized(x, repeated, q=q.repeat(2), l2=l2.repeat(2))
    for i in range(6):
        block = slice(i // 3, i // 3 + 1)
        alone = fit_generalized(
            x[block], repeated[i : i + 1], q=float(q[i % 3]), l2=float(l2[i % 3])
        )
        torch.testing.assert_close(together.weight[i], alone.weight[0], rtol=1e-4, atol=1e-5)
    assert (together.weight[0] - together.weight[3]).abs().max() > 0.1


def test_every_step_goes_downhill():
    x, target = noisy(b=1, wrong=0.35)
    g = torch.Generator().manual_seed(3)
    weight = 6 * torch.randn(4, 5, 2, generator=g, dtype=torch.float64)
    start = Heads(weight, torch.zeros(4, 1, 2, dtype=torch.float64))
    many = target.repeat(4, 1, 1)
    before = objective(start, x, many, 1.0, 0.001)
    for steps in (1, 3, 30):
        options = {"q": 1.0, "l2": 0.001, "start": start, "max_steps": steps, "tol": 0.0}
        after = objective(fit_generalized(x, many, **options), x, many, 1.0, 0.001)
        assert (after <= before + 1e-12).all()
        before = after


def test_where_it_starts_decides_between_two_minima():
    """60 of 100 want a large weight, 40 loudly a negative one: q = 1 can obey either, q = 0 not."""
    x = torch.cat([torch.full((30,), 0.1), torch.full((20,), 10.0)]).double()
    x = torch.cat([x, -x])[None, :, None]
    wants = torch.tensor([1] * 30 + [0] * 20 + [0] * 30 + [1] * 20)
    target = torch.nn.functional.one_hot(wants, 2)[None].double()
    bias = torch.zeros(1, 1, 2, dtype=torch.float64)
    for q, apart in ((1.0, True), (0.0, False)):
        found = []
        for side in (-0.5, 20.0):
            weight = side * torch.tensor([[[-1.0, 1.0]]], dtype=torch.float64)
            heads = fit_generalized(x, target, q=q, l2=1e-6, start=Heads(weight, bias), tol=1e-7)
            found.append(heads.weight[0, 0, 1])
        assert (found[0] * found[1] < 0) == apart


def test_the_order_of_the_examples_does_not_matter():
    x, target = noisy(b=1)
    order = torch.randperm(x.shape[1], generator=torch.Generator().manual_seed(4))
    first = fit_generalized(x, target, q=0.7, l2=0.1)
    second = fit_generalized(x[:, order], target[:, order], q=0.7, l2=0.1)
    torch.testing.assert_close(first.weight, second.weight, rtol=1e-5, atol=1e-6)
    third = fit_generalized(x[:, order], target, q=0.7, l2=0.1)
    assert (first.weight - third.weight).abs().max() > 0.1


def test_single_precision_is_close():
    x, target = noisy()
    double = fit_generalized(x, target, q=0.7, l2=0.1)
    single = fit_generalized(x.float(), target.float(), q=0.7, l2=0.1)
    assert single.weight.dtype == torch.float32
    torch.testing.assert_close(single.weight.double(), double.weight, rtol=1e-3, atol=1e-3)


def test_gce_forgives_labels_that_cross_entropy_obeys():
    x, _ = noisy(b=1, n=400)
    label = (x[..., 0] > 0).long()
    far = x[..., 0] > 1.5  # on one side the far ones are all mislabelled
    wrong = torch.nn.functional.one_hot(torch.where(far, 0, label), 2).double()
    right = [
        (fit_generalized(x, wrong, q=q, l2=0.01)(x).argmax(-1) == label).double().mean()
        for q in (0.0, 1.0)
    ]
    assert right[1] > right[0] + 0.05


def test_what_did_not_converge_is_said_unless_nobody_asks():
    x, target = noisy()
    with pytest.warns(ConvergenceWarning, match="2 of 2 heads stopped"):
        fit_generalized(x, target, q=0.7, l2=0.01, max_steps=1)
    fit_generalized(x, target, q=0.7, l2=0.01, max_steps=1, tol=0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"q": 1.5}, r"q must lie in \[0, 1\], .* got 1.5"),
        ({"q": float("nan")}, r"q must lie in \[0, 1\]"),
        ({"l2": 0.0}, "l2 must be finite and exceed 0, got 0"),
        ({"x": torch.ones(3, 120, 5)}, "as many blocks as divide 2 heads, got 3"),
        ({"x": torch.ones(2, 119, 5)}, "x must list target's 120 examples"),
        ({"target": torch.ones(2, 120, 2)}, "must hold label distributions"),
        ({"example_weight": torch.zeros(2, 120)}, "leaves no training example"),
        ({"start": Heads(torch.zeros(1, 5, 2), torch.zeros(1, 1, 2))}, "start must hold weights"),
    ],
)
def test_refusals(change, message):
    x, target = noisy()
    given = {"x": x, "target": target, "q": 0.5, "l2": 0.1, **change}
    with pytest.raises(ValueError, match=message):
        fit_generalized(given.pop("x"), given.pop("target"), **given)


def test_a_head_without_a_class_is_named():
    x, target = noisy()
    only = target[..., 0] > 0
    only[0] = True
    heads = fit_generalized(x, target, q=0.5, l2=0.1, example_weight=only)
    assert heads.failed == {1: "its target shows it no example of class 1"}
    assert heads.weight[0].isfinite().all()


def test_a_head_that_gives_up_a_class_stays_finite_beside_one_that_works():
    """At q = 1 under a strong penalty the rare class is abandoned: its bias runs away."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(2, 80, 20, generator=g)
    target = torch.nn.functional.one_hot((torch.arange(80) < 4).long().expand(4, 80), 2).float()
    q, l2 = torch.tensor([1.0, 0.0]).repeat(2), torch.tensor([1.0, 1e-4]).repeat(2)
    heads = fit_generalized(x, target, q=q, l2=l2, tol=1e-4)
    assert heads.weight.isfinite().all()
    assert heads.bias.isfinite().all()
    alone = fit_generalized(x, target[::2], q=1.0, l2=1.0, tol=1e-4, max_steps=300)
    assert alone.bias.isfinite().all()
    named = heads(x).argmax(-1).sum(-1)
    assert (named[[0, 2]] == 0).all()
    assert (named[[1, 3]] > 0).all()
