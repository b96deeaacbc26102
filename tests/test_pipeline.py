from functools import partial

import numpy as np
import pytest
import torch

from w2s_tutorial import metrics
from w2s_tutorial.heads.least_squares import fit_ridge, fit_ridgeless
from w2s_tutorial.heads.logistic import fit_logistic
from w2s_tutorial.metrics import accuracy, misfit, squared_error
from w2s_tutorial.pipeline import hard, random_mistakes, soft, weak_to_strong
from w2s_tutorial.sample import Sample, join


def regression(n, *, heads=4, seed=0):
    """A target inside the strong features; the weak view is a noisy half of them."""
    g = torch.Generator().manual_seed(seed)
    strong = torch.randn(heads, n, 6, generator=g, dtype=torch.float64)
    weak = strong[..., :3] + 0.5 * torch.randn(heads, n, 3, generator=g, dtype=torch.float64)
    target = strong.sum(-1, keepdim=True)
    return Sample(weak, strong, target, torch.zeros(n).long())


def test_each_role_learns_from_what_its_name_says():
    labeled, pool = regression(30), regression(50, seed=1)
    outcome = weak_to_strong(labeled, pool, fit=fit_ridgeless, pseudo_label=lambda output: output)
    by_hand = {
        "weak": fit_ridgeless(labeled.weak, labeled.target),
        "baseline": fit_ridgeless(labeled.strong, labeled.target),
        "ceiling": fit_ridgeless(pool.strong, pool.target),
    }
    by_hand["student"] = fit_ridgeless(pool.strong, by_hand["weak"](pool.weak))
    for role, heads in by_hand.items():
        assert torch.equal(getattr(outcome, role).weight, heads.weight)
    outputs = outcome.outputs(pool)
    assert list(outputs) == ["weak", "student", "baseline", "ceiling"]
    assert torch.equal(outputs["weak"], outcome.weak(pool.weak))
    assert torch.equal(outputs["student"], outcome.student(pool.strong))


def test_the_ceilings_data_is_the_callers_choice():
    labeled, pool = regression(30), regression(50, seed=1)
    noisy = Sample(pool.weak, pool.strong, pool.target + 1, pool.group)
    fit = {"fit": fit_ridgeless, "pseudo_label": lambda output: output}
    on_pool = weak_to_strong(labeled, noisy, **fit).ceiling
    on_both = weak_to_strong(labeled, noisy, **fit, ceiling_on="pool and labeled").ceiling
    everything = join(noisy, labeled)
    exact = fit_ridgeless(everything.strong, everything.target)
    torch.testing.assert_close(on_both.weight, exact.weight)
    assert (on_pool.bias - on_both.bias).abs().min() > 0.1


def test_gain_equals_misfit_for_a_realizable_linear_student_and_not_otherwise():
    """Charikar et al.'s identity on the pool, and its failure once the target leaves the class."""
    labeled, pool = regression(30), regression(50, seed=1)

    def gain_minus_misfit(pool):
        outcome = weak_to_strong(labeled, pool, fit=fit_ridgeless, pseudo_label=lambda o: o)
        out = outcome.outputs(pool)
        gain = squared_error(out["weak"], pool.target) - squared_error(out["student"], pool.target)
        return (gain - misfit(out["student"], out["weak"])).abs()

    assert gain_minus_misfit(pool).max() < 1e-12
    g = torch.Generator().manual_seed(2)
    outside = pool.target + torch.randn(pool.target.shape, generator=g, dtype=torch.float64)
    assert gain_minus_misfit(Sample(pool.weak, pool.strong, outside, pool.group)).min() > 1e-3


def test_pseudo_labellers():
    output = torch.tensor([[[0.0, 2.0], [1.0, -1.0]]])
    assert hard(output).tolist() == [[[0.0, 1.0], [1.0, 0.0]]]
    torch.testing.assert_close(soft(output).sum(-1), torch.ones(1, 2))
    assert torch.equal(hard(soft(output)), hard(output))


def test_random_mistakes_have_the_right_number_and_no_pattern():
    g = torch.Generator().manual_seed(0)
    label = torch.randint(3, (8, 1000), generator=g)
    target = torch.nn.functional.one_hot(label, 3).double()
    rate = torch.linspace(0, 1, 8, dtype=torch.float64)
    got = random_mistakes(target, rate, seed=g)
    wrong = got.argmax(-1) != label
    assert wrong.sum(-1).tolist() == [round(1000 * r) for r in rate.tolist()]
    assert (got.sum(-1) == 1).all()
    # Neither position, nor true class, nor the wrong class that is named tells anything.
    half = wrong[3:4, :500].double().mean() - wrong[3:4, 500:].double().mean()
    assert abs(half) < 4 * (4 * 0.25 / 1000) ** 0.5
    shift = ((got.argmax(-1) - label) % 3)[wrong]
    assert abs((shift == 1).double().mean() - 0.5) < 4 * (0.25 / len(shift)) ** 0.5
    with pytest.raises(ValueError, match=r"rate must lie in \[0, 1\], got -1 to 0"):
        random_mistakes(target[:2], torch.tensor([-1.0, 0.0]), seed=g)
    with pytest.raises(ValueError, match="rate must hold target's 8 heads"):
        random_mistakes(target, rate[:3], seed=g)


def test_classification_end_to_end_separates_the_roles():
    g = torch.Generator().manual_seed(0)
    core = torch.randn(16, 900, 4, generator=g)
    label = (core.sum(-1) > 0).long()
    weak = core[..., :2] + 0.5 * torch.randn(16, 900, 2, generator=g)
    target = torch.nn.functional.one_hot(label, 2).float()
    whole = Sample(weak, core, target, torch.zeros(900).long())
    labeled, pool, test = whole[:100], whole[100:500], whole[500:]
    fit = partial(fit_logistic, l2=1e-2)
    outcome = weak_to_strong(labeled, pool, fit=fit, pseudo_label=hard)
    scores = {r: accuracy(o, test.target).mean() for r, o in outcome.outputs(test).items()}
    assert scores["weak"] + 0.02 < scores["student"] < scores["ceiling"] - 0.02


def test_bad_input_is_named():
    labeled, pool = regression(30), regression(50)
    with pytest.raises(ValueError, match=r"ceiling_on must be .*, got 'all'"):
        weak_to_strong(labeled, pool, fit=fit_ridgeless, pseudo_label=soft, ceiling_on="all")
    wide = Sample(pool.weak, pool.strong, pool.target.expand(4, 50, 2), pool.group)
    with pytest.raises(
        ValueError, match="labeled and pool must have the same outputs, got 1 and 2"
    ):
        weak_to_strong(labeled, wide, fit=fit_ridgeless, pseudo_label=soft)


def two_classes(n, *, heads=6, seed=0, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    strong = torch.randn(heads, n, 4, generator=g, dtype=dtype)
    weak = strong[..., :2] + 0.5 * torch.randn(heads, n, 2, generator=g, dtype=dtype)
    target = torch.nn.functional.one_hot((strong.sum(-1) > 0).long(), 2)
    return Sample(weak, strong, target)


@pytest.mark.parametrize(("name", "fit"), [("logistic", fit_logistic), ("ridge", fit_ridge)])
def test_a_fit_may_be_named(name, fit):
    labeled, pool = two_classes(40), two_classes(60, seed=1)
    named = weak_to_strong(labeled, pool, fit=name, l2=0.1, pseudo_label=soft)
    own = weak_to_strong(labeled, pool, fit=partial(fit, l2=0.1), pseudo_label=soft)
    for role in ("weak", "student", "baseline", "ceiling"):
        assert torch.equal(getattr(named, role).weight, getattr(own, role).weight)


def test_pseudo_label_none_leaves_real_outputs_as_they_are():
    labeled, pool = regression(30), regression(50, seed=1)
    plain = weak_to_strong(labeled, pool, fit="ridge", l2=0.1, pseudo_label=None)
    same = weak_to_strong(labeled, pool, fit="ridge", l2=0.1, pseudo_label=lambda o: o)
    assert torch.equal(plain.student.weight, same.student.weight)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("fit", ["ridge", "logistic"])
def test_features_of_any_precision_go_through(dtype, fit):
    """Frozen features come in half precision; the heads agree with those of the same values."""
    low, exact = {}, {}
    for name, seed in (("labeled", 0), ("pool", 1)):
        sample = two_classes(60, seed=seed)
        parts = (sample.weak.to(dtype), sample.strong.to(dtype))
        low[name] = Sample(*parts, sample.target)
        exact[name] = Sample(*(part.double() for part in parts), sample.target.double())
    found, expected = (
        weak_to_strong(**both, fit=fit, l2=0.1, pseudo_label=hard) for both in (low, exact)
    )
    for role in ("weak", "student", "baseline", "ceiling"):
        torch.testing.assert_close(
            getattr(found, role).weight.double(),
            getattr(expected, role).weight,
            rtol=1e-4,
            atol=1e-5,
        )


def test_a_teacher_that_names_one_class_fails_its_head_alone():
    labeled, pool, test = two_classes(40), two_classes(60, seed=1), two_classes(500, seed=2)
    how = {"fit": "logistic", "l2": 0.1, "pseudo_label": hard}
    whole = weak_to_strong(labeled, pool, **how)
    assert whole.failed == {}
    # Head 2's pool lies where its teacher says 1 throughout; head 4's labels are all of one class.
    direction = whole.weak.weight[2, :, 1] - whole.weak.weight[2, :, 0]
    far = pool.weak.clone()
    far[2] += 100 * direction / direction.norm()
    one = labeled.target.clone()
    one[4] = torch.tensor([1.0, 0.0])
    outcome = weak_to_strong(
        Sample(labeled.weak, labeled.strong, one), Sample(far, pool.strong, pool.target), **how
    )
    assert {role: sorted(heads) for role, heads in outcome.failed.items()} == {
        "weak": [4],
        "student": [2, 4],
        "baseline": [4],
    }
    assert (
        "by its teacher's labels: its target shows it no example of class 0"
        in (outcome.failed["student"][2])
    )
    assert "its teacher was not fitted" in outcome.failed["student"][4]
    for role in ("weak", "student", "baseline", "ceiling"):
        lost = sorted(outcome.failed.get(role, ()))
        kept = [head for head in range(6) if head not in (2, 4)]
        found, expected = outcome.accuracies(test)[role], whole.accuracies(test)[role]
        assert found.isnan().nonzero().flatten().tolist() == lost
        torch.testing.assert_close(found[kept], expected[kept], rtol=0, atol=1e-9)
    report = outcome.report(test)
    assert set(report["heads"]) == {4}
    with pytest.raises(ValueError, match="weak cannot be fitted: target must show every class"):
        weak_to_strong(labeled[:1], pool, **how)


def test_a_report_is_what_the_measures_say_of_the_same_heads():
    labeled, pool, test = (two_classes(n, seed=n) for n in (30, 200, 400))
    outcome = weak_to_strong(labeled, pool, fit="logistic", l2=0.1, pseudo_label=hard)
    right = outcome.accuracies(test)
    report = outcome.report(test, seed=3)
    assert list(report.index) == ["weak", "student", "baseline", "ceiling", "PGR", "OPR"]
    for role, output in outcome.outputs(test).items():
        by_hand = (output.argmax(-1) == test.target.argmax(-1)).double().mean()
        assert report["mean"][role] == pytest.approx(float(by_hand))
    means = {role: float(value.mean()) for role, value in right.items()}
    gain = (means["student"] - means["weak"]) / (means["ceiling"] - means["weak"])
    assert report["mean"]["PGR"] == pytest.approx(gain)
    # Of errors, never of accuracies: the two lie on different sides of 1.
    assert report["mean"]["OPR"] == pytest.approx((1 - means["baseline"]) / (1 - means["student"]))
    assert (report["low"] < report["mean"]).all()
    assert (report["mean"] < report["high"]).all()
    again = metrics.bootstrap_interval(lambda x: x.mean(-1), right["weak"], seed=3)
    np.testing.assert_allclose(report.loc["weak", ["low", "high"]].astype(float), again)
    one = weak_to_strong(
        *(Sample(s.weak[:1], s.strong[:1], s.target[:1]) for s in (labeled, pool)),
        fit="logistic",
        l2=0.1,
        pseudo_label=hard,
    ).report(Sample(test.weak[:1], test.strong[:1], test.target[:1]))
    assert one["low"].isna().all()
    assert one["mean"]["weak"] == pytest.approx(float(right["weak"][0]))


def test_a_report_of_real_targets_is_of_squared_errors():
    labeled, pool, test = (regression(n, seed=n) for n in (30, 50, 70))
    outcome = weak_to_strong(labeled, pool, fit="ridge", l2=0.1, pseudo_label=None)
    risk = {r: squared_error(o, test.target).mean() for r, o in outcome.outputs(test).items()}
    report = outcome.report(test)
    assert report["mean"]["student"] == pytest.approx(float(risk["student"]))
    assert report["mean"]["OPR"] == pytest.approx(float(risk["baseline"] / risk["student"]))


def test_a_report_of_no_gap_but_rounding_has_no_ratio():
    """A teacher whose features the student has, among noise: as good as the ceiling on average."""
    g = np.random.default_rng(7)
    weak = g.normal(size=(300, 3))
    label = (weak[:, 0] + g.normal(size=300) > 0).astype(int)
    strong = np.c_[weak, g.normal(size=(300, 2))]
    whole = Sample.from_arrays(weak=weak, strong=strong, y=label)
    labeled, pool, test = whole.split(60, 150, 30, seed=7, draws=6)
    report = weak_to_strong(labeled, pool, fit="ridge", l2=0.01, pseudo_label=hard).report(test)
    assert abs(report["mean"]["weak"] - report["mean"]["ceiling"]) < 1e-6
    assert report.loc["PGR", ["mean", "low", "high"]].isna().all()


@pytest.mark.parametrize(("labelled", "pools"), [(5, 1), (1, 5), (5, 5), (1, 1)])
def test_a_part_may_be_shared_by_all_draws(labelled, pools):
    labeled, pool = two_classes(40, heads=labelled), two_classes(60, heads=pools, seed=1)
    how = {"fit": "logistic", "l2": 0.1, "pseudo_label": hard}
    outcome = weak_to_strong(labeled, pool, **how)
    for test in (two_classes(200, heads=5, seed=2), two_classes(200, heads=1, seed=2)):
        heads = max(labelled, pools, len(test.target))
        right = outcome.accuracies(test)
        assert {len(value) for value in right.values()} == {heads}
        assert set(outcome.report(test)["heads"]) == {heads}
        for head in range(heads):
            one = weak_to_strong(draw(labeled, head), draw(pool, head), **how)
            for role, value in one.accuracies(draw(test, head)).items():
                torch.testing.assert_close(value[0], right[role][head], rtol=0, atol=0.0051)


def draw(sample, head):
    parts = (sample.weak, sample.strong, sample.target)
    return Sample(*(part[[min(head, len(part) - 1)]] for part in parts))


def test_who_failed_is_said_by_the_names_of_classes():
    x = torch.arange(48.0).view(2, 12, 2)
    label = torch.tensor([[0, 1, 2] * 4, [0] * 12])
    target = torch.nn.functional.one_hot(label, 3)
    sample = Sample(x, x, target, classes=("cat", "dog", 1))
    how = {"fit": "logistic", "l2": 0.1, "pseudo_label": lambda said: target[[0, 0]].double()}
    failed = weak_to_strong(sample, sample, **how).failed
    assert failed["baseline"] == {1: "its target shows it no example of class dog, 1"}
    assert failed["student"][1].endswith("not fitted: " + failed["weak"][1])
    one = Sample(x[1], x[1], target[1:, :, [1, 0, 2]], classes=sample.classes)
    with pytest.raises(ValueError, match=r"head 0 fails: .* no example of class cat, 1"):
        weak_to_strong(one, one, **how)
