"""The simulation against fits to drawn labels; the theory against the simulation.

The limit's error falls as 1/d_core. Twice the mean risk at 2 d_core minus that at d_core removes
it, so that limit and simulation are compared at the simulation's own standard error, not at a
tolerance.
"""

from dataclasses import replace

import pytest
import torch
from spurious_cases import aligned, generator, in_general_position, per_label

from w2s_tutorial.problems import Risks
from w2s_tutorial.simulation.spurious import simulate
from w2s_tutorial.theory import spurious
from w2s_tutorial.theory.spurious_leading import leading_order_risks, published_risks

READINGS = ["mean", "mixture"]


def axis(*values):
    return torch.tensor(values, dtype=torch.float64)


SURFACE = {
    "minority_labeled": axis(0.1, 0.5)[:, None, None],
    "minority_pool": axis(0.1, 0.3, 0.5)[:, None],
    "minority_test": axis(0.0, 0.5, 1.0),
}
CASES = {
    "few data": {"used": 0.25, "pool_used": 0.15},
    "large separation": {
        "overlap": 0.2,
        "separation_weak": 30.0,
        "separation_strong": 2.0,
        "used": 0.1,
        "pool_used": 0.06,
    },
    "wide student": {
        "p_weak": 3,
        "p_strong": 4,
        "overlap": 1.5,
        "separation_weak": 9.0,
        "separation_strong": 9.0,
        "used": 0.2,
        "pool_used": 0.3,
    },
}


def z_scores(measured, error, predicted):
    """Standard errors between measured and predicted, for every role and setting."""
    rows = zip(measured, error, predicted, strict=True)
    return torch.stack([((m - p) / e).flatten() for m, e, p in rows])


def mean_and_error(risks):
    return [r.mean(0) for r in risks], [r.std(0) / len(r) ** 0.5 for r in risks]


def without_finite_size(case, reading, *, trials, d_core=12):
    """Mean risk and standard error at d_core -> infinity, per label and unit of noise."""
    means, errors = [], []
    for scale in (1, 2):
        problem = aligned(**case, **SURFACE, reading=reading, d_core=scale * d_core)
        risks = simulate(problem, trials=trials // scale, generator=generator(scale))
        mean, error = mean_and_error(risks)
        means.append(torch.stack(mean) / per_label(problem))
        errors.append(torch.stack(error) / per_label(problem))
    error = (4 * errors[1].square() + errors[0].square()).sqrt()
    return 2 * means[1] - means[0], error, means[0], errors[0]


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("name", CASES)
def test_limit_agrees_with_simulation(name, reading):
    """18 settings each, four roles: 108 settings in all."""
    other_reading = {"mean": "mixture", "mixture": "mean"}[reading]
    problems = [aligned(**CASES[name], **SURFACE, reading=r) for r in (reading, other_reading)]
    predicted, other = (torch.stack(spurious.risks(p)) / per_label(p) for p in problems)
    mean, error, small, small_error = without_finite_size(CASES[name], reading, trials=300)
    assert (error / mean).max() < 0.025  # a formula that is 10 % off anywhere would show
    assert z_scores(mean, error, predicted).abs().max() < 4
    # Controls: the other reading, and a small d_core left as it is.
    assert z_scores(mean, error, other).abs().max() > 4
    assert z_scores(small, small_error, predicted).abs().max() > 4


@pytest.mark.parametrize("reading", READINGS)
def test_distance_from_the_limit_falls_as_one_over_d_core(reading):
    scaled = []
    for d_core, trials in ((4, 3000), (8, 1500), (16, 400)):
        problem = aligned(0.25, 0.15, d_core, minority_pool=0.5, reading=reading)
        limit = spurious.risks(problem)
        mean, error = mean_and_error(simulate(problem, trials=trials, generator=generator(d_core)))
        rows = zip(mean, error, limit, strict=True)
        scaled.append([(d_core * (m / p - 1), d_core * e / p) for m, e, p in rows])
    coarse, middle, fine = (dict(zip(Risks._fields, rows, strict=True)) for rows in scaled)
    for role in Risks._fields:
        (a, a_error), (b, b_error), (c, c_error) = coarse[role], middle[role], fine[role]
        assert b > 4 * b_error  # the distance is there: without it the next lines say nothing
        assert abs(b - c) < 4 * (b_error**2 + c_error**2) ** 0.5
        # Control: were it of order 1/d_core^2, the scaled distance would halve.
        assert abs(a / 2 - b) > 4 * (a_error**2 / 4 + b_error**2) ** 0.5


def published_over_simulated(used, reading, **changes):
    problem = aligned(used, 0.6 * used, 16, reading=reading, **changes)
    mean, error = mean_and_error(simulate(problem, trials=100, generator=generator()))
    predicted = published_risks(problem)
    assert float(error[0] / mean[0]) < 0.01
    return float(predicted.weak / mean[0]), float(predicted.student / mean[1])


def test_quoted_theorem_holds_when_data_are_plentiful_and_departs_with_fewer():
    weak, student = zip(
        *(published_over_simulated(u, "mean") for u in (0.01, 0.1, 0.25)), strict=True
    )
    assert weak[0] == pytest.approx(1, abs=0.03)
    assert student[0] == pytest.approx(1, abs=0.03)
    assert weak[0] > weak[1] > weak[2]
    assert student[0] > student[1] > student[2]
    assert weak[2] < 0.75
    assert student[2] < 0.75


def test_quoted_theorem_fails_for_a_mixture_however_plentiful_the_data():
    """Under it the student loses to its teacher; the mixture's student wins by far."""
    setting = {
        "overlap": 0.2,
        "separation_weak": 30.0,
        "minority_labeled": 0.5,
        "minority_pool": 0.1,
    }
    problem = aligned(0.01, 0.006, 16, reading="mixture", **setting)
    mean, error = mean_and_error(simulate(problem, trials=60, generator=generator()))
    quoted, leading = published_risks(problem), leading_order_risks(problem)
    assert quoted.student > quoted.weak
    assert mean[1] + 4 * error[1] < 0.5 * mean[0]
    assert mean[1] == pytest.approx(float(leading.student), rel=0.1)
    assert quoted.student > 2 * mean[1]
    same = aligned(0.01, 0.006, 16, reading="mean", **setting)
    mean, error = mean_and_error(simulate(same, trials=60, generator=generator()))
    assert mean[1] > mean[0] + 4 * (error[0] + error[1])


def fit_and_test(problem, generator):
    """Risks of one trial with drawn labels, on drawn test examples: the definition."""

    def draw(n, share):
        core = torch.randn(n, problem.d_core, generator=generator, dtype=torch.float64)
        xi = torch.randn(n, len(problem.shift), generator=generator, dtype=torch.float64)
        minority = torch.full((n, 1), share, dtype=torch.float64)
        if problem.reading == "mixture":
            minority = torch.bernoulli(minority, generator=generator)
        xi = xi + minority * problem.shift
        seen = []
        for view in (problem.weak, problem.strong):
            w = torch.cat([torch.ones(n, 1, dtype=torch.float64), xi @ view], 1)
            seen.append(torch.einsum("na,nd->nad", w, core).reshape(n, -1))
        noise = torch.randn(n, generator=generator, dtype=torch.float64)
        return *seen, core @ target, core @ target + problem.noise**0.5 * noise

    fit = lambda x, y: torch.linalg.lstsq(x, y[:, None], driver="gelsd").solution[:, 0]
    target = torch.randn(problem.d_core, generator=generator, dtype=torch.float64)
    weak, strong, _, label = draw(problem.n_labeled, problem.minority_labeled)
    pool_weak, pool_strong, _, pool_label = draw(problem.n_pool, problem.minority_pool)
    test_weak, test_strong, truth, _ = draw(200, problem.minority_test)
    teacher = fit(weak, label)
    answers = (
        test_weak @ teacher,
        test_strong @ fit(pool_strong, pool_weak @ teacher),
        test_strong @ fit(strong, label),
        test_strong @ fit(pool_strong, pool_label),
    )
    return torch.stack([(answer - truth).square().mean() for answer in answers])


@pytest.mark.parametrize("reading", READINGS)
def test_same_mean_as_fits_to_drawn_labels(reading):
    small = {"d_core": 3, "n_labeled": 60, "n_pool": 50, "k": 5}
    shares = {"minority_labeled": 0.4, "minority_pool": 0.1, "minority_test": 0.8}
    problem = in_general_position(2, **small, **shares, reading=reading)
    g = generator(1)
    slow = torch.stack([fit_and_test(problem, g) for _ in range(1500)], 1)
    other = {"mean": "mixture", "mixture": "mean"}[reading]

    def worst_z(candidate):
        fast = torch.stack(simulate(candidate, trials=1500, generator=generator(2)))
        error = (slow.var(1) / slow.shape[1] + fast.var(1) / fast.shape[1]).sqrt()
        return float(((slow.mean(1) - fast.mean(1)) / error).abs().max())

    assert worst_z(problem) < 4
    assert worst_z(replace(problem, reading=other)) > 4
    assert worst_z(replace(problem, noise=1.15 * problem.noise)) > 4


def test_settings_share_examples_and_trials_do_not():
    pool, test = axis(0.1, 0.4)[:, None], axis(0.0, 0.5, 1.0)
    problem = aligned(minority_pool=pool, minority_test=test, reading="mixture")
    risks = simulate(problem, trials=5, generator=generator())
    assert all(role.shape == (5, 2, 3) for role in risks)
    assert torch.equal(risks.weak[:, 0], risks.weak[:, 1])
    assert len(risks.student[:, :, 1].unique()) == 10
    mixed = 0.5 * (risks.student[..., 0] + risks.student[..., 2])
    torch.testing.assert_close(risks.student[..., 1], mixed)


def test_same_generator_same_trials():
    problem = aligned(reading="mixture")
    first, again, other = (
        torch.stack(simulate(problem, trials=2, generator=generator(s))) for s in (5, 5, 6)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("n_labeled", [512, 513, 1500])
def test_every_block_of_examples_counts_once(n_labeled):
    problem = replace(aligned(), n_labeled=n_labeled)
    mean, error = mean_and_error(simulate(problem, trials=60, generator=generator()))
    lost_block = spurious.risks(replace(problem, n_labeled=n_labeled - 400)).weak
    assert float(error[0] / mean[0]) < 0.01
    assert float(mean[0] / spurious.risks(problem).weak) == pytest.approx(1, abs=0.04)
    assert float(lost_block / mean[0]) > 1.2


def test_no_trials_are_refused():
    with pytest.raises(ValueError, match="trials must be at least 1, got 0"):
        simulate(aligned(), trials=0, generator=generator())
