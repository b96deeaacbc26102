from functools import partial

import pytest
import torch

from w2s_tutorial.heads.least_squares import fit_ridgeless
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
