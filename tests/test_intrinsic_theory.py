"""The closed forms against simulation, at sizes where approximations would show."""

from dataclasses import replace

import pytest
import torch
from assertions import assert_agrees
from intrinsic_cases import generator, small_problem, with_target, z_score

from w2s_tutorial.problems import IntrinsicProblem, Risks
from w2s_tutorial.simulation.examples import simulate_examples
from w2s_tutorial.simulation.intrinsic import simulate
from w2s_tutorial.theory import intrinsic

SIZES = [(22, 18), (22, 200), (40, 60), (100, 18), (60, 400)]  # n near d_weak, N near d_strong
ROLES = Risks._fields


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
    given = with_target(small_problem(n_labeled, n_pool), size)
    measured = simulate(given, trials=20_000, seed=generator())
    for role, predicted in zip(ROLES, intrinsic.risks(given), strict=True):
        assert_agrees(getattr(measured, role), predicted)


def test_order_form_and_fixed_design_form_are_told_apart_from_exact():
    given = small_problem(40, 40)
    measured = simulate(given, trials=20_000, seed=generator())
    published = intrinsic.published_risks(given)
    for role in ROLES:
        assert z_score(getattr(measured, role), getattr(published, role)) > 4
    with pytest.raises(AssertionError, match="z="):
        assert_agrees(measured.student, intrinsic.published_student_variance(given))


@pytest.mark.parametrize(("n_labeled", "n_pool"), SIZES[:4])
@pytest.mark.parametrize("size", [0.0, 2.0])
def test_risk_on_the_pool(n_labeled, n_pool, size):
    given = with_target(small_problem(n_labeled, n_pool), size)
    on_pool = simulate_examples(given, trials=4_000, seed=generator(), on="pool")
    assert_agrees(on_pool.student, intrinsic.student_risk_on_pool(given))
    if size == 0.0:  # (T1) is the whole risk there
        assert_agrees(on_pool.student, intrinsic.published_student_variance(given))
    if n_pool < 100:  # the two kinds of risk are not the same number
        assert z_score(on_pool.student, intrinsic.risks(given).student) < -4


def test_bias_and_variance_add_up_and_separate_with_labels():
    given = with_target(small_problem(), 1.0)
    total, bias, variance = (
        f(given) for f in (intrinsic.risks, intrinsic.bias, intrinsic.variance)
    )
    torch.testing.assert_close(torch.stack(total), torch.stack(bias) + torch.stack(variance))
    endless = replace(given, n_labeled=10**9)
    assert intrinsic.risks(endless).student == pytest.approx(float(bias.student), rel=1e-6)
    assert intrinsic.variance(endless).student < 1e-6 * bias.student


@pytest.mark.parametrize("d_shared", [0, 5, (0.7,) * 8, 8])
def test_pool_at_which_student_and_teacher_are_level(d_shared):
    given = small_problem(d_shared=d_shared)
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


def test_sizes_with_infinite_mean_are_refused():
    with pytest.raises(ValueError, match="n_labeled must exceed 13, got 13"):
        intrinsic.risks(small_problem(13, 60))
    with pytest.raises(ValueError, match="n_pool must exceed 9, got 9"):
        intrinsic.variance(small_problem(40, 9))
    with pytest.raises(ValueError, match="weak_penalty must be finite and at least 0, got -1"):
        intrinsic.ridge_risks(small_problem(), weak_penalty=-1, strong_penalty=0)
