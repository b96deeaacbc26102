from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from w2s_tutorial.heads import fit_in_ball, fit_logistic, fit_ridge, fit_ridgeless
from w2s_tutorial.heads.linear import Heads, apply, fit_gradient
from w2s_tutorial.losses import cross_entropy, generalized_cross_entropy, squared


def problem(h=5, n=40, d=3, c=2, *, own=False, seed=0):
    g = torch.Generator().manual_seed(seed)
    x = torch.randn((h, n, d) if own else (n, d), generator=g, dtype=torch.float64)
    label = torch.randint(c, (h, n), generator=g)
    return x, torch.nn.functional.one_hot(label, c).double(), g


@pytest.mark.parametrize("own", [False, True])
def test_apply_is_one_product_per_head(own):
    x, _, g = problem(own=own)
    v = torch.randn(5, 3, 4, generator=g, dtype=torch.float64)
    slow = torch.stack([(x[i] if own else x) @ v[i] for i in range(5)])
    torch.testing.assert_close(apply(x, v), slow, rtol=1e-12, atol=1e-12)


def test_heads_add_their_own_bias():
    heads = Heads(torch.zeros(2, 3, 1), torch.tensor([1.0, 2.0]).view(2, 1, 1))
    assert heads(torch.ones(4, 3)).squeeze(-1).tolist() == [[1.0] * 4, [2.0] * 4]


@pytest.mark.parametrize("own", [False, True])
def test_heads_do_not_interact(own):
    """Fitting head 2 alone gives the same numbers to the last bit of float64's noise."""
    x, target, g = problem(own=own)
    weight = torch.rand(5, 40, generator=g) < 0.5
    settings_ = {"steps": 50, "lr": 0.05, "weight_decay": 0.1}
    together = fit_gradient(x, target, cross_entropy, example_weight=weight, **settings_)
    alone = fit_gradient(
        x[2:3] if own else x, target[2:3], cross_entropy, example_weight=weight[2:3], **settings_
    )
    torch.testing.assert_close(together.weight[2:3], alone.weight, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(together.bias[2:3], alone.bias, rtol=1e-10, atol=1e-12)


def test_features_may_come_from_an_inference_mode():
    x, target, _ = problem(h=2)
    with torch.inference_mode():
        features, soft = x + 0, target + 0
    found = fit_gradient(features, soft, squared, steps=3, lr=0.1)
    assert torch.equal(found.weight, fit_gradient(x, target, squared, steps=3, lr=0.1).weight)


def test_masked_examples_do_not_count():
    x, target, _ = problem(h=2)
    keep = torch.ones(2, 40, dtype=torch.bool)
    keep[:, 30:] = False
    masked = fit_gradient(x, target, squared, steps=30, lr=0.1, example_weight=keep)
    cut = fit_gradient(x[:30], target[:, :30], squared, steps=30, lr=0.1)
    torch.testing.assert_close(masked.weight, cut.weight)
    whole = fit_gradient(x, target, squared, steps=30, lr=0.1)
    assert (whole.weight - cut.weight).abs().max() > 1e-3  # the mask did something


def test_gradient_descent_reaches_least_squares():
    x, target, _ = problem(h=3, d=2)
    heads = fit_gradient(x, target, squared, steps=3000, lr=0.01)
    x1 = torch.cat([x, torch.ones(40, 1, dtype=x.dtype)], 1)
    exact = torch.linalg.lstsq(x1, target[1]).solution
    torch.testing.assert_close(heads.weight[1], exact[:2], atol=1e-6, rtol=1e-6)


def test_weight_decay_is_that_of_a_plain_loop():
    x, target, _ = problem(h=2)
    ours = fit_gradient(x, target, cross_entropy, steps=40, lr=0.05, weight_decay=0.5)
    layer = torch.nn.Linear(3, 2, dtype=torch.float64)
    torch.nn.init.zeros_(layer.weight)
    torch.nn.init.zeros_(layer.bias)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=0.05, weight_decay=0.5)
    for _ in range(40):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(layer(x), target[1]).backward()
        optimizer.step()
    torch.testing.assert_close(ours.weight[1], layer.weight.T)
    torch.testing.assert_close(ours.bias[1, 0], layer.bias)


def test_start_continues_a_fit():
    x, target, _ = problem()
    first = fit_gradient(x, target, cross_entropy, steps=200, lr=0.05)
    kept = first.weight.clone()
    more = fit_gradient(x, target, cross_entropy, steps=1, lr=1e-9, start=first)
    torch.testing.assert_close(more.weight, first.weight, atol=1e-8, rtol=0)
    assert torch.equal(first.weight, kept)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x, t: (x[:-1], t, None), r"x must list target's 40 examples, got shape \(39, 3\)"),
        (lambda x, t: (x, t[0], None), r"target must be \(h, n, c\), got shape \(40, 2\)"),
        (lambda x, t: (x.expand(4, 40, 3), t, None), "x must hold target's 5 heads, got 4"),
        (lambda x, t: (x[:0], t[:, :0], None), "x needs at least 1 example"),
        (lambda x, t: (x[:, :0], t, None), "x needs at least 1 example and 1 feature"),
        (lambda x, t: (x / 0, t, None), "x must be finite"),
        (lambda x, t: (x, t * torch.nan, None), "target must be finite"),
        (lambda x, t: (x, t, torch.ones(5, 39)), r"example_weight must be \(h, n\) = \(5, 40\)"),
        (lambda x, t: (x, t, -torch.ones(5, 40)), "example_weight must be finite and at least 0"),
        (
            lambda x, t: (x, t, torch.eye(5, 40) * torch.tensor([1.0, 0, 1, 0, 1])[:, None]),
            r"example_weight leaves no training example for heads \[1, 3\]",
        ),
    ],
)
def test_bad_input_is_named(change, message):
    x, target, weight = change(*problem()[:2])
    with pytest.raises(ValueError, match=message):
        fit_gradient(x, target, squared, steps=1, lr=0.1, example_weight=weight)


def test_divergence_is_reported():
    x, target, _ = problem()
    with pytest.raises(ValueError, match="diverged at lr"):
        fit_gradient(x, target, lambda o, t: squared(o, t).exp(), steps=50, lr=1e6)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 5), st.integers(1, 4), st.booleans())
def test_any_shape_fits(h, n, d, c, own):
    g = torch.Generator().manual_seed(h * 1000 + n * 100 + d * 10 + c)
    x = torch.randn((h, n, d) if own else (n, d), generator=g)
    heads = fit_gradient(x, torch.randn(h, n, c, generator=g), squared, steps=2, lr=0.1)
    assert heads.weight.shape == (h, d, c)
    assert heads(x).shape == (h, n, c)
    assert len(heads) == h


DTYPES = [torch.float16, torch.float32, torch.float64]


@pytest.mark.parametrize("seen", DTYPES)
@pytest.mark.parametrize("fitted", DTYPES)
def test_heads_compute_in_the_wider_dtype(seen, fitted):
    x, _, g = problem()
    weight = torch.randn(5, 3, 2, generator=g, dtype=torch.float64).to(fitted)
    heads = Heads(weight, torch.ones(5, 1, 2, dtype=fitted))
    wide = Heads(weight.double(), torch.ones(5, 1, 2, dtype=torch.float64))
    output = heads(x.to(seen))
    dtype = max(seen, fitted, key=lambda d: torch.finfo(d).bits)
    assert output.dtype == dtype
    rounding = 4 * torch.finfo(dtype).eps
    torch.testing.assert_close(
        output.double(), wide(x.to(seen).double()), rtol=rounding, atol=rounding
    )


FITS = {
    "logistic": partial(fit_logistic, l2=0.1),
    "generalized": partial(fit_logistic, loss=generalized_cross_entropy(0.5), l2=0.1),
    "ridge": partial(fit_ridge, l2=0.1),
    "ridgeless": fit_ridgeless,
    "ball": partial(fit_in_ball, radius=0.1),
    "gradient": partial(fit_gradient, loss=cross_entropy, steps=50, lr=0.05),
}


@pytest.mark.parametrize("fit", FITS.values(), ids=FITS)
@pytest.mark.parametrize(
    ("seen", "said"),
    [(torch.float32, torch.int64), (torch.float16, torch.float64), (torch.float64, torch.bool),
     (torch.float32, torch.float64), (torch.float64, torch.float32)],
)  # fmt: skip
def test_dtypes_need_not_meet(fit, seen, said):
    """Integer one-hot, half features, single beside double: the answer of float64 throughout."""
    x, target, _ = problem()
    x = x.half()  # the same numbers in every dtype
    heads = fit(x.to(seen), target.to(said))
    exact = fit(x.double(), target)
    wider = torch.promote_types(torch.promote_types(seen, said), torch.float32)
    close = 1e-3 if wider == torch.float32 else 1e-5
    assert (heads.weight - exact.weight).abs().max() < close * exact.weight.abs().max()
    torch.testing.assert_close(heads(x).double(), exact(x.double()), rtol=1e-2, atol=1e-3)


def test_what_is_no_real_tensor_is_refused():
    x, target, _ = problem()
    for fit in FITS.values():
        with pytest.raises(TypeError, match=r"x must be a torch\.Tensor, got ndarray"):
            fit(x.numpy(), target)
        with pytest.raises(
            TypeError, match=r"target must hold real numbers, got torch\.complex128"
        ):
            fit(x, target.to(torch.complex128))
