"""Theory against simulation.

The limit's error falls as 1/d_core. Twice the mean risk at 2 d_core minus that at d_core removes
it, so that limit and simulation are compared at the simulation's own standard error, not at a
tolerance.
"""

import pytest
import torch
from spurious_cases import READINGS, aligned, generator, mean_and_error, per_label

from w2s_tutorial.problems import Risks
from w2s_tutorial.simulation.spurious import simulate
from w2s_tutorial.theory import spurious
from w2s_tutorial.theory.spurious_leading import leading_order_risks, published_risks


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


def without_finite_size(case, reading, *, trials, d_core=12):
    """Mean risk and standard error at d_core -> infinity, per label and unit of noise."""
    means, errors = [], []
    for scale in (1, 2):
        problem = aligned(**case, **SURFACE, reading=reading, d_core=scale * d_core)
        risks = simulate(problem, trials=trials // scale, seed=generator(scale))
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
    mean, error, small, small_error = without_finite_size(CASES[name], reading, trials=220)
    assert (error / mean).max() < 0.025  # a formula that is 10 % off anywhere would show
    assert z_scores(mean, error, predicted).abs().max() < 4
    # Controls: the other reading, and a small d_core left as it is.
    assert z_scores(mean, error, other).abs().max() > 4
    assert z_scores(small, small_error, predicted).abs().max() > 4


@pytest.mark.parametrize("reading", READINGS)
def test_distance_from_the_limit_falls_as_one_over_d_core(reading):
    scaled = []
    for d_core, trials in ((4, 1500), (8, 750), (16, 200)):
        problem = aligned(0.25, 0.15, d_core, minority_pool=0.5, reading=reading)
        limit = spurious.risks(problem)
        mean, error = mean_and_error(simulate(problem, trials=trials, seed=generator(d_core)))
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
    mean, error = mean_and_error(simulate(problem, trials=100, seed=generator()))
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
    mean, error = mean_and_error(simulate(problem, trials=60, seed=generator()))
    quoted, leading = published_risks(problem), leading_order_risks(problem)
    assert quoted.student > quoted.weak
    assert mean[1] + 4 * error[1] < 0.5 * mean[0]
    assert mean[1] == pytest.approx(float(leading.student), rel=0.1)
    assert quoted.student > 2 * mean[1]
    same = aligned(0.01, 0.006, 16, reading="mean", **setting)
    mean, error = mean_and_error(simulate(same, trials=60, seed=generator()))
    assert mean[1] > mean[0] + 4 * (error[0] + error[1])
