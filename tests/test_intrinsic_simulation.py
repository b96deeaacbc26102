"""The fast simulation has the distribution of fits to drawn examples."""

from dataclasses import replace
from itertools import combinations_with_replacement

import pytest
import torch
from intrinsic_cases import generator, z_score
from scipy.stats import ks_2samp

from w2s_tutorial.problems import IntrinsicProblem, Risks
from w2s_tutorial.simulation.examples import simulate_examples
from w2s_tutorial.simulation.intrinsic import _triangle, simulate

ROLES = Risks._fields


def general_problem(n_labeled, n_pool, d_weak, d_strong, cosines):
    given = IntrinsicProblem.aligned(
        n_labeled=n_labeled,
        n_pool=n_pool,
        d_weak=d_weak,
        d_strong=d_strong,
        d_shared=cosines,
        noise=0.5,
    )
    target = torch.randn(given.target.shape, generator=generator(3), dtype=torch.float64) / 4
    return replace(given, target=target)


def difference_z(a, b):
    """Standard errors between the means of two samples of trials."""
    error = (a.var() / len(a) + b.var() / len(b)).sqrt()
    return float((a.mean() - b.mean()) / error)


CASES = {
    "teacher wider": general_problem(30, 25, 9, 6, [1.0, 0.8, 0.4]),
    "student wider": general_problem(30, 40, 5, 9, [1.0, 0.8, 0.4]),
    "fewer labels than both views together": general_problem(16, 40, 9, 8, [0.5]),
    "same view": general_problem(30, 25, 6, 6, [1.0] * 6),
    "teacher inside student": general_problem(30, 25, 4, 7, [1.0] * 4),
    "student inside teacher": general_problem(30, 25, 7, 4, [1.0] * 4),
}


def worst_disagreement(a, b):
    """Largest |z| between two sets of risks: means, variances, correlations of their logarithms."""
    a, b = (torch.stack(risks).log() for risks in (a, b))
    z = [difference_z(x, y) for x, y in zip(a, b, strict=True)]
    a, b = (x - b.mean(1, keepdim=True) for x in (a, b))
    pairs = combinations_with_replacement(range(len(ROLES)), 2)
    z += [difference_z(a[i] * a[j], b[i] * b[j]) for i, j in pairs]
    return max(map(abs, z))


@pytest.mark.parametrize("name", CASES)
def test_same_distribution_as_drawn_examples(name):
    given = CASES[name]
    fast = simulate(given, trials=8000, seed=generator(1))
    slow = simulate_examples(given, trials=8000, seed=generator(2))
    assert worst_disagreement(fast, slow) < 4
    for role in ROLES:
        assert ks_2samp(getattr(fast, role), getattr(slow, role)).pvalue > 1e-4, role


@pytest.mark.parametrize("role", ROLES)
def test_comparison_notices_a_role_with_examples_of_its_own(role):
    """Control: the same margins, one role taken from another trial, fail on correlations."""
    given = CASES["teacher wider"]
    fast = simulate(given, trials=8000, seed=generator(1))
    slow = simulate_examples(given, trials=8000, seed=generator(2))
    shuffled = slow._replace(**{role: getattr(slow, role).roll(1)})
    assert worst_disagreement(fast, shuffled) > 4


def test_comparison_notices_a_little_more_noise():
    given = CASES["teacher wider"]
    fast = simulate(replace(given, noise=given.noise * 1.1), trials=8000, seed=generator(1))
    slow = simulate_examples(given, trials=8000, seed=generator(2))
    assert worst_disagreement(fast, slow) > 4


@pytest.mark.parametrize(("n", "q"), [(12, 5), (4, 7)])
def test_triangle_gives_the_wishart_moments(n, q):
    triangle = _triangle(n, q, 20_000, generator())
    gram = triangle @ triangle.mT
    for i in range(q):
        assert abs(z_score(gram[:, i, i], n)) < 4
        assert abs(z_score((gram[:, i, i] - n).square(), 2 * n)) < 4
        if i:
            assert abs(z_score(gram[:, i, 0], 0.0)) < 4
            assert abs(z_score(gram[:, i, 0].square(), n)) < 4
    assert torch.linalg.matrix_rank(gram[0]) == min(n, q)


# Means and standard deviations over 40 trials at n = 2000, N = 4000 of a run of the authors' code.
# Theirs are means of per-trial ratios.
PUBLISHED = {
    10: ((0.861, 0.032), (1.510, 0.188)),
    50: ((0.685, 0.047), (0.998, 0.100)),
    90: ((0.530, 0.051), (0.801, 0.051)),
}


@pytest.mark.parametrize("d_shared", PUBLISHED)
def test_published_sweep(d_shared):
    given = IntrinsicProblem.published(n_labeled=2000, n_pool=4000, d_shared=d_shared, noise=0.01)
    r = simulate(given, trials=400, seed=generator(d_shared))
    pgr, opr = (r.weak - r.student) / (r.weak - r.ceiling), r.baseline / r.student
    for measured, (mean, spread) in zip((pgr, opr), PUBLISHED[d_shared], strict=True):
        error = (measured.var() / len(measured) + spread**2 / 40).sqrt()
        assert abs(measured.mean() - mean) < 4 * error
        # Standard deviations of 40 values scatter by 11 %, of 400 by 4 %; ratios have long tails.
        assert 0.6 < measured.std() / spread < 1.6
    others = [PUBLISHED[d][0][0] for d in PUBLISHED if d != d_shared]
    assert all(abs(z_score(pgr, other)) > 4 for other in others)


def test_published_bias_dominated_point():
    given = IntrinsicProblem.published(n_labeled=2000, n_pool=4000, d_shared=90, noise=4e-4)
    r = simulate(given, trials=200, seed=generator())
    pgr, opr = (r.weak - r.student) / (r.weak - r.ceiling), r.baseline / r.student
    assert float(pgr.mean()) == pytest.approx(-0.033, abs=4 * float(pgr.std()) / 40**0.5)
    assert float(opr.mean()) == pytest.approx(0.340, abs=4 * float(opr.std()) / 40**0.5)


def test_trials_are_independent_of_how_they_are_batched():
    """More trials than fit one batch: all there, and no trial repeated."""
    given = IntrinsicProblem.published(n_labeled=500, n_pool=500, d_shared=50, noise=0.01)
    r = simulate(given, trials=25, seed=generator())
    assert all(len(role.unique()) == 25 for role in r)


def test_same_generator_same_trials():
    given = CASES["teacher wider"]
    first, again, other = (simulate(given, trials=3, seed=generator(s)) for s in (5, 5, 6))
    assert torch.equal(torch.stack(first), torch.stack(again))
    assert not torch.equal(torch.stack(first), torch.stack(other))


def test_least_squares_on_examples_is_what_the_pseudo_inverse_gives():
    given = CASES["teacher wider"]
    drawn = []

    def latent(shape, generator):
        drawn.append(torch.randn(shape, generator=generator, dtype=torch.float64))
        return drawn[0]

    risks = simulate_examples(given, trials=1, seed=generator(), latent=latent)
    z = drawn[0][0]
    again = generator()
    latent(drawn[0].shape, again)  # advances past the coordinates
    noise = torch.randn(1, len(z), generator=again, dtype=torch.float64)[0]
    y = z @ given.target + given.noise**0.5 * noise
    n = given.n_labeled
    weak = given.weak @ torch.linalg.pinv(z[:n] @ given.weak) @ y[:n]
    student = given.strong @ torch.linalg.pinv(z[n:] @ given.strong) @ (z[n:] @ weak)
    baseline = given.strong @ torch.linalg.pinv(z[:n] @ given.strong) @ y[:n]
    ceiling = given.strong @ torch.linalg.pinv(z @ given.strong) @ y
    for risk, model in zip(risks, (weak, student, baseline, ceiling), strict=True):
        torch.testing.assert_close(risk[0], (model - given.target).square().sum())


def test_bad_requests_are_refused():
    given = CASES["teacher wider"]
    with pytest.raises(ValueError, match="trials must be at least 1, got 0"):
        simulate(given, trials=0, seed=generator())
    with pytest.raises(ValueError, match="n_labeled must exceed 10, got 10"):
        simulate(replace(given, n_labeled=10), trials=1, seed=generator())
    with pytest.raises(ValueError, match="on must be 'fresh' or 'pool', got 'test'"):
        simulate_examples(given, trials=1, seed=generator(), on="test")
    with pytest.raises(ValueError, match="strong_penalty must be at least 0, got -1"):
        simulate_examples(given, trials=1, seed=generator(), strong_penalty=-1)
