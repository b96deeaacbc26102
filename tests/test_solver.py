"""Inside the logistic fits: curvatures, step lengths, precision and threads."""

import threading
import warnings

import pytest
import torch
from sklearn.exceptions import ConvergenceWarning

from w2s_tutorial.datasets import frozen
from w2s_tutorial.heads import Heads, _newton, _quasi_newton, fit_logistic, logistic
from w2s_tutorial.losses import cross_entropy, generalized_cross_entropy


def problem(n=200, d=6, m=2, b=1, l2=(0.1, 0.1), dtype=torch.float64, columns=None):
    """Two classes: features with their column of ones, labels, equal shares."""
    g = torch.Generator().manual_seed(0)
    x = torch.randn(b, n, d, generator=g, dtype=torch.float64)
    x = x if columns is None else x[..., columns]
    ones = torch.ones(b, n, 1, dtype=torch.float64)
    label = (x[..., :1] + torch.randn(b, n, m, generator=g, dtype=torch.float64) > 0).double()
    penalty = torch.zeros(b, m, 1, x.shape[-1] + 1, dtype=torch.float64)
    penalty[..., :-1] = torch.tensor(l2, dtype=torch.float64)[None, :, None, None]
    mass = label.mT[:, :, None] / n
    share = torch.full_like(mass, 1 / n)
    return _newton.Problem(torch.cat([x, ones], 2), mass, share, penalty, cross_entropy).to(dtype)


def curvature(given, z):
    """Hessian of the average head at outputs z, row by row in double: (d + 1, d + 1)."""
    p = z.double().sigmoid()[0, 0, 0]
    x = given.x[0].double()
    return sum(
        float(q * (1 - q)) / len(x) * torch.outer(row, row) for q, row in zip(p, x, strict=True)
    )


@pytest.mark.parametrize(("n", "d"), [(200, 6), (30, 50)])
@pytest.mark.parametrize("l2", [(0.1, 0.1), (0.1, 0.7)])
def test_the_first_curvature_is_that_of_the_average_head(n, d, l2):
    given = problem(n=n, d=d, l2=l2)
    mean = _quasi_newton._averaged(given)
    z = mean.outputs(torch.linspace(-0.5, 0.5, d + 1, dtype=torch.float64)[None, None, None])
    inverse, _ = _quasi_newton._inverse(mean, z, given.l2, None)
    whole = curvature(mean, z)
    v = torch.randn(1, 2, 1, d + 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    floor = 1e-6 * whole.diagonal().max() if n > d else 1e-5 * whole.trace()
    for i, penalty in enumerate(l2):
        exact = torch.linalg.solve(
            whole + (penalty + floor) * torch.eye(d + 1).double(), v[0, i, 0]
        )
        torch.testing.assert_close(inverse(v)[0, i, 0], exact, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("l2", "share"), [((1e-12, 1e-12), 1e-6), ((1e-12, 2e-12), 1e-7)])
def test_columns_that_repeat_keep_a_floor_that_single_precision_resolves(l2, share):
    """Heads of one penalty have a share of the largest diagonal entry, others of the eigenvalue."""
    given = problem(l2=l2, columns=[0, 0, 1, 1], dtype=torch.float32)
    mean = _quasi_newton._averaged(given)
    z = mean.outputs(torch.zeros(1, 1, 1, 5))
    inverse, _ = _quasi_newton._inverse(mean, z, given.l2, None)
    apart = torch.tensor([1.0, -1.0, 0.0, 0.0, 0.0]).expand(1, 2, 1, 5)
    stiffness = 2 / _newton.dot(apart, inverse(apart))
    whole = curvature(mean, z)
    largest = whole.diagonal().max() if l2[0] == l2[1] else torch.linalg.eigvalsh(whole).max()
    assert (stiffness > 0.7 * share * largest).all()  # not 1e-12, nor of either sign
    assert (stiffness < 2 * share * largest).all()


def minimum_of(given):
    start = torch.zeros(*given.mass.shape[:3], given.x.shape[-1], dtype=given.x.dtype)
    theta, largest = _newton.descend(given, start, 1e-12, 50)
    assert largest.max() < 1e-12
    return start, theta


@pytest.mark.parametrize(
    ("reach", "longest", "expected"),
    [(1.0, 32, 1.0), (0.1, 32, 8.0), (0.1, 1, 1.0), (0.01, 32, 32.0), (10.0, 32, 0.125)],
)
def test_newtons_steps_double_and_halve(reach, longest, expected):
    """reach: the share of the way to the minimum that a step of length 1 goes.

    Near its minimum a loss is a parabola: 8 and 16 of the ten tenths are on either side, 8 nearer.
    """
    given = problem(l2=(5.0, 5.0))
    start, end = minimum_of(given)
    direction, z = reach * (end - start), given.outputs(start)
    lengths = _newton._length(
        given, start, z, given.gradient(start), direction, given.outputs(direction), longest
    )
    assert lengths.flatten().tolist() == [expected] * 2


@pytest.mark.parametrize("reach", [0.5, 1.0, 5.0, 40.0])
def test_a_quasi_newton_step_ends_where_the_loss_hardly_rises(reach):
    given = problem()
    start, end = minimum_of(given)
    direction, z = reach * (end - start), given.outputs(start)
    gradient = given.gradient(start)
    length, slope = _quasi_newton._length(
        given, start, z, gradient, direction, given.outputs(direction)
    )
    there = start + length * direction
    assert (length == 1).all() if reach <= 1 else (length < 1).all()
    torch.testing.assert_close(slope, given.slopes(given.outputs(there))[0])
    fell, rises = (_newton.dot(g, direction) for g in (gradient, given.gradient(there)))
    assert (fell < 0).all()
    assert (rises <= 0.5 * fell.abs()).all()
    assert (given.value(there, given.outputs(there)) < given.value(start, z)).all()


def test_a_head_that_gave_up_a_class_loses_its_weights_and_keeps_its_bias():
    """At outputs of 400 neither class has any curvature or slope left: the penalty alone acts."""
    x = torch.linspace(-1, 1, 40)[:, None]
    target = torch.nn.functional.one_hot((x[:, 0] > 0.5).long(), 2)[None].float()
    start = Heads(torch.tensor([[[-0.5, 0.5]]]), torch.tensor([[[-200.0, 200.0]]]))
    loss = generalized_cross_entropy(1.0)
    heads = fit_logistic(x, target, l2=0.1, loss=loss, start=start)
    torch.testing.assert_close(heads.weight, torch.zeros(1, 1, 2), rtol=0, atol=2e-5)
    torch.testing.assert_close(heads.bias, start.bias)


def test_a_start_that_meets_no_curvature_is_left():
    """At outputs of 100 single precision sees none at all, but half of the labels pull."""
    x = torch.linspace(-1, 1, 40, dtype=torch.float64)[:, None]
    label = (torch.arange(40) * 7 % 10 + 4 * x[:, 0] > 4.5).long()
    target = torch.nn.functional.one_hot(label, 2)[None].double()
    bias = torch.tensor([[[-50.0, 50.0]]], dtype=torch.float64)
    heads = fit_logistic(x, target, l2=0.1, start=Heads(0 * bias, bias))
    expected = fit_logistic(x, target, l2=0.1)
    torch.testing.assert_close(heads.weight, expected.weight, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(heads.bias, expected.bias, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("span", [0, 1, 2, 3])
def test_single_precision_reaches_what_it_says(span):
    """Features of scales 10^-span to 10^span: solved, or said not to be."""
    g = torch.Generator().manual_seed(0)
    scale = torch.logspace(-span, span, 20)
    x = torch.randn(600, 20, generator=g)
    label = (x @ torch.randn(20, generator=g) + torch.randn(600, generator=g) > 0).long()
    target, x = torch.nn.functional.one_hot(label, 2)[None].float(), x * scale
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        heads = fit_logistic(x, target, l2=1e-2, tol=1e-6)
    p = (x.double() @ heads.weight[0].double() + heads.bias[0].double()).softmax(-1)
    slope = x.double().mT @ (p - target[0]) / 600 + 2e-2 * heads.weight[0].double()
    assert bool(said) == (float(slope.abs().max()) > 1e-6) == (span == 3)


@pytest.fixture
def threads():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def own_features():
    g = torch.Generator().manual_seed(0)
    x = torch.randn(7, 90, 5, generator=g)
    label = (x[..., 0] + torch.randn(7, 90, generator=g) > 0).long()
    return x, torch.nn.functional.one_hot(label, 2).float()


def test_heads_are_spread_over_threads_of_one_product_each(monkeypatch, threads):
    x, target = own_features()
    monkeypatch.setattr(logistic, "CACHE", 90 * 5 * 4)  # one head at a time
    plain, seen, both = logistic._solve, [], threading.Barrier(2, timeout=20)

    def solve(*arguments):
        seen.append((threading.get_ident(), torch.get_num_threads()))
        if len(seen) > 1:
            both.wait()  # six heads in pairs: it breaks unless two are under way at once
        return plain(*arguments)

    found = {}
    for count in (1, 2):
        threads(count)
        if count == 2:
            monkeypatch.setattr(logistic, "_solve", solve)
        found[count] = fit_logistic(x, target, l2=0.1)
        assert torch.get_num_threads() == count
    assert torch.equal(found[1].weight, found[2].weight)
    assert len({ident for ident, _ in seen}) == 3
    assert {products for _, products in seen} == {1}


def test_threads_are_given_back_by_a_fit_that_breaks(threads):
    x, target = own_features()
    threads(2)
    with pytest.raises(ValueError, match="l2 must be finite"):
        fit_logistic(x, target, l2=-1.0)
    assert torch.get_num_threads() == 2


def crowd():
    """Heads of three penalties on features that they share: most are solved before the last."""
    seen = frozen.waterdigits_features(["cnn"])
    sets = frozen.draw(seen, "cnn", "cnn", sizes={"labeled": 100}, minority={"labeled": 0.05},
                       heads=20, seed=0)  # fmt: skip
    sample = sets["labeled"]
    l2 = torch.tensor([0.01, 0.1, 1.0], dtype=sample.strong.dtype).repeat(20)
    return sample.strong, sample.target.expand(20, -1, -1).repeat_interleave(3, 0), l2


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_heads_that_are_solved_early_stay_where_they_are(dtype, monkeypatch):
    """Their last steps are so small that a square vanishes in single precision."""
    monkeypatch.setattr(logistic, "descend", None)  # the fast way needs no help
    x, target, l2 = (part.to(dtype) for part in crowd())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        together = fit_logistic(x, target, l2=l2, tol=1e-4)
    monkeypatch.undo()
    for head in range(60):
        alone = fit_logistic(
            x[head // 3].double(), target[head : head + 1].double(), l2=float(l2[head])
        )
        gap = (together.weight[head].double() - alone.weight[0]).norm()
        assert gap <= 33**0.5 * 1e-4 / float(l2[head]), head


def test_a_fast_way_that_gets_lost_is_left_to_newton(monkeypatch):
    x, target, l2 = (part.double() for part in crowd())
    expected = fit_logistic(x, target, l2=l2)

    def lost(given, *settings):
        theta, gradient = _quasi_newton.approach(given, *settings)
        theta[0, 0], gradient[0, 0] = torch.nan, torch.nan
        return theta, gradient

    monkeypatch.setattr(logistic, "approach", lost)
    found = fit_logistic(x, target, l2=l2)
    torch.testing.assert_close(found.weight, expected.weight, rtol=0, atol=1e-5)


def test_what_is_no_number_is_not_called_solved(monkeypatch):
    x, target, l2 = (part.double() for part in crowd())

    def lost(given, theta, tol, max_steps):
        return theta * torch.nan, torch.full(theta.shape[:2], torch.nan, dtype=theta.dtype)

    monkeypatch.setattr(logistic, "approach", lambda given, *_: lost(given, torch.zeros(
        *given.mass.shape[:3], given.x.shape[-1], dtype=torch.float64), 0, 0))  # fmt: skip
    monkeypatch.setattr(logistic, "descend", lost)
    with pytest.warns(ConvergenceWarning, match="60 of 60 heads"):
        fit_logistic(x, target, l2=l2)


@pytest.mark.parametrize("d", [6, 400])
@pytest.mark.parametrize("alike", [True, False])
def test_groups_of_heads_that_share_features_find_what_each_finds_alone(d, alike, threads):
    """Three groups, the last of one head; on two threads as on one, to the last digit."""
    g = torch.Generator().manual_seed(0)
    h = 2 * _quasi_newton.GROUP + 1
    x = torch.randn(120, d, generator=g, dtype=torch.float64)
    label = (x[:, 0] + torch.randn(h, 120, generator=g, dtype=torch.float64) > 0).long()
    target = torch.nn.functional.one_hot(label, 2)
    l2 = torch.full((h,), 0.1) if alike else torch.linspace(0.05, 0.5, h)
    found = {}
    for count in (1, 2):
        threads(count)
        found[count] = fit_logistic(x, target, l2=l2)
        assert torch.get_num_threads() == count
    assert torch.equal(found[1].weight, found[2].weight)
    for head in (0, 140, h - 1):
        alone = fit_logistic(x, target[head : head + 1], l2=float(l2[head]))
        torch.testing.assert_close(found[2].weight[head], alone.weight[0], rtol=0, atol=1e-6)


def test_groups_of_heads_are_spread_over_threads_of_one_product_each(monkeypatch, threads):
    plain, seen, both = _quasi_newton._lead, [], threading.Barrier(2, timeout=20)

    def lead(*arguments):
        seen.append(torch.get_num_threads())
        both.wait()  # it breaks unless two groups are under way at once
        return plain(*arguments)

    monkeypatch.setattr(_quasi_newton, "_lead", lead)
    monkeypatch.setattr(_quasi_newton, "GROUP", 3)
    monkeypatch.setattr(logistic, "GROUP", 3)
    x, target = own_features()
    threads(2)
    fit_logistic(x[0], target[:6], l2=0.1)
    assert seen == [1, 1]


def test_squares_are_summed_part_by_part(monkeypatch):
    x, weight = torch.arange(30.0).view(2, 5, 3), torch.arange(10.0).view(2, 5, 1)
    expected = (weight * x**2).sum(1)
    for entries in (1, 7, 100):
        monkeypatch.setattr(_quasi_newton, "PART", entries)
        torch.testing.assert_close(_quasi_newton.squares(x, weight), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("d", [4, 60])
@pytest.mark.parametrize("loss", [cross_entropy, generalized_cross_entropy(0.5)])
def test_features_whose_squares_overflow_are_refused(dtype, d, loss):
    g = torch.Generator().manual_seed(0)
    x = torch.randn(30, d, generator=g, dtype=dtype)
    target = torch.nn.functional.one_hot(torch.arange(30) % 2, 2)[None]
    with pytest.raises(ValueError, match="x must have a scale"):
        fit_logistic(1e25 * x, target, l2=0.1, loss=loss)
