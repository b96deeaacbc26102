"""Selection and retraining against loops, at their known ends, and with controls."""

import numpy as np
import pytest
import torch
from confidence_cases import pool
from helpers_data import script
from torch.nn.functional import one_hot

from w2s_tutorial.confidence.compare import vanilla
from w2s_tutorial.confidence.retrain import doubt, pick, retrain, rule
from w2s_tutorial.confidence.selection import (
    _surest_of_each,
    confidence,
    keep_top,
    labels_of,
    share_of,
    within_classes,
)
from w2s_tutorial.confidence.synthetic import two_places

controls = script("confidence/controls")
keep_alike, keep_evenly = controls.keep_alike, controls.keep_evenly


def logits(h=3, n=40, c=3, seed=0):
    return 2 * torch.randn(h, n, c, generator=torch.Generator().manual_seed(seed)).double()


@pytest.mark.parametrize("by", ["entropy", "probability", "margin"])
def test_confidence_against_the_formula(by):
    output = logits()
    p = np.exp(output.numpy()) / np.exp(output.numpy()).sum(-1, keepdims=True)
    ordered = np.sort(p, -1)
    slow = {
        "entropy": (p * np.log(p)).sum(-1),
        "probability": np.log(ordered[..., -1]),
        "margin": ordered[..., -1] - ordered[..., -2],
    }[by]
    np.testing.assert_allclose(confidence(output, by).numpy(), slow, rtol=1e-9)


def test_with_two_classes_all_three_agree_and_with_three_they_do_not():
    for c, agree in ((2, True), (3, False)):
        output = logits(c=c, n=200)
        kept = [
            keep_top(confidence(output, by), 0.3) for by in ("entropy", "probability", "margin")
        ]
        assert ((kept[0] == kept[1]).all() and (kept[1] == kept[2]).all()) == agree


@pytest.mark.parametrize("p", [0.01, 0.2, 0.5, 1.0])
def test_keep_top_against_a_loop(p):
    score = logits()[..., 0].round(decimals=1)  # with ties
    keep = keep_top(score, p)
    for row, kept in zip(score.tolist(), keep.tolist(), strict=True):
        order = sorted(range(len(row)), key=lambda i: (-row[i], i))
        chosen = set(order[: max(1, round(p * len(row)))])
        assert kept == [i in chosen for i in range(len(row))]


def test_each_head_has_its_own_share_and_selections_are_nested():
    score = logits()[..., 0]
    keep = keep_top(score, torch.tensor([0.1, 0.5, 1.0]))
    assert keep.sum(-1).tolist() == [4, 20, 40]
    assert (keep_top(score, 0.2) & ~keep_top(score, 0.6)).sum() == 0


def test_a_control_has_the_shares_of_the_selection_and_not_its_examples():
    g = torch.Generator().manual_seed(0)
    score, group = torch.rand(5, 400, generator=g), torch.randint(4, (5, 400), generator=g)
    keep = keep_top(score - 0.3 * (group == 2), 0.3)
    drawn = keep_alike(keep, group, seed=g)
    for value in range(4):
        mine, theirs = ((k & (group == value)).sum(-1) for k in (keep, drawn))
        assert mine.tolist() == theirs.tolist()
    assert score[drawn].mean() < score[keep].mean() - 0.2
    anyone = keep_alike(keep, torch.zeros_like(group), seed=g)
    assert (share_of(group == 2, anyone) > share_of(group == 2, keep) + 0.05).all()


def test_a_control_of_most_of_a_stratum_is_of_that_stratum():
    group = (torch.arange(40) < 10).long().expand(3, 40)
    keep = (torch.arange(40) < 9) | (torch.arange(40) >= 12)
    drawn = keep_alike(keep.expand(3, 40), group, seed=0)
    assert (drawn & (group == 1)).sum(-1).tolist() == [9, 9, 9]
    assert (drawn & (group == 0)).sum(-1).tolist() == [28, 28, 28]


def test_an_even_control_has_the_right_labels_of_the_selection_and_the_groups_of_the_pool():
    g = torch.Generator().manual_seed(0)
    group = (torch.rand(20, 4000, generator=g) < torch.tensor(0.3)).long()
    right = torch.rand(20, 4000, generator=g) < torch.where(group == 1, 0.6, 0.9)
    keep = keep_top(right + 0.8 * (group == 0) + 3 * torch.rand(20, 4000, generator=g), 0.5)
    assert (share_of(group == 1, keep) < 0.25).all(), "the selection drops the minority"
    assert (share_of(right, keep) < 0.98).all(), "and keeps wrong labels too"
    even = keep_evenly(keep, group, right, seed=g)
    assert even.sum(-1).tolist() == keep.sum(-1).tolist()
    assert (even & right).sum(-1).tolist() == (keep & right).sum(-1).tolist()
    everyone = torch.ones_like(keep)
    whole = share_of(group == 1, everyone)
    torch.testing.assert_close(share_of(group == 1, even), whole, atol=1e-3, rtol=0)
    factor = [
        share_of(~right, even & (group == value)) / share_of(~right, group == value)
        for value in (0, 1)
    ]
    torch.testing.assert_close(*factor, atol=0.01, rtol=0)
    assert (factor[0] < 0.7).all()
    alike = keep_alike(keep, right.long(), seed=g)
    assert (share_of(group == 1, alike) < whole - 0.02).all(), "the other control moves them"
    assert (even & ~keep).any(-1).all(), "who is drawn is chance"


def test_an_even_control_takes_what_there_is():
    group = torch.tensor([[0] * 10 + [1] * 10])
    right = torch.tensor([[True] * 10 + [True] + [False] * 9])
    keep = torch.tensor([[True] * 10 + [True] * 4 + [False] * 6])
    even = keep_evenly(keep, group, right, seed=0)
    assert even.sum() == 14
    assert [int((even & (group == v)).sum()) for v in (0, 1)] == [7, 7]
    assert int((even & right).sum()) == 8, "7 of 7, and the only right one of the others"


def test_share_of_says_who_was_kept():
    mask = torch.tensor([[True, False, True, False]])
    assert share_of(mask, torch.tensor([[True, True, True, False]])) == pytest.approx(2 / 3)
    assert share_of(mask, torch.zeros(1, 4, dtype=torch.bool)).isnan()


def test_within_classes_keeps_the_shares_of_the_classes():
    label = one_hot((torch.arange(100) < 20).long().expand(2, 100), 2)
    score = torch.rand(2, 100, generator=torch.Generator().manual_seed(1)) + label[..., 0]
    assert share_of(label[..., 1] > 0, keep_top(score, 0.5)).max() == 0  # class 0 is surer
    keep = keep_top(within_classes(score, label), 0.5)
    torch.testing.assert_close(share_of(label[..., 1] > 0, keep), torch.tensor([0.2, 0.2]))
    one = label[0, :, 1] > 0
    assert score[0][one & keep[0]].min() > score[0][one & ~keep[0]].max()


def test_the_surest_of_each_class():
    score = torch.tensor([[3.0, 1.0, 2.0, 0.0]])
    label = one_hot(torch.tensor([[0, 1, 1, 0]]), 3)
    assert _surest_of_each(score, label).tolist() == [[True, False, True, False]]


def tensors(*values):
    return [torch.tensor(value, dtype=torch.float64) for value in values]


def test_everything_kept_and_cross_entropy_is_vanilla():
    _, x, label = pool()
    student = vanilla(x, label, torch.tensor([0.1]))
    p, q, l2 = tensors([1.0, 1.0, 0.5, 1.0], [0.0, 1e-9, 0.0, 0.7], [0.1] * 4)
    heads = retrain(x, label, confidence(student(x)), p=p, q=q, l2=l2)
    for n, same in enumerate([True, True, False, False]):
        one = pick(heads, torch.full((3,), n))
        gap = (one.weight - student.weight).abs().amax((1, 2))
        assert (gap < 2e-3).all() if same else (gap > 0.02).all()


def test_a_grid_is_its_cells_one_at_a_time():
    _, x, label = pool()
    score = confidence(vanilla(x, label, torch.tensor([0.1]))(x))
    p, q, l2 = tensors([0.3, 0.6], [1.0, 0.3], [0.05, 0.5])
    grid = retrain(x, label, score, p=p, q=q, l2=l2)
    for n in range(2):
        for draw in range(3):
            block = slice(draw, draw + 1)
            cell = {"p": p[n : n + 1], "q": q[n : n + 1], "l2": l2[n : n + 1]}
            alone = retrain(x[block], label[block], score[block], **cell)
            torch.testing.assert_close(
                alone.weight[0], grid.weight[2 * draw + n], rtol=1e-4, atol=1e-5
            )
    own = torch.tensor([[0.3], [0.6], [0.3]], dtype=torch.float64)
    each = retrain(x, label, score, p=own, q=own, l2=torch.full_like(own, 0.1))
    again = retrain(x, label, score, p=own[:1, 0], q=own[:1, 0], l2=tensors([0.1])[0])
    assert torch.allclose(each.weight[[0, 2]], again.weight[[0, 2]], atol=1e-5)
    assert not torch.allclose(each.weight[1], again.weight[1], atol=1e-3)


def test_labels_name_every_class_and_otherwise_the_largest_output():
    output = logits()
    assert torch.equal(labels_of(output), one_hot(output.argmax(-1), 3).double())
    output[0, :, 2] -= 100
    nearest = int(output[0].log_softmax(-1)[:, 2].argmax())
    label = labels_of(output)[0]
    assert label[:, 2].nonzero().flatten().tolist() == [nearest]
    assert (label.sum(-1) == 1).all()


def test_a_class_that_would_be_lost_is_represented():
    x = torch.randn(1, 50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    label = one_hot((torch.arange(50) < 5).long()[None], 2).double()
    score = label[..., 0] + torch.arange(50) / 100
    cell = tensors([0.2], [0.7], [0.1])
    retrain(x, label, score, **dict(zip(("p", "q", "l2"), cell, strict=True)))


def test_settings_are_tensors():
    x = torch.randn(1, 50, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    label = one_hot((x[..., 0] > 0).long(), 2).double()
    p, q, l2 = tensors([0.5], [0.7], [0.1])
    asked = x, label, x[..., 0].abs()
    single = retrain(*asked, p=p[0], q=q[0], l2=l2[0])
    assert torch.equal(single.weight, retrain(*asked, p=p, q=q, l2=l2).weight)
    with pytest.raises(TypeError, match=r"q must be a tensor \(m,\) or \(b, m\), got 0.7"):
        retrain(*asked, p=p, q=0.7, l2=l2)


def test_doubt_is_none_for_a_line_and_a_half_for_dice():
    g = torch.Generator().manual_seed(0)
    x = torch.randn(20, 300, 4, generator=g, dtype=torch.float64)
    line = (x[..., 0] > 0).long()
    dice = torch.randint(2, (20, 300), generator=g)
    l2 = torch.full((20,), 0.001, dtype=torch.float64)
    assert doubt(x, one_hot(line, 2).double(), l2=l2).max() < 0.05
    assert abs(doubt(x, one_hot(dice, 2).double(), l2=l2).mean() - 0.5) < 0.03
    order = line.argsort(-1)  # sorted by label: every fold still has both classes
    x, line = x.gather(1, order[..., None].expand_as(x)), line.gather(1, order)
    assert doubt(x, one_hot(line, 2).double(), l2=l2).max() < 0.05


def test_the_rule_leaves_a_trusted_teacher_alone():
    p, q = rule(torch.tensor([0.0, 0.1, 0.3, 0.6]))
    torch.testing.assert_close(p, torch.tensor([1.0, 0.8, 0.4, 0.2]))
    torch.testing.assert_close(q, torch.tensor([0.0, 0.4, 1.0, 1.0]))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: keep_top(logits()[..., 0], 0.0), r"p must lie in \(0, 1\], got 0.0 to 0.0"),
        (lambda: keep_top(logits()[..., 0], torch.tensor([0.5, 0.5, 1.1])), "got 0.5 to 1.1"),
        (lambda: keep_top(logits()[..., 0] * torch.nan, 0.5), "score must be a number"),
        (lambda: confidence(logits(), "luck"), "'probability' or 'margin', got 'luck'"),
        (lambda: confidence(logits(c=1)), "at least 2 classes, got 1"),
        (lambda: keep_alike(torch.ones(1, 2), torch.ones(1, 3), seed=0), "same shape"),
        (lambda: two_places(sizes={"pool": 6}, minority={"pool": 0.5}, heads=1, seed=0),
         "multiples of 4"),
        (lambda: two_places(sizes={"pool": 8}, minority={"pool": 1.5}, heads=1, seed=0),
         r"minority must lie in \[0, 1\]"),
        (lambda: two_places(sizes={"pool": 8}, minority={"test": 0.5}, heads=1, seed=0),
         "name the same parts"),
    ],
)  # fmt: skip
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
