"""The simulation against fits to drawn labels, and its bookkeeping."""

from dataclasses import replace

import pytest
import torch
from spurious_cases import READINGS, aligned, generator, in_general_position, mean_and_error

from w2s_tutorial.simulation.spurious import simulate
from w2s_tutorial.theory import spurious


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
        fast = torch.stack(simulate(candidate, trials=1500, seed=generator(2)))
        error = (slow.var(1) / slow.shape[1] + fast.var(1) / fast.shape[1]).sqrt()
        return float(((slow.mean(1) - fast.mean(1)) / error).abs().max())

    assert worst_z(problem) < 4
    assert worst_z(replace(problem, reading=other)) > 4
    assert worst_z(replace(problem, noise=1.15 * problem.noise)) > 4


def test_settings_share_examples_and_trials_do_not():
    pool, test = torch.tensor([[0.1], [0.4]]), torch.tensor([0.0, 0.5, 1.0])
    problem = aligned(minority_pool=pool, minority_test=test, reading="mixture")
    risks = simulate(problem, trials=5, seed=generator())
    assert all(role.shape == (5, 2, 3) for role in risks)
    assert torch.equal(risks.weak[:, 0], risks.weak[:, 1])
    assert len(risks.student[:, :, 1].unique()) == 10
    mixed = 0.5 * (risks.student[..., 0] + risks.student[..., 2])
    torch.testing.assert_close(risks.student[..., 1], mixed)


def test_same_generator_same_trials():
    problem = aligned(reading="mixture")
    first, again, other = (
        torch.stack(simulate(problem, trials=2, seed=generator(s))) for s in (5, 5, 6)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("n_labeled", [512, 513, 1500])
def test_every_block_of_examples_counts_once(n_labeled):
    problem = replace(aligned(), n_labeled=n_labeled)
    mean, error = mean_and_error(simulate(problem, trials=60, seed=generator()))
    lost_block = spurious.risks(replace(problem, n_labeled=n_labeled - 400)).weak
    assert float(error[0] / mean[0]) < 0.01
    assert float(mean[0] / spurious.risks(problem).weak) == pytest.approx(1, abs=0.04)
    assert float(lost_block / mean[0]) > 1.2


def test_no_trials_are_refused():
    with pytest.raises(ValueError, match="trials must be at least 1, got 0"):
        simulate(aligned(), trials=0, seed=generator())
