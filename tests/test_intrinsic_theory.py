"""The closed forms against simulation, at sizes where approximations would show."""

from dataclasses import replace
from functools import partial
from math import inf

import pytest
import torch
from assertions import assert_agrees

from w2s_tutorial.problems import IntrinsicProblem, Risks
from w2s_tutorial.simulation.intrinsic import simulate, simulate_examples
from w2s_tutorial.theory import intrinsic

SIZES = [(22, 18), (22, 200), (40, 60), (100, 18), (60, 400)]  # n near d_weak, N near d_strong
ROLES = Risks._fields
z_score = partial(assert_agrees, sigmas=inf)


def problem(n_labeled=40, n_pool=60, d_shared=(1.0, 0.9, 0.6, 0.3), noise=1.0, **more):
    return IntrinsicProblem.aligned(
        n_labeled=n_labeled,
        n_pool=n_pool,
        d_weak=12,
        d_strong=8,
        d_shared=d_shared,
        noise=noise,
        **more,
    )


def with_target(given, size):
    """A target in general position, so that every term of the bias is there."""
    generator = torch.Generator().manual_seed(7)
    direction = torch.randn(given.target.shape, generator=generator, dtype=torch.float64)
    return replace(given, target=size * direction / direction.norm())


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    ("d_shared", "noise", "n_labeled", "n_pool", "expected", "pgr", "opr"),
    [
        (10, 0.01, 400, 4000, (1.0563e-2, 1.0768e-3, 3.4176e-3, 2.8865e-4), 0.923, 3.174),
        (10, 0.01, 2000, 4000, (1.3960e-3, 3.9504e-4, 5.8424e-4, 2.2521e-4), 0.855, 1.479),
        (50, 0.01, 2000, 4000, (1.3718e-3, 5.8722e-4, 5.8424e-4, 2.2521e-4), 0.684, 0.995),
        (90, 0.01, 2000, 4000, (1.2942e-3, 7.2660e-4, 5.8424e-4, 2.2521e-4), 0.531, 0.804),
        (90, 0.0004, 4000, 4000, (1.9395e-4, 2.1595e-4, 6.6428e-5, 6.0522e-5), -0.165, 0.308),
    ],
)
def test_published_experiment(d_shared, noise, n_labeled, n_pool, expected, pgr, opr):
    """Values worked out once, independently of this code, to the digits given."""
    r = intrinsic.risks(
        IntrinsicProblem.published(
            n_labeled=n_labeled, n_pool=n_pool, d_shared=d_shared, noise=noise
        )
    )
    assert [f"{x:.4e}" for x in r] == [f"{x:.4e}" for x in expected]
    assert f"{(r.weak - r.student) / (r.weak - r.ceiling):.3f}" == f"{pgr:.3f}"
    assert f"{r.baseline / r.student:.3f}" == f"{opr:.3f}"


@pytest.mark.parametrize(("n_labeled", "n_pool"), SIZES)
@pytest.mark.parametrize("size", [0.0, 1.0, 3.0])  # target's norm: 0, like the noise, above it
def test_risks_on_fresh_examples(n_labeled, n_pool, size):
    given = with_target(problem(n_labeled, n_pool), size)
    measured = simulate(given, trials=20_000, generator=generator())
    for role, predicted in zip(ROLES, intrinsic.risks(given), strict=True):
        assert_agrees(getattr(measured, role), predicted)


def test_order_form_and_fixed_design_form_are_told_apart_from_exact():
    given = problem(40, 40)
    measured = simulate(given, trials=20_000, generator=generator())
    published = intrinsic.published_risks(given)
    for role in ROLES:
        assert z_score(getattr(measured, role), getattr(published, role)) > 4
    with pytest.raises(AssertionError, match="z="):
        assert_agrees(measured.student, intrinsic.published_student_variance(given))


@pytest.mark.parametrize(("n_labeled", "n_pool"), SIZES[:4])
@pytest.mark.parametrize("size", [0.0, 2.0])
def test_risk_on_the_pool(n_labeled, n_pool, size):
    given = with_target(problem(n_labeled, n_pool), size)
    on_pool = simulate_examples(given, trials=10_000, generator=generator(), on="pool")
    assert_agrees(on_pool.student, intrinsic.student_risk_on_pool(given))
    if size == 0.0:  # (T1) is the whole risk there
        assert_agrees(on_pool.student, intrinsic.published_student_variance(given))
    if n_pool < 100:  # the two kinds of risk are not the same number
        assert z_score(on_pool.student, intrinsic.risks(given).student) < -4


def test_published_bias_bound_holds_on_the_pool_and_fails_on_fresh_examples():
    seen_by_weak = torch.zeros(21, dtype=torch.float64)
    seen_by_weak[-2] = 1.0  # a direction of the weak view alone
    given = replace(problem(10**6, 18, d_shared=2), target=seen_by_weak)
    bound = sum(intrinsic.bias(given)[i] for i in (0, 3))
    assert bound == pytest.approx(1.0)
    assert intrinsic.student_risk_on_pool(given) < bound
    measured = simulate(given, trials=10_000, generator=generator())
    assert z_score(measured.student, bound) > 4
    assert_agrees(measured.student, intrinsic.risks(given).student)


def test_bias_and_variance_add_up_and_separate_with_labels():
    given = with_target(problem(), 1.0)
    total, bias, variance = (
        f(given) for f in (intrinsic.risks, intrinsic.bias, intrinsic.variance)
    )
    torch.testing.assert_close(torch.stack(total), torch.stack(bias) + torch.stack(variance))
    endless = replace(given, n_labeled=10**9)
    assert intrinsic.risks(endless).student == pytest.approx(float(bias.student), rel=1e-6)
    assert intrinsic.variance(endless).student < 1e-6 * bias.student


@pytest.mark.parametrize("d_shared", [0, 5, (0.7,) * 8, 8])
def test_pool_at_which_student_and_teacher_are_level(d_shared):
    given = problem(d_shared=d_shared)
    level = intrinsic.pool_to_beat_teacher(given)
    at, above, below = (
        intrinsic.risks(replace(given, n_pool=n)) for n in (level, level + 1, level - 1)
    )
    assert at.student == pytest.approx(float(at.weak), rel=1e-12)
    assert above.student < above.weak
    assert below.student > below.weak
    # Judged on the pool itself, the student is ahead long before: d_s/N is below 1 from N > d_s.
    assert intrinsic.student_risk_on_pool(replace(given, n_pool=level)) < at.weak


def test_no_pool_helps_a_student_that_contains_its_teacher():
    contained = IntrinsicProblem.aligned(
        n_labeled=40, n_pool=10**7, d_weak=5, d_strong=8, d_shared=5, noise=1.0
    )
    r = intrinsic.risks(contained)
    assert r.student == pytest.approx(float(r.weak), rel=1e-12)


def test_published_bounds_hold_where_meant_and_fail_for_a_small_pool():
    def gaps(given):
        r = intrinsic.risks(given)
        pgr = (r.weak - r.student) / (r.weak - r.ceiling)
        opr = r.baseline / r.student
        pgr_bound = intrinsic.published_pgr_bound(given)
        return pgr - pgr_bound, opr - intrinsic.published_opr_bound(given)

    sizes = {"d_weak": 40, "d_strong": 8, "d_shared": 4, "noise": 1.0, "unreachable": 1e-4}
    meant = IntrinsicProblem.aligned(n_labeled=200, n_pool=4000, **sizes)
    assert min(gaps(meant)) > 0
    small_pool = IntrinsicProblem.aligned(n_labeled=400, n_pool=20, **sizes)
    assert max(gaps(small_pool)) < 0
    measured = simulate(small_pool, trials=20_000, generator=generator())
    shortfall = (  # linear in the risks, so that its mean is exact: negative if PGR < bound
        measured.weak
        - measured.student
        - intrinsic.published_pgr_bound(small_pool) * (measured.weak - measured.ceiling)
    )
    assert z_score(shortfall, 0.0) < -4


def test_best_n_labeled_is_where_the_bound_peaks():
    given = IntrinsicProblem.published(n_labeled=2000, n_pool=4000, d_shared=50, noise=0.01)
    best = intrinsic.best_n_labeled(given)
    values = [
        intrinsic.published_pgr_bound(replace(given, n_labeled=int(best) + step))
        for step in (-40, 0, 40)
    ]
    assert values[1] > max(values[0], values[2])
    assert intrinsic.best_n_labeled(problem()) == float("inf")  # nothing unreachable


def spectral_problem(d, n_labeled, n_pool):
    """Decaying spectra, views that overlap in part, target everywhere; d sets the scale."""
    scale = torch.arange(1, d + 1, dtype=torch.float64).div(d / 8).rsqrt()
    start = d // 4
    weak = torch.diag(scale)[:, start:]
    strong = torch.diag(scale)[:, : d // 2]
    strong = strong + 0.3 * torch.diag(scale).roll(1, 0)[:, : d // 2]
    target = scale / d**0.5
    return IntrinsicProblem(n_labeled, n_pool, weak, strong, target, 0.5)


PENALTIES = {"weak_penalty": 0.2, "strong_penalty": 0.1}


@pytest.mark.parametrize(("n_labeled", "n_pool"), [(2.0, 3.0), (0.5, 0.5)])  # times d
@pytest.mark.parametrize(("d", "trials"), [(8, 40_000), (16, 10_000), (64, 500)])
def test_ridge_form_errs_by_less_than_a_fifth_of_1_over_d(n_labeled, n_pool, d, trials):
    given = spectral_problem(d, int(n_labeled * d), int(n_pool * d))
    measured = simulate_examples(given, trials=trials, generator=generator(), **PENALTIES)
    for role, predicted in zip(measured, intrinsic.ridge_risks(given, **PENALTIES), strict=True):
        error = role.std() / trials**0.5
        assert abs(role.mean() - predicted) < 0.2 / d * predicted + 4 * error


def test_ridge_form_is_asymptotic_not_exact():
    given = spectral_problem(4, 8, 12)
    measured = simulate_examples(given, trials=40_000, generator=generator(), **PENALTIES)
    predicted = intrinsic.ridge_risks(given, **PENALTIES)
    assert z_score(measured.student, predicted.student) > 4


def test_ridge_penalty_is_not_its_own_population_penalty():
    """Control: without the map from penalty to k the form is far off."""
    given = spectral_problem(128, 64, 51)
    measured = simulate_examples(given, trials=200, generator=generator(), **PENALTIES)
    spectrum = given.weak_axes[1]
    naive = spectrum / (spectrum + 0.2)
    target = given.weak_axes[0].T @ given.target
    miss = given.target.square().sum() - target.square().sum()
    miss = miss + ((1 - naive) * target).square().sum()
    df = naive.square().sum()
    assert z_score(measured.weak, miss + (given.noise + miss) * df / (64 - df)) < -4


def test_ridge_form_without_penalty_meets_the_exact_one():
    for scale in (1, 100):
        given = with_target(
            IntrinsicProblem.aligned(
                n_labeled=60 * scale,
                n_pool=40 * scale,
                d_weak=2 * scale,
                d_strong=1 * scale,
                d_shared=[0.8] * scale,
                noise=1.0,
            ),
            1.0,
        )
        exact = torch.stack(intrinsic.risks(given))
        limit = torch.stack(intrinsic.ridge_risks(given, weak_penalty=0.0, strong_penalty=0.0))
        error = (limit / exact - 1).abs().max()
        assert 0 < error < 0.03 / scale


def test_sizes_with_infinite_mean_are_refused():
    with pytest.raises(ValueError, match="n_labeled must exceed 13, got 13"):
        intrinsic.risks(problem(13, 60))
    with pytest.raises(ValueError, match="n_pool must exceed 9, got 9"):
        intrinsic.variance(problem(40, 9))
    with pytest.raises(ValueError, match="weak_penalty must be finite and at least 0, got -1"):
        intrinsic.ridge_risks(problem(), weak_penalty=-1, strong_penalty=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_labeled": 0}, "n_labeled must be an integer of at least 1, got 0"),
        ({"n_pool": 2.5}, "n_pool must be an integer of at least 1, got 2.5"),
        ({"noise": 0.0}, "noise must be finite and above 0, got 0.0"),
        ({"noise": float("nan")}, "noise must be finite and above 0, got nan"),
        ({"target": torch.zeros(3, 1)}, r"target must be \(k,\), k > 0, got shape \(3, 1\)"),
        ({"weak": torch.zeros(21, 2)}, r"weak must be \(21, any\) and not all 0"),
        ({"strong": torch.ones(20, 2)}, r"strong must be \(21, any\)"),
        ({"target": torch.ones(21)}, "target must be finite float64, got torch.float32"),
        ({"weak": torch.full((21, 2), torch.nan).double()}, "weak must be finite float64"),
    ],
)
def test_bad_problems_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        replace(problem(), **change)


@pytest.mark.parametrize("d_shared", [-1, 9, [1.5], [0.1] * 9, [float("nan")]])
def test_impossible_overlaps_are_refused(d_shared):
    with pytest.raises(ValueError, match="d_shared must be"):
        problem(d_shared=d_shared)


@pytest.mark.parametrize("d_shared", [0, 3, 8, (0.9, 0.5), (0.7,) * 8])
def test_aligned_views_have_the_overlap_asked_for(d_shared):
    given = problem(d_shared=d_shared)
    assert (given.d_weak, given.d_strong) == (12, 8)
    expected = d_shared if isinstance(d_shared, int) else sum(c**2 for c in d_shared)
    assert given.d_shared == pytest.approx(expected, abs=1e-12)
