import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from w2s_tutorial import metrics


def outputs(h=3, n=30, c=2, seed=0):
    g = torch.Generator().manual_seed(seed)
    label = torch.randint(c, (h, n), generator=g)
    group = torch.randint(4, (h, n), generator=g)
    return torch.randn(h, n, c, generator=g), torch.nn.functional.one_hot(label, c), group


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.integers(1, 20), st.integers(2, 4), st.booleans())
def test_group_accuracy_agrees_with_a_loop(h, n, c, shared):
    output, target, group = outputs(h, n, c, seed=n)
    group = group[0] if shared else group
    fast = metrics.group_accuracy(output, target, group, groups=5)
    for i in range(h):
        own = group if shared else group[i]
        right = output[i].argmax(-1) == target[i].argmax(-1)
        for g in range(5):
            members = right[own == g]
            if len(members):
                assert fast[i, g] == pytest.approx(float(members.float().mean()))
            else:
                assert fast[i, g].isnan()  # group 4 always ends here
    worst = metrics.worst_group_accuracy(output, target, group, groups=5)
    assert worst.tolist() == pytest.approx([float(f[~f.isnan()].min()) for f in fast])


def test_an_empty_group_is_not_the_worst_one():
    output = torch.tensor([[[1.0, 0.0], [1.0, 0.0]]])
    target = torch.tensor([[[1, 0], [1, 0]]])
    group = torch.tensor([0, 2])
    each = metrics.group_accuracy(output, target, group, groups=3)
    assert each[0, 1].isnan()
    assert metrics.worst_group_accuracy(output, target, group, groups=3).tolist() == [1.0]


def test_accuracy_known_ends():
    output, target, _ = outputs()
    assert metrics.accuracy(target.float(), target).tolist() == [1.0] * 3
    assert metrics.accuracy(1 - target.float(), target).tolist() == [0.0] * 3
    assert metrics.disagreement(output, output).tolist() == [0.0] * 3


def test_repeated_mistakes_against_a_loop():
    weak, target, _ = outputs(seed=1)
    student, _, _ = outputs(seed=2)
    for i, share in enumerate(metrics.repeated_mistakes(weak, student, target).tolist()):
        label = target[i].argmax(-1)
        missed = [e for e in range(30) if weak[i, e].argmax() != label[e]]
        both = [e for e in missed if student[i, e].argmax() != label[e]]
        assert share == pytest.approx(len(both) / len(missed))
    assert metrics.repeated_mistakes(weak, weak, target).tolist() == [1.0] * 3
    assert metrics.repeated_mistakes(weak, target.float(), target).tolist() == [0.0] * 3
    assert metrics.repeated_mistakes(target.float(), weak, target).isnan().all()


def test_misfit_is_the_squared_error_between_two_models():
    output, target, _ = outputs()
    byhand = ((output - target) ** 2).sum(-1).mean(-1)
    torch.testing.assert_close(metrics.misfit(output, target.float()), byhand)
    assert metrics.misfit(output, output).tolist() == [0.0] * 3


def test_pgr_known_ends():
    weak, ceiling = torch.tensor([0.6, 0.7]), torch.tensor([0.9, 0.9])
    assert metrics.pgr(weak, weak, ceiling) == 0
    assert metrics.pgr(weak, ceiling, ceiling) == 1
    assert metrics.pgr(weak, (weak + ceiling) / 2, ceiling) == pytest.approx(0.5)
    assert metrics.pgr(weak, weak - 0.1, ceiling) < 0
    risks = metrics.pgr(1 - weak, 1 - (weak + ceiling) / 2, 1 - ceiling)
    assert risks == pytest.approx(0.5)  # accuracies or risks: the same


def test_pgr_without_a_gap_is_nan():
    flat = torch.tensor([0.7, 0.8])
    assert metrics.pgr(flat, flat, flat).isnan()
    assert metrics.pgr(flat, flat, flat + 0.01, min_gap=0.02).isnan()
    assert metrics.pgr(flat, flat, flat + 0.03, min_gap=0.02) == 0


def test_pgr_is_the_ratio_of_means_not_the_mean_of_ratios():
    """With a true gap of .02, noise .01 and 20 seeds, per-seed ratios are useless."""
    g = torch.Generator().manual_seed(0)
    weak, student, ceiling = (
        mean + 0.01 * torch.randn(2000, 20, generator=g) for mean in (0.70, 0.71, 0.72)
    )
    off = (metrics.pgr(weak, student, ceiling) - 0.5).abs() > 0.5
    per_seed = ((student - weak) / (ceiling - weak)).mean(-1)
    assert off.float().mean() < 0.01
    assert ((per_seed - 0.5).abs() > 0.5).float().mean() > 0.2


def test_a_gap_of_exactly_nothing_is_no_gap():
    flat = torch.tensor([0.5, 0.75])
    assert metrics.pgr(flat, flat + 0.125, flat).isnan()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("heads", [3, 14, 200])
def test_a_gap_that_is_rounding_is_no_gap(dtype, heads):
    """Means of the same values in another order differ in their last digits, and in nothing."""
    g = torch.Generator().manual_seed(0)
    weak = torch.randint(500, 1000, (500, heads), generator=g).to(dtype) / 999
    order = torch.rand(weak.shape, generator=g).argsort(-1)
    ceiling = weak.gather(-1, order).T.contiguous().T
    assert (weak.mean(-1) != ceiling.mean(-1)).any()
    assert metrics.pgr(weak, weak + 0.01, ceiling).isnan().all()


@pytest.mark.parametrize("right", [0.5, 0.9, 1 - 1e-6])
def test_one_example_of_a_million_is_a_gap(right):
    weak = torch.full((20,), right)
    assert metrics.pgr(weak, weak + 1e-6, weak + 1e-6) == 1


def test_labels_may_be_integers_of_any_width():
    output, target, group = outputs(c=3)
    label = target.argmax(-1)
    expected = metrics.accuracy(output, target)
    for dtype in (torch.long, torch.int32, torch.uint8):
        assert torch.equal(metrics.accuracy(output, label.to(dtype)), expected)
    shared = metrics.accuracy(output, label[0])
    assert torch.equal(shared, metrics.accuracy(output, target[:1]))
    assert torch.equal(metrics.error_rate(output, label), 1 - expected)
    of_groups = metrics.group_accuracy(output, label, group, groups=4)
    assert torch.equal(of_groups, metrics.group_accuracy(output, target, group, groups=4))


def test_a_head_that_is_not_fitted_has_no_accuracy_and_spoils_no_other():
    output, target, group = outputs()
    broken = output.clone()
    broken[1] = math.nan
    for measure in (metrics.accuracy, metrics.error_rate, metrics.squared_error):
        found = measure(broken, target.float())
        assert found[1].isnan()
        assert torch.equal(found[[0, 2]], measure(output, target.float())[[0, 2]])
    worst = metrics.worst_group_accuracy(broken, target, group, groups=4)
    assert worst.isnan().tolist() == [False, True, False]
    assert metrics.disagreement(output, broken).isnan().tolist() == [False, True, False]
    broken[1, 0] = 0.0  # one head may be missing, a part of one is a mistake
    with pytest.raises(ValueError, match="output must be finite"):
        metrics.accuracy(broken, target)


def test_half_precision_outputs_do_not_round_shares():
    output, target, _ = outputs(n=1001)
    found = metrics.accuracy(output.half(), target)
    right = (output.half().argmax(-1) == target.argmax(-1)).double().mean(-1)
    torch.testing.assert_close(found.double(), right, rtol=1e-6, atol=0)


def test_opr_known_ends():
    risk = torch.tensor([0.2, 0.4])
    assert metrics.opr(risk, risk) == 1
    assert metrics.opr(risk / 2, risk) == 2
    assert metrics.opr(risk * 0, risk).isnan()
    with pytest.raises(ValueError, match="opr takes risks of at least 0"):
        metrics.opr(-risk, risk)


def test_bootstrap_interval_covers_at_its_level():
    """200 repeats of 40 heads: the 90 % interval of a mean covers 80 to 96 % of the time."""
    g = torch.Generator().manual_seed(1)
    hits = 0
    for _ in range(200):
        low, high = metrics.bootstrap_interval(
            lambda x: x.mean(-1), torch.randn(40, generator=g), level=0.9, repeats=400, seed=g
        )
        hits += bool(low < 0 < high)
    expected, error = 180, math.sqrt(200 * 0.9 * 0.1)
    assert abs(hits - expected) < 4 * error


def test_bootstrap_resamples_heads_jointly():
    """Roles that move together leave PGR certain; shuffling one of them does not."""
    g = torch.Generator().manual_seed(0)
    shift = 0.1 * torch.randn(30, generator=g)
    weak, student, ceiling = 0.5 + shift, 0.6 + shift, 0.7 + shift
    low, high = metrics.bootstrap_interval(metrics.pgr, weak, student, ceiling, seed=g)
    assert high - low < 1e-3
    other = student[torch.randperm(30, generator=g)]
    low, high = metrics.bootstrap_interval(metrics.pgr, weak, other, ceiling, seed=g)
    assert high - low > 0.05


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda o, t, g: metrics.accuracy(o, t[:, :-1]), "the same n >= 1 examples"),
        (lambda o, t, g: metrics.accuracy(o[:, :0], t[:, :0]), "the same n >= 1 examples"),
        (lambda o, t, g: metrics.accuracy(o / 0, t), "output must be finite"),
        (lambda o, t, g: metrics.group_accuracy(o, t, g, groups=2), r"group must lie in 0\.\.1"),
        (lambda o, t, g: metrics.group_accuracy(o, t, 0 * g + 2, groups=2), r"0\.\.1, got 2\.\.2"),
        (lambda o, t, g: metrics.group_accuracy(o, t, g[:2], groups=4), "group must list 30"),
        (lambda o, t, g: metrics.accuracy(o[..., :1], t[..., :1]), "at least 2, got 1"),
        (lambda o, t, g: metrics.disagreement(o[..., :1], o[..., :1]), "at least 2, got 1"),
        (lambda o, t, g: metrics.group_accuracy(o[..., :1], t[..., :1], g, groups=4), "at least 2"),
        (lambda o, t, g: metrics.repeated_mistakes(o[..., :1], o, t[..., :1]), "at least 2"),
        (lambda o, t, g: metrics.accuracy(o, t[:2]), "the same heads, got 3 and 2"),
        (lambda o, t, g: metrics.accuracy(o, 0 * g + 2), r"target must lie in 0\.\.1, got 2\.\.2"),
        (lambda o, t, g: metrics.misfit(o, o[:2]), "weak_output must have the same heads"),
        (lambda o, t, g: metrics.opr(o[0, :5, 0].abs(), o[0, :4, 0].abs()), "the same heads, got"),
        (lambda o, t, g: metrics.pgr(o[0, :5, 0], o[0, :4, 0], o[0, :5, 0]), "the same heads, got"),
        (lambda o, t, g: metrics.pgr(o[:0, 0, 0], o[:0, 0, 0], o[:0, 0, 0]), "value per head"),
        (lambda o, t, g: metrics.pgr(o[0, 0] / 0, o[0, 0], o[0, 0]), "weak must be finite"),
        (
            lambda o, t, g: metrics.bootstrap_interval(
                metrics.opr, o[0, :3, 0], o[0, :4, 0], seed=torch.Generator()
            ),
            "samples must list the same heads",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(*outputs())


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda o, t: metrics.accuracy(o.numpy(), t),
            r"output must be a torch\.Tensor, got ndarray",
        ),
        (lambda o, t: metrics.accuracy(o, t.tolist()), r"target must be a torch\.Tensor, got list"),
        (lambda o, t: metrics.pgr(0.1, 0.2, 0.3), r"weak must be a torch\.Tensor, got float"),
        (
            lambda o, t: metrics.group_accuracy(o, t, o[..., 0], groups=2),
            "group must hold integers",
        ),
    ],
)
def test_what_is_no_tensor_is_named(call, message):
    with pytest.raises(TypeError, match=message):
        call(*outputs()[:2])


def test_a_statistic_that_averages_over_draws_is_refused():
    values = torch.rand(5, generator=torch.Generator().manual_seed(0))
    with pytest.raises(ValueError, match=r"statistic must return a number for each draw, got sha"):
        metrics.bootstrap_interval(lambda v: v.mean(), values, seed=0)
    with pytest.raises(ValueError, match="repeats must be at least 1, got 0"):
        metrics.bootstrap_interval(lambda v: v.mean(-1), values, seed=0, repeats=0)
    low, high = metrics.bootstrap_interval(lambda v: v.mean(-1), values, seed=0)
    assert low < values.mean() < high


def test_complex_outputs_are_refused():
    outputs = torch.zeros(1, 4, 2, dtype=torch.complex64)
    with pytest.raises(TypeError, match="output must hold real numbers, got torch"):
        metrics.accuracy(outputs, outputs.real)
