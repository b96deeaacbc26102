"""Every rival at an end where its answer is known, and away from it; all of them side by side."""

import pytest
import torch
from confidence_cases import pool
from helpers_data import script
from torch.nn.functional import one_hot

from w2s_tutorial.confidence.compare import vanilla
from w2s_tutorial.confidence.selection import confidence, keep_top, share_of
from w2s_tutorial.confidence.synthetic import two_places
from w2s_tutorial.losses import cross_entropy

rivals = script("confidence/rivals")
L2 = torch.tensor([0.05, 0.5], dtype=torch.float64)


def close(first, second, atol=1e-3):
    return bool((first.weight - second.weight).abs().max() < atol)


@pytest.fixture(scope="module")
def data():
    sample, x, label = pool()
    return sample, x, label, vanilla(x, label, L2)


def test_the_confidence_loss_without_confidence_is_training_on_soft_labels(data):
    _, x, label, _ = data
    soft = 0.7 * label + 0.15
    plain = vanilla(x, soft, L2)
    assert close(rivals.confidence_loss(x, soft, L2, most=0.0), plain)
    assert not close(rivals.confidence_loss(x, soft, L2), plain, 0.1)


def test_self_training_without_rounds_is_vanilla_and_with_them_not(data):
    _, x, label, plain = data
    assert close(rivals.self_training(x, label, L2, rounds=0), plain)
    again = rivals.self_training(x, label, L2)
    assert not close(again, plain, 0.02)
    own = one_hot(plain(x).argmax(-1), 2).double()
    once = rivals.self_training(x, label, L2, rounds=1)
    loss = cross_entropy(once(x), own).mean(-1)
    assert (loss < cross_entropy(plain(x), own).mean(-1)).all()


def test_small_loss_of_everything_is_vanilla_and_of_half_keeps_better_labels(data):
    sample, x, label, plain = data
    student = vanilla(x, label, L2[:1])
    assert close(rivals.small_loss(x, label, student, L2, p=1.0), plain)
    assert not close(rivals.small_loss(x, label, student, L2), plain, 0.05)
    loss = cross_entropy(student(x), label)
    right = label.argmax(-1) == sample.target.argmax(-1)
    kept = keep_top(-loss, 0.5)
    assert (share_of(right, kept) > right.float().mean(-1) + 0.05).all()


def test_co_training_without_rounds_is_the_baseline_and_with_them_learns(data):
    sets = two_places(
        sizes={"labeled": 24, "pool": 400, "test": 400},
        minority=dict.fromkeys(("labeled", "pool", "test"), 0.5),
        heads=12, seed=torch.Generator().manual_seed(5),
    )  # fmt: skip
    few, many, test = sets["labeled"], sets["pool"], sets["test"]
    views = (few.weak, few.strong), (many.weak, many.strong)
    l2 = torch.tensor([0.1])
    start = rivals.co_training(*views, few.target, l2, rounds=0)
    assert close(start, vanilla(few.strong, few.target, l2), 0.01)
    right = [
        (heads(test.strong).argmax(-1) == test.target.argmax(-1)).float().mean(-1)
        for heads in (start, rivals.co_training(*views, few.target, l2))
    ]
    better = right[1] - right[0]
    assert better.mean() > 2 * better.std() / len(better) ** 0.5


def test_co_training_passes_on_a_growing_share_as_a_loop_has_it():
    """Per head, on the examples passed on alone, instead of weights of 0."""
    sets = two_places(
        sizes={"labeled": 24, "pool": 60}, minority={"labeled": 0.5, "pool": 0.5}, heads=2, seed=3
    )
    few, many = sets["labeled"], sets["pool"]
    seen, pool = (few.weak, few.strong), (many.weak, many.strong)
    found = rivals.co_training(seen, pool, few.target, L2, rounds=3)
    for draw in range(2):
        here = slice(draw, draw + 1)
        for n, l2 in enumerate(L2):
            penalty = l2[None]
            heads = [vanilla(x[here], few.target[here], penalty) for x in seen]
            for passed in (20, 40, 60):
                said = [h(x[here]) for h, x in zip(heads, pool, strict=True)]
                heads = []
                for view, other in ((0, 1), (1, 0)):
                    sure = confidence(said[other])[0].argsort(descending=True)[:passed]
                    own = one_hot(said[other][0, sure].argmax(-1), 2).float()[None]
                    x = torch.cat([seen[view][here], pool[view][here][:, sure]], 1)
                    target = torch.cat([few.target[here], own], 1)
                    heads.append(vanilla(x, target, penalty))
            mine = found.weight[2 * draw + n]
            torch.testing.assert_close(mine, heads[1].weight[0], rtol=0.02, atol=0.005)


def test_group_dro_lowers_the_largest_loss_and_without_a_rate_weighs_groups_alike(data):
    sample, x, label, plain = data
    member = one_hot(sample.group, 4).double()

    def worst(heads):
        loss = cross_entropy(heads(x), label.repeat_interleave(2, 0))
        each = (loss[:, None] @ member.repeat_interleave(2, 0))[:, 0]
        return (each / member.sum(1).repeat_interleave(2, 0)).amax(-1)

    robust = rivals.group_dro(x, label, sample.group, L2, rate=0.3, steps=40)
    assert (worst(robust) < worst(plain)).all()
    alike = rivals.group_dro(x, label, sample.group, L2, rate=0.0)
    even = (member / member.sum(1, keepdim=True)).sum(-1)
    assert close(alike, vanilla(x, label, L2, even))
    one = rivals.group_dro(x, label, torch.zeros_like(sample.group), L2)
    assert close(one, plain)


def test_jtt_with_weight_1_is_training_once(data):
    _, x, label, plain = data
    first = vanilla(x, label, torch.tensor([1.0], dtype=torch.float64))
    ones, twenty = torch.ones(2), torch.full((2,), 20.0)
    assert close(rivals.just_train_twice(x, label, first, L2, upweight=ones), plain)
    loud = rivals.just_train_twice(x, label, first, L2, upweight=twenty)
    assert not close(loud, plain, 0.1)
    wrong = first(x).argmax(-1) != label.argmax(-1)
    obeyed = [share_of(h(x)[::2].argmax(-1) == label.argmax(-1), wrong) for h in (loud, plain)]
    assert (obeyed[0] > obeyed[1]).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: rivals.just_train_twice(None, None, None, L2, upweight=torch.tensor([0.5])),
            "upweight must be at least 1, got 0.5",
        ),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
