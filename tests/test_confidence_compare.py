"""The comparison of methods, step by step against loops over draws and penalties."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from helpers_data import script
from torch import Tensor
from torch.nn.functional import one_hot

from w2s_tutorial.confidence import compare
from w2s_tutorial.confidence.retrain import doubt, retrain, rule
from w2s_tutorial.confidence.selection import confidence, keep_top
from w2s_tutorial.confidence.synthetic import two_places

rivals, controls = script("confidence/rivals"), script("confidence/controls")
HEADS = 3
EXAMPLE = 1 / 50  # a group of the test has 50: solved apart, one of them may change sides


@pytest.fixture(scope="module")
def sets():
    sizes = {"labeled": 60, "pool": 200, "validation": 40, "balanced": 40, "test": 200}
    shares = {"labeled": 0.1, "pool": 0.5, "validation": 0.1, "balanced": 0.5, "test": 0.5}
    return two_places(sizes=sizes, minority=shares, heads=HEADS, seed=2)


@pytest.fixture(scope="module")
def taught(sets):
    return compare.teach(sets)


@pytest.fixture(scope="module")
def remedy(taught):
    return compare.remedy(taught)


def right(output: Tensor, target: Tensor) -> float:
    return float((output.argmax(-1) == target.argmax(-1)).double().mean())


def by_group(output: Tensor, sample, draw: int) -> list[float]:
    wins = output.argmax(-1) == sample.target[draw].argmax(-1)
    return [float(wins[sample.group[draw] == g].double().mean()) for g in range(4)]


def slow(sets, x: Tensor, target: Tensor, *, view="strong", weight=None) -> tuple[Tensor, Tensor]:
    """Each draw at each penalty, the best on validation chosen: (heads, 4), and the penalties."""
    accuracies, penalties = [], []
    for draw in range(HEADS):
        here, best, found = slice(draw, draw + 1), -1.0, None
        for l2 in compare.PENALTIES:
            own = None if weight is None else weight[here]
            heads = compare.vanilla(x[here], target[here], torch.tensor([l2]), own)
            validation, test = sets["validation"], sets["test"]
            score = right(heads(getattr(validation, view)[here])[0], validation.target[draw])
            if score >= best:  # of equals the strongest penalty
                best, found = score, (by_group(heads(getattr(test, view)[here])[0], test, draw), l2)
        accuracies.append(found[0])
        penalties.append(found[1])
    return torch.tensor(accuracies), torch.tensor(penalties)


def close(found: Tensor, expected: Tensor) -> bool:
    return bool((found - expected).abs().max() < 1.5 * EXAMPLE)


def test_teacher_and_student_are_those_of_a_loop(sets, taught, remedy):
    labeled, pool = sets["labeled"], sets["pool"]
    expected, _ = slow(sets, labeled.weak, labeled.target, view="weak")
    assert close(remedy.methods["weak"], expected)
    said = taught.weak(pool.weak)
    assert torch.equal(taught.label, one_hot(said.argmax(-1), 2).float())
    torch.testing.assert_close(taught.soft, said.softmax(-1))
    torch.testing.assert_close(taught.score, confidence(taught.student(pool.strong)))
    expected, l2 = slow(sets, pool.strong, taught.label)
    assert close(remedy.methods["vanilla"], expected)
    assert torch.equal(taught.l2, l2)
    for name, penalty in (("weak penalty", 0.01), ("strong penalty", 1.0)):
        heads = compare.vanilla(pool.strong, taught.label, torch.tensor([penalty]))
        output = heads(sets["test"].strong)
        expected = torch.tensor([by_group(output[d], sets["test"], d) for d in range(HEADS)])
        assert close(remedy.methods[name], expected)


def test_rivals_learn_what_their_names_say(sets, taught):
    labeled, pool, balanced = sets["labeled"], sets["pool"], sets["balanced"]
    found = rivals.compare_rivals(taught) | rivals.compare_told_groups(taught)
    both = torch.cat([pool.strong, labeled.strong], 1), torch.cat([taught.label, labeled.target], 1)
    lessons = {
        "baseline": (labeled.strong, labeled.target),
        "ceiling": (pool.strong, pool.target),
        "soft labels": (pool.strong, taught.soft),
        "label smoothing": (pool.strong, 0.9 * taught.label + 0.05),
        "labels and pseudolabels": both,
        "DFR": (balanced.strong, balanced.target),
    }
    penalties = set()
    for name, lesson in lessons.items():
        expected, l2 = slow(sets, *lesson)
        assert close(found[name], expected), name
        penalties |= set(l2.tolist())
    assert len(penalties) > 1, "one penalty for all would not do"
    hard, _ = slow(sets, pool.strong, taught.label)
    soft, _ = slow(sets, pool.strong, taught.soft)
    assert not close(hard, soft), "hard labels are another lesson"
    names = {*lessons, "confidence loss", "self-training", "co-training", "small loss"}
    assert set(found) == names | {"GroupDRO", "JTT"}


def test_the_confidence_loss_is_given_probabilities(sets, taught):
    found = rivals.compare_rivals(taught)["confidence loss"]
    x, l2 = sets["pool"].strong, torch.tensor(compare.PENALTIES)
    for lesson, same in ((taught.soft, True), (taught.label, False)):
        every = rivals.confidence_loss(x, lesson, l2)
        best = compare._chosen(sets, every)
        assert torch.equal(compare._judged(sets, best), found) == same


def test_cells_and_what_tuning_would_give_are_those_of_a_loop(sets, taught, remedy):
    x, test = sets["pool"].strong, sets["test"]
    for draw in range(HEADS):
        here = slice(draw, draw + 1)
        cells, best, tuned, oracle = {}, -1.0, None, 0.0
        for p, q in product(compare.KEPT, compare.FORGIVING):
            at_best = -1.0
            for l2 in compare.PENALTIES:
                cell = {n: torch.tensor([v]).double() for n, v in (("p", p), ("q", q), ("l2", l2))}
                lesson = (x[here], taught.label[here], taught.score[here])
                head = retrain(*lesson, **cell, tol=compare.TOL)
                score = right(
                    head(sets["validation"].strong[here])[0], sets["validation"].target[draw]
                )
                output = head(test.strong[here])[0]
                if score >= at_best:
                    at_best, cells[p, q] = score, by_group(output, test, draw)
                oracle = max(oracle, right(output, test.target[draw]))
            if at_best > best:
                best, tuned = at_best, cells[p, q]
        for pair, expected in cells.items():
            assert close(remedy.cells[pair][draw], torch.tensor(expected)), pair
        assert close(remedy.methods["tuned on validation"][draw], torch.tensor(tuned))
        assert float(remedy.methods["oracle"][draw].mean()) == pytest.approx(
            oracle, abs=EXAMPLE / 4
        )
    for name, pair in (
        ("untuned", (0.5, 0.7)),
        ("selection only", (0.5, 0)),
        ("GCE only", (1, 0.7)),
    ):
        assert torch.equal(remedy.methods[name], remedy.cells[pair])


def test_the_rule_is_applied_to_each_draws_own_doubt(sets, taught, remedy):
    x = sets["pool"].strong
    for draw in range(HEADS):
        here = slice(draw, draw + 1)
        own = doubt(x[here], taught.label[here], l2=taught.l2[here], tol=compare.TOL)
        assert float(own) == pytest.approx(float(remedy.doubt[draw]), abs=0.011)
    torch.testing.assert_close(torch.stack(rule(remedy.doubt.double())), torch.stack(remedy[3:]))
    cell = {"p": remedy.p[:, None], "q": remedy.q[:, None], "l2": torch.tensor([0.01, 0.1, 1.0])}
    every = retrain(x, taught.label, taught.score, **cell, tol=compare.TOL)
    assert close(remedy.methods["rule"], compare._judged(sets, compare._chosen(sets, every)))


def test_whom_selection_keeps_is_counted_one_by_one(sets, taught):
    pool, found = sets["pool"], controls.kept_shares(taught)
    assert set(found) == set(
        product(compare.KEPT, ("minority", "right", "minority right", "majority right"))
    )
    for p, draw in product(compare.KEPT, range(HEADS)):
        order = sorted(range(200), key=lambda i: -float(taught.score[draw, i]))
        kept = order[: round(p * 200)]
        few = [int(pool.group[draw, i]) in (1, 2) for i in kept]
        good = [bool((taught.label[draw, i] == pool.target[draw, i]).all()) for i in kept]
        expected = {
            "minority": sum(few) / len(kept),
            "right": sum(good) / len(kept),
            "minority right": sum(g for g, f in zip(good, few, strict=True) if f) / sum(few),
            "majority right": sum(g for g, f in zip(good, few, strict=True) if not f)
            / (len(kept) - sum(few)),
        }
        for kind, value in expected.items():
            assert float(found[p, kind][draw]) == pytest.approx(value), (p, kind)


def test_each_control_shares_what_it_says_and_nothing_else(sets, taught):
    pool = sets["pool"]
    good = taught.label.argmax(-1) == pool.target.argmax(-1)
    keep = keep_top(taught.score, 0.5)
    halves = controls._control_selections(taught, seed=0)
    assert all(int(k.sum()) == int(keep.sum()) for k in halves.values())
    groups, rights, joint = {}, {}, {}
    for name, drawn in halves.items():
        groups[name], rights[name], joint[name] = (
            all(torch.equal((drawn & mask).sum(-1), (keep & mask).sum(-1)) for mask in masks)
            for masks in (
                [pool.group == g for g in range(4)],
                [good],
                [(pool.group == g) & good for g in range(4)],
            )
        )
        assert not torch.equal(drawn, keep)
    even = "same accuracy, groups of the pool"
    assert {n for n, same in groups.items() if same} == {"same groups", "same groups and accuracy"}
    assert {n for n, same in rights.items() if same} == {
        "same accuracy", "same groups and accuracy", even,
    }  # fmt: skip
    assert {n for n, same in joint.items() if same} == {"same groups and accuracy"}
    shares = [(halves[even] & (pool.group == g)).sum(-1) for g in range(4)]
    for g, count in enumerate(shares):
        assert ((count - (pool.group == g).sum(-1) / 2).abs() <= 1).all()


def test_students_of_the_controls_learn_the_controls(sets, taught):
    found = controls.compare_controls(taught, seed=4)
    for name, drawn in controls._control_selections(taught, seed=4).items():
        expected, _ = slow(sets, sets["pool"].strong, taught.label, weight=drawn)
        assert close(found[name], expected), name


def test_of_equal_penalties_the_strongest_is_taken():
    tied = torch.tensor([[0.5, 0.7, 0.7], [0.7, 0.5, 0.6], [0.7, 0.7, 0.7]])
    assert compare._last_best(tied).tolist() == [2, 0, 2]
