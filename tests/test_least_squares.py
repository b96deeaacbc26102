from functools import partial

import numpy as np
import pytest
import scipy.linalg
import torch
from sklearn.linear_model import Ridge

from w2s_tutorial.heads import fit_in_ball, fit_ridge, fit_ridgeless


def features(kind: str) -> torch.Tensor:
    g = torch.Generator().manual_seed(3)
    n, d = {"n < d": (20, 35), "n = d": (25, 25)}.get(kind, (60, 12))
    x = torch.randn(n, d, generator=g, dtype=torch.float64)
    if kind == "rank-deficient":
        x[:, 6:] = x[:, :6] @ torch.randn(6, 6, generator=g, dtype=torch.float64)
    if kind == "constant columns":
        x[:, 3], x[:, 7] = 5.0, 1e6
    if kind == "scales":
        x = x * torch.logspace(-3, 3, d, dtype=torch.float64)
    if kind == "constant column among scales":
        x = x * torch.logspace(-3, 3, d, dtype=torch.float64)
        x[:, 0] = 0.1
    return x


KINDS = ["n < d", "n = d", "n > d", "rank-deficient", "constant columns", "scales"]
KINDS += ["constant column among scales"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("own", [False, True])
def test_residuals_agree_with_scipy(kind, own):
    """Against LAPACK's gelsd on exactly centred features, head by head."""
    x = features(kind)
    y = torch.randn(4, len(x), 2, generator=torch.Generator().manual_seed(0)).double()
    y = y + x.sum(-1, keepdim=True)
    heads = fit_ridgeless(x.expand(4, *x.shape) if own else x, y)
    ours = heads(x) - y
    constant = (x == x[0]).all(0)
    centered = np.where(constant, 0, (x - x.mean(0)).numpy())
    for i in range(4):
        target = (y[i] - y[i].mean(0)).numpy()
        solution = scipy.linalg.lstsq(centered, target, lapack_driver="gelsd")[0]
        theirs = centered @ solution - target
        scale = np.linalg.norm(target)
        assert np.linalg.norm(ours[i].numpy() - theirs) / scale < 1e-8
        size = np.linalg.norm(solution)
        assert np.linalg.norm(heads.weight[i].numpy()) < size * (1 + 1e-6)  # minimum norm


def test_interpolates_when_features_outnumber_examples():
    x = features("n < d")
    y = torch.randn(3, 20, 1, generator=torch.Generator().manual_seed(0)).double()
    torch.testing.assert_close(fit_ridgeless(x, y)(x), y, atol=1e-10, rtol=0)


@pytest.mark.parametrize("kind", ["n < d", "n > d", "rank-deficient"])
def test_ridge_agrees_with_scikit_learn(kind):
    x = features(kind)
    y = torch.randn(2, len(x), 3, generator=torch.Generator().manual_seed(0)).double() + 2
    heads = fit_ridge(x, y, l2=0.06)
    for i in range(2):
        model = Ridge(alpha=0.03 * len(x)).fit(x.numpy(), y[i].numpy())
        np.testing.assert_allclose(heads.weight[i].numpy().T, model.coef_, rtol=1e-7, atol=1e-9)
        np.testing.assert_allclose(heads.bias[i, 0].numpy(), model.intercept_, rtol=1e-7)


def test_ridge_tends_to_ridgeless():
    x = features("n < d")
    y = torch.randn(1, 20, 1, generator=torch.Generator().manual_seed(0)).double()
    limit = fit_ridgeless(x, y).weight
    torch.testing.assert_close(fit_ridge(x, y, l2=2e-12).weight, limit, atol=1e-8, rtol=1e-6)
    assert (fit_ridge(x, y, l2=2.0).weight - limit).abs().max() > 0.01


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("offset", [1e2, 1e4, 1e6, 1e8])
@pytest.mark.parametrize(("n", "d"), [(20, 30), (25, 25), (200, 230)])
def test_an_offset_of_the_features_is_no_feature(n, d, offset, dtype):
    """n examples, centred, span n - 1 directions however far from zero they lie."""
    g = torch.Generator().manual_seed(1)
    away = offset * torch.randn(d, generator=g, dtype=torch.float64).sign()
    # Single precision near 1e8 counts in eights: there the features must vary by more.
    x = max(1.0, 1e3 * torch.finfo(dtype).eps * offset) * torch.randn(
        n, d, generator=g, dtype=torch.float64
    )
    x = (x + away).to(dtype)
    near = x.double() - away  # exact
    y = torch.randn(3, n, 2, generator=g, dtype=torch.float64)
    for fit in (fit_ridgeless, partial(fit_in_ball, radius=1e9), partial(fit_ridge, l2=1e-3)):
        far, expected = fit(x, y), fit(near, y)
        size = expected.weight.norm()
        assert (far.weight - expected.weight).norm() < 1e-7 * size
        assert (far(x) - expected(near)).abs().max() < 1e-15 * d * offset * max(1, size)
    once = near - near.mean(0)
    u, s, vt = torch.linalg.svd(once, full_matrices=False)
    known = vt[: n - 1].T @ ((u.T @ y)[:, : n - 1] / s[: n - 1, None])
    assert (fit_ridgeless(x, y).weight - known).norm() < 1e-7 * known.norm()


def test_constant_features_say_nothing():
    """Not even where no other feature sets a scale beside which their rounding is small."""
    x = torch.tensor([0.1, 1e8, 3.3], dtype=torch.float64).expand(29, 3)
    y = torch.randn(2, 29, 1, generator=torch.Generator().manual_seed(0)).double()
    for fit in (fit_ridgeless, partial(fit_in_ball, radius=1e9)):
        heads = fit(x, y)
        assert (heads.weight == 0).all()
        torch.testing.assert_close(heads.bias, y.mean(1, keepdim=True))


def test_bad_input_is_named():
    x, y = torch.randn(5, 2), torch.randn(1, 5, 1)
    with pytest.raises(ValueError, match="l2 must be finite and exceed 0, got 0"):
        fit_ridge(x, y, l2=0)
    with pytest.raises(ValueError, match="x must be finite"):
        fit_ridgeless(x * torch.nan, y)
    with pytest.raises(ValueError, match="x must list target's 5 examples"):
        fit_ridgeless(x[:4], y)
