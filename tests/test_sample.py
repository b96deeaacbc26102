import pytest
import torch

from w2s_tutorial.sample import Sample, join


def sample(n=20, h=1, *, own=False, seed=0):
    g = torch.Generator().manual_seed(seed)
    heads = (h,) if own else ()
    target = torch.nn.functional.one_hot(torch.randint(2, (h, n), generator=g), 2).float()
    group = torch.randint(4, (*heads, n), generator=g)
    weak, strong = (torch.randn(*heads, n, d, generator=g) for d in (3, 5))
    return Sample(weak, strong, target, group)


def test_index_slice_and_mask_take_the_same_examples_everywhere():
    whole = sample(h=2, own=True)
    index = torch.tensor([1, 4])
    mask = torch.zeros(20, dtype=torch.bool).index_fill(0, index, True)
    assert torch.equal(whole[index].weak, whole[mask].weak)
    assert torch.equal(whole[index].group, whole.group[:, index])
    assert len(whole[:7]) == 7


def test_join_expands_what_is_shared():
    shared, own = sample(h=1), sample(h=3, own=True, seed=1)
    both = join(shared, own)
    assert both.weak.shape == (3, 40, 3)
    assert torch.equal(both.strong[2, :20], shared.strong)
    assert torch.equal(both.target[1, :20], shared.target[0])
    assert torch.equal(both.group[1, 20:], own.group[1])
    alike = join(shared, shared)
    assert alike.weak.shape == (40, 3)  # nothing is copied per head without need


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weak": torch.zeros(19, 3)}, r"weak must list 20 examples, got shape \(19, 3\)"),
        ({"target": torch.zeros(20, 2)}, r"target must be \(h, n, c\)"),
        ({"group": torch.zeros(19).long()}, "group must list 20 examples"),
        ({"group": torch.zeros(20)}, "group must hold integers"),
        ({"group": -torch.ones(20).long()}, "group must hold integers of at least 0"),
        ({"strong": torch.full((20, 5), torch.nan)}, "strong must be finite"),
        ({"weak": torch.zeros(2, 20, 3), "strong": torch.zeros(3, 20, 5)}, r"got \[2, 3\]"),
    ],
)
def test_bad_parts_are_named(change, message):
    good = sample()
    parts = {"weak": good.weak, "strong": good.strong, "target": good.target, "group": good.group}
    with pytest.raises(ValueError, match=message):
        Sample(**{**parts, **change})


def test_empty_samples_are_refused():
    with pytest.raises(ValueError, match="at least 1 example, got 0"):
        sample()[:0]
    with pytest.raises(ValueError, match="at least 1 sample, got 0"):
        join()
