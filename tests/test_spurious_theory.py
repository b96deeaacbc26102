"""The limit against a slow evaluation and at known ends."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from spurious_cases import READINGS, aligned, close, in_general_position, per_label, slow_limit

from w2s_tutorial.problems import IntrinsicProblem
from w2s_tutorial.theory import intrinsic, spurious
from w2s_tutorial.theory.spurious_leading import leading_order_risks, published_risks


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize(("p_weak", "p_strong"), [(3, 3), (4, 2), (4, 1), (2, 3), (1, 3)])
def test_limit_is_the_slow_evaluation(reading, p_weak, p_strong):
    """In general position, where neither view nor shift has any symmetry with the other."""
    for seed in range(2):
        sizes = {"p_weak": p_weak, "p_strong": p_strong, "k": 3, "n_labeled": 300, "n_pool": 200}
        problem = in_general_position(seed, **sizes, reading=reading)
        close(spurious.risks(problem), slow_limit(problem), 1e-6)


def test_slow_evaluation_notices_the_other_reading():
    problem = in_general_position(0, p_weak=3, k=3)
    other = replace(problem, reading="mixture")
    with pytest.raises(AssertionError):
        close(spurious.risks(problem), slow_limit(other), 1e-2)


def test_readings_agree_on_pure_groups():
    for shares in product((0.0, 1.0), repeat=3):
        names = ("minority_labeled", "minority_pool", "minority_test")
        problem = in_general_position(1, **dict(zip(names, shares, strict=True)))
        other = replace(problem, reading="mixture")
        close(spurious.risks(problem), spurious.risks(other), 1e-9)
        close(leading_order_risks(problem), leading_order_risks(other), 1e-12)


# Worked out once, independently of this code, to the digits given; the weak model's risk does not
# depend on what the student sees.
@pytest.mark.parametrize(
    ("reading", "separation", "labeled", "used", "quoted", "full"),
    [
        ("mean", 4.0, 0.1, 0.01, 5.64, 5.72),
        ("mean", 30.0, 0.5, 0.01, 5.00, 5.07),
        ("mean", 4.0, 0.1, 0.25, 5.64, 8.16),
        ("mixture", 30.0, 0.5, 0.01, 5.00, 5.07),
        ("mixture", 30.0, 0.1, 0.01, 9.80, 7.72),
    ],
)
def test_weak_risk_worked_out_elsewhere(reading, separation, labeled, used, quoted, full):
    problem = aligned(
        used,
        d_core=100,
        overlap=0.2,
        separation_weak=separation,
        minority_labeled=labeled,
        reading=reading,
    )
    assert f"{published_risks(problem).weak / per_label(problem):.2f}" == f"{quoted:.2f}"
    assert float(spurious.risks(problem).weak / per_label(problem)) == pytest.approx(
        full, abs=0.011
    )


@pytest.mark.parametrize("seed", range(3))
def test_without_group_features_this_is_least_squares_on_gaussians(seed):
    """p = 1: d / n over 1 - d / n, and the student is its teacher."""
    problem = in_general_position(seed, p_weak=1, p_strong=1, n_labeled=40, n_pool=30)
    risks = spurious.risks(problem)
    few, pool = 0.7 * 10 / (40 - 10), 0.7 * 10 / (30 - 10)
    close(risks, [torch.tensor(v, dtype=torch.float64) for v in (few, few, few, pool)], 1e-12)


def test_without_a_shift_this_is_the_variance_of_the_intrinsic_dimension_theory():
    """With d_core times as many dimensions on each side, when data are plentiful."""
    d, n, n_pool = 3, 10**8, 10**6
    problem = aligned(d_core=d, separation_weak=0.0, separation_strong=0.0)
    problem = replace(problem, n_labeled=n, n_pool=n_pool)
    cosines = torch.linalg.svdvals(problem.overlap).tolist()
    twin = IntrinsicProblem.aligned(
        n_labeled=n,
        n_pool=n_pool,
        d_weak=d * problem.p_weak,
        d_strong=d * problem.p_strong,
        d_shared=[1.0] * d + cosines * d,
        noise=problem.noise,
    )
    assert twin.d_shared == pytest.approx(d * problem.p_shared)
    wanted = intrinsic.variance(twin)
    for f in (published_risks, spurious.risks):
        ours = f(problem)
        for role in ("weak", "student", "baseline"):
            torch.testing.assert_close(
                getattr(ours, role), getattr(wanted, role), rtol=1e-4, atol=0
            )
    without_theta = per_label(problem) * problem.p_shared
    assert abs(float(without_theta / wanted.student - 1)) > 1e-5  # the pool's term is resolved
    assert abs(float(published_risks(problem).student / wanted.student - 1)) < 1e-6


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("seed", range(3))
def test_a_student_that_sees_all_its_teacher_sees_is_its_teacher(reading, seed):
    problem = in_general_position(seed, p_weak=3, p_strong=5, n_pool=80, reading=reading)
    strong = torch.linalg.qr(torch.cat([problem.weak, problem.strong[:, :2]], 1)).Q
    risks = spurious.risks(replace(problem, strong=strong))
    torch.testing.assert_close(risks.student, risks.weak, rtol=1e-9, atol=0)
    assert abs(float(spurious.risks(problem).student / risks.weak) - 1) > 0.01


@pytest.mark.parametrize("reading", READINGS)
def test_risk_of_a_mixture_is_the_mixture_of_group_risks(reading):
    problem = in_general_position(
        4, reading=reading, minority_test=torch.tensor([0.0, 0.3, 1.0], dtype=torch.float64)
    )
    for f in (spurious.risks, leading_order_risks):
        for role in f(problem):
            mixed = 0.7 * role[0] + 0.3 * role[2]
            assert torch.isclose(role[1], mixed, rtol=1e-9, atol=0) == (reading == "mixture")


@pytest.mark.parametrize("f", [published_risks, leading_order_risks, spurious.risks])
@pytest.mark.parametrize("reading", READINGS)
def test_a_surface_is_its_points(f, reading):
    labeled, pool, test = (
        torch.tensor(v, dtype=torch.float64) for v in ((0, 0.5), (0, 0.2, 1), (0, 0.1, 0.5, 1))
    )
    base = in_general_position(3, reading=reading)
    axes = labeled[:, None, None], pool[:, None], test
    names = "minority_labeled", "minority_pool", "minority_test"
    surface = f(replace(base, **dict(zip(names, axes, strict=True))))
    for i, j, k in product(range(2), range(3), range(4)):
        shares = float(labeled[i]), float(pool[j]), float(test[k])
        point = f(replace(base, **dict(zip(names, shares, strict=True))))
        close([role[i, j, k] for role in surface], point, 1e-9)


@pytest.mark.parametrize("f", [published_risks, leading_order_risks, spurious.risks])
@pytest.mark.parametrize("reading", READINGS)
def test_coordinates_of_the_group_feature_do_not_matter(f, reading):
    problem = in_general_position(5, reading=reading)
    turn = torch.linalg.qr(in_general_position(6, p_weak=7).weak).Q
    turned = {name: turn @ getattr(problem, name) for name in ("weak", "strong", "shift")}
    mixed = problem.weak @ torch.linalg.qr(torch.ones(3, 3).double() + torch.eye(3)).Q
    close(f(problem), f(replace(problem, **turned)), 1e-9)
    close(f(problem), f(replace(problem, weak=mixed)), 1e-9)


def test_sizes_too_near_the_limit_for_arithmetic_are_refused():
    d = 10**12
    problem = replace(in_general_position(0), d_core=d, n_labeled=4 * d + 2, n_pool=10**14)
    with pytest.raises(ValueError, match="n_labeled and n_pool must exceed"):
        spurious.risks(problem)
