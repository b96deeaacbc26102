"""Gain and misfit: against a slow projection, at known ends, and where the equality has to fail."""

import itertools
import math

import pytest
import torch
from assertions import assert_agrees

from w2s_tutorial.theory import misfit


def draw(*shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def slow_gain(strong, weak, target):
    """By an explicit least-squares head with a bias for each teacher."""
    x = torch.cat([strong, torch.ones(len(strong), 1, dtype=torch.float64)], 1)
    rows = []
    for one, right in zip(weak[..., 0], target[..., 0], strict=True):
        said = x @ torch.linalg.lstsq(x, one[:, None]).solution[:, 0]
        best = x @ torch.linalg.lstsq(x, right[:, None]).solution[:, 0]
        errors = [(a - b).square().mean() for a, b in ((one, right), (said, right), (said, one))]
        rows.append([errors[0] - errors[1], errors[2], (best - right).square().mean()])
    return torch.tensor(rows, dtype=torch.float64).T


def test_linear_gain_is_that_of_an_explicit_student():
    strong, weak, target = draw(30, 4), draw(5, 30, 1, seed=1) + 2, draw(5, 30, 1, seed=2)
    parts = misfit.linear_gain(strong, weak, target)
    gain, distance, best = slow_gain(strong, weak, target)
    torch.testing.assert_close(parts.gain, gain)
    torch.testing.assert_close(parts.misfit, distance)
    torch.testing.assert_close(parts.epsilon, best)
    torch.testing.assert_close(parts.gain, parts.misfit - 2 * parts.overlap)


def test_gain_is_misfit_in_the_class_and_not_outside():
    strong, weak = draw(50, 4), draw(3, 50, 1, seed=1)
    inside = (strong @ draw(4, 1, seed=2) + 1.5)[None]
    parts = misfit.linear_gain(strong, weak, inside.expand(3, 50, 1))
    weak_error = (weak - inside).square().mean((1, 2))
    promised = misfit.promised_error(weak_error, parts.misfit)
    torch.testing.assert_close(promised, weak_error - parts.gain)
    assert parts.epsilon.max() < 1e-20
    outside = misfit.linear_gain(strong, weak, inside + draw(3, 50, 1, seed=3))
    assert (outside.gain - outside.misfit).abs().min() > 1e-3
    limit = misfit.deviation_bound(outside.misfit, outside.epsilon)
    assert ((outside.gain - outside.misfit).abs() <= limit).all()


def test_rare_and_constant_features_count_as_they_should():
    strong = draw(40, 3) * torch.tensor([1e6, 1.0, 1e-6]).double()
    doubled = torch.cat([strong, strong[:, :1], torch.full((40, 1), 7.0).double()], 1)
    weak, target = draw(2, 40, 1, seed=1), draw(2, 40, 1, seed=2)
    one, other = (misfit.linear_gain(x, weak, target) for x in (strong, doubled))
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("offset", [1e2, 1e5, 1e8])
def test_an_offset_of_the_features_is_no_feature(offset):
    """With n <= d a student with a bias follows every teacher: nothing is refused."""
    x, weak = draw(20, 30), draw(4, 20, 1, seed=1)
    parts = misfit.linear_gain(x + offset, weak, weak + 1 + draw(4, 20, 1, seed=2))
    assert parts.misfit.max() < 1e-20
    assert (parts.gain - parts.misfit + 2 * parts.overlap).abs().max() < 1e-9
    basis = misfit._basis(x + offset)
    assert basis.shape == (20, 20)
    torch.testing.assert_close(basis.T @ basis, torch.eye(20, dtype=torch.float64))


def test_the_deviation_bound_is_reached():
    strong = torch.tensor([[1.0, 1, -1, -1]]).double().T
    refused = torch.tensor([1.0, -1, 1, -1]).double()
    for sign in (1, -1):
        weak, target = (
            (strong[:, 0] + refused)[None, :, None],
            (sign * 0.5 * refused)[None, :, None],
        )
        parts = misfit.linear_gain(strong, weak, target)
        limit = misfit.deviation_bound(parts.misfit, parts.epsilon)
        torch.testing.assert_close(parts.gain - parts.misfit, -sign * limit)


def test_independent_mistakes_cost_twice_epsilon_on_average():
    # weak = target + dice: the overlap's mean is then epsilon, so gain = misfit - 2 epsilon
    strong = draw(30, 3)
    target = draw(1, 30, 1, seed=1).expand(4000, 30, 1)
    parts = misfit.linear_gain(strong, target + 0.5 * draw(4000, 30, 1, seed=2), target)
    surplus = parts.gain - parts.misfit
    assert_agrees(surplus, -2 * float(parts.epsilon[0]))
    with pytest.raises(AssertionError, match="predicted"):
        assert_agrees(surplus, -float(parts.epsilon[0]))


def test_finite_sample_bound_has_its_ends():
    known = {"epsilon": 0.04, "n": 10_000, "complexity": 1.0, "delta": 0.1}
    assert misfit.finite_sample_bound(0.5, 0.2, **known, constants=(0, 0, 0)) == 0.3
    assert math.isclose(misfit.finite_sample_bound(0.5, 0.2, **known, constants=(1, 0, 0)), 0.5)
    assert math.isclose(misfit.finite_sample_bound(0.5, 0.2, **known, constants=(0, 1, 0)), 0.4)
    with pytest.raises(ValueError, match=r"delta in \(0, 1\)"):
        misfit.finite_sample_bound(0.5, 0.2, **{**known, "delta": 1.0}, constants=(0, 0, 0))
    with pytest.raises(ValueError, match="misfit must be finite"):
        misfit.finite_sample_bound(0.5, -0.2, **known, constants=(0, 0, 0))


def simplex(k, steps):
    points = itertools.product(range(steps + 1), repeat=k - 1)
    inside = [(*p, steps - sum(p)) for p in points if sum(p) <= steps]
    return torch.tensor(inside, dtype=torch.float64) / steps


@pytest.mark.parametrize(
    ("k", "steps", "seed"), [(2, 2000, 0), (3, 150, 1), (3, 150, 2), (4, 40, 3)]
)
def test_mixed_teachers_are_the_best_of_a_grid(k, steps, seed):
    strong, target = draw(60, 5, seed=seed), draw(60, seed=seed + 10)
    weak = target + draw(k, 60, seed=seed + 20) * torch.linspace(0.5, 1.5, k).double()[:, None]
    student = weak @ strong @ torch.linalg.pinv(strong)
    matrix, vector = misfit.promise_of_mixtures(weak, student, target)
    grid = simplex(k, steps)
    direct = [
        (((w @ weak) - target).square() - (w @ (weak - student)).square()).mean() for w in grid
    ]
    quadratic = (grid @ matrix * grid).sum(1) - 2 * grid @ vector
    torch.testing.assert_close(quadratic + target.square().mean(), torch.stack(direct))
    found = misfit.mix_teachers(matrix, vector)
    value = found @ matrix @ found - 2 * found @ vector
    assert found.min() >= 0
    assert math.isclose(found.sum(), 1)
    assert value <= quadratic.min() + 1e-9
    assert value >= quadratic.min() - 20 / steps**2 - 0.05 / steps


@pytest.mark.parametrize("best", [0, 1, 2])
def test_mixing_leaves_a_centre_that_only_looks_best(best):
    """On fresh examples the form need not be convex: here the centre is level, corners lower."""
    matrix = -torch.eye(3, dtype=torch.float64)
    matrix[best, best] = -1.2
    found = misfit.mix_teachers(matrix, matrix.diagonal() / 3)
    torch.testing.assert_close(found, torch.eye(3).double()[best], rtol=0, atol=1e-8)


@pytest.mark.parametrize("scale", [1e-9, 1e6])
def test_mixing_does_not_depend_on_the_unit(scale):
    weak = draw(4, 60, seed=3) + 1
    matrix = weak @ weak.T / 60
    vector = weak.mean(1)
    once = misfit.mix_teachers(matrix, vector)
    assert 0.01 < once.max() < 0.99
    torch.testing.assert_close(
        misfit.mix_teachers(scale * matrix, scale * vector), once, rtol=0, atol=1e-8
    )


def test_choice_prefers_the_refused_mistake():
    assert misfit.choose_teacher(torch.tensor([0.5, 0.6]), torch.tensor([0.0, 0.3])) == 1
    for bad in (torch.tensor([[0.1]]), torch.tensor([]), torch.tensor([math.nan])):
        with pytest.raises(ValueError, match=r"weak_error .*must be"):
            misfit.choose_teacher(bad, bad)


def test_bad_input_is_refused():
    x, y = draw(10, 2), draw(1, 10, 1)
    for call, message in (
        (lambda: misfit.linear_gain(x, y[:, :5], y), "strong must be"),
        (lambda: misfit.linear_gain(x, y, draw(2, 10, 1)), "target must match"),
        (lambda: misfit.linear_gain(x * math.nan, y, y), "strong must be finite"),
        (
            lambda: misfit.promised_error(y[0, 0, :1].square(), -y.new_ones(1)),
            "misfit must be finite",
        ),
        (lambda: misfit.mix_teachers(draw(2, 2), draw(3)), r"matrix must be \(k, k\)"),
        (lambda: misfit.mix_teachers(draw(2, 2), draw(2)), "symmetric"),
        (lambda: misfit.promise_of_mixtures(x.T, x, y[0, :, 0]), "student_output must"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
