"""Risks with the label noise averaged exactly: as drawn, as predicted, and refused."""

from dataclasses import replace

import pytest
import torch
from intrinsic_cases import generator, normal, small_problem, with_target, z_score

from w2s_tutorial.problems import IntrinsicProblem, Risks
from w2s_tutorial.simulation.examples import resampled, simulate_averaged, simulate_examples
from w2s_tutorial.theory import intrinsic

GIVEN = with_target(small_problem(), 0.7)


def same_examples(given: IntrinsicProblem):
    """A latent that returns the same, far from normal, examples in every trial."""
    fixed = resampled(normal(40, len(given.target), seed=2).sign())(
        (1, given.n_labeled + given.n_pool, len(given.target)), generator(3)
    )
    return lambda shape, generator: fixed.expand(shape)


@pytest.mark.parametrize("penalty", [0.0, 0.3])
def test_it_is_the_mean_over_label_noise_of_drawn_labels(penalty: float):
    how = {"latent": same_examples(GIVEN), "weak_penalty": penalty, "strong_penalty": penalty / 2}
    drawn = simulate_examples(GIVEN, trials=20_000, seed=generator(), **how)
    clean, noisy = simulate_averaged(GIVEN, trials=2, seed=generator(), **how)
    assert all(torch.equal(part[0], part[1]) for part in (*clean, *noisy)), "nothing scatters"
    for role in Risks._fields:
        a, b = (float(getattr(part, role)[0]) for part in (clean, noisy))
        assert abs(z_score(getattr(drawn, role), a + GIVEN.noise * b)) < 4, role
        assert abs(z_score(getattr(drawn, role), a + 1.1 * GIVEN.noise * b)) > 4, "control"


def test_its_two_parts_are_the_line_that_theory_draws():
    """Risks are linear in the noise, so two levels give both parts."""
    once, twice = (intrinsic.risks(replace(GIVEN, noise=noise)) for noise in (1.0, 2.0))
    clean, noisy = simulate_averaged(GIVEN, trials=8000, seed=generator(1))
    for role in Risks._fields:
        low, high = getattr(once, role), getattr(twice, role)
        assert abs(z_score(getattr(clean, role), float(2 * low - high))) < 4, role
        assert abs(z_score(getattr(noisy, role), float(high - low))) < 4, role


def test_trials_come_from_one_stream_however_they_are_batched():
    many = small_problem(n_labeled=4000, n_pool=60_000)
    _, noisy = simulate_averaged(many, trials=12, seed=generator())
    assert all(len(role.unique()) == 12 for role in noisy)


def test_bad_requests_are_refused():
    for change, request, message in (
        ({}, {"trials": 0}, "trials must be at least 1, got 0"),
        ({}, {"weak_penalty": -1.0}, "weak_penalty must be at least 0, got -1"),
        ({"n_labeled": 12}, {}, "n_labeled must exceed 12"),
        ({"n_pool": 8}, {}, "n_pool must exceed 8"),
    ):
        with pytest.raises(ValueError, match=message):
            simulate_averaged(
                replace(GIVEN, **change), **{"trials": 1, "seed": generator(), **request}
            )
    few = replace(GIVEN, n_labeled=6, n_pool=6)
    enough = {"weak_penalty": 0.1, "strong_penalty": 0.1}
    clean, noisy = simulate_averaged(few, trials=3, seed=generator(), **enough)
    assert all(part.isfinite().all() for part in (*clean, *noisy))
