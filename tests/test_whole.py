"""Students that are trained whole: what moves, on which labels, and what is read off."""

from __future__ import annotations

from functools import cache

import pytest
import torch
from helpers_data import script
from torch import nn
from torch.nn import functional

from w2s_tutorial import whole
from w2s_tutorial.datasets import waterdigits
from w2s_tutorial.datasets.frozen import FrozenFeatures
from w2s_tutorial.heads import fit_logistic
from w2s_tutorial.networks.train import fit

small = script("whole_networks/small")
SIZES = {"labeled": 40, "pool": 60, "held": 20, "test": 40}
SHARES = {"labeled": 0.25, "pool": 0.1, "held": 0.1, "test": 0.5}
FIT = {"steps": 6, "batch_size": 16, "lr": 0.01}


@cache
def world(attribute: bool = False) -> whole.Lesson:
    made = waterdigits.compose(seed=0)
    images, label = made.images, made.label
    view = waterdigits.backbone("pixels")
    if attribute:
        which = (torch.arange(len(label)) // 2) % 2
        images = images[torch.arange(len(label)), which]
        seen = FrozenFeatures({"pixels": view(images)}, label, attribute=which)
    else:
        seen = FrozenFeatures({"pixels": view(images)}, label)
    return whole.lesson(seen, images, "pixels", sizes=SIZES, minority=SHARES, runs=2, seed=0)


def students() -> list[whole.Whole]:
    body = waterdigits.backbone("strong").trainable()
    return [whole.Whole(body, 32, seed=i) for i in range(2)]


def in_double(lesson: whole.Lesson) -> whole.Lesson:
    kinds = (lesson.images, lesson.label, lesson.target)
    return whole.Lesson(*({k: x.double() for k, x in kind.items()} for kind in kinds), lesson.group)


def weights(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: weight.detach() for name, weight in network.named_parameters()}


@pytest.mark.parametrize("attribute", [False, True])
def test_the_teacher_labels_the_images_that_the_student_sees(attribute):
    lesson, view = world(attribute), waterdigits.backbone("pixels")
    seen = {part: view(images).double() for part, images in lesson.images.items()}
    weak = fit_logistic(seen["labeled"], lesson.target["labeled"].double(), l2=0.01)
    for part in whole.PARTS:
        said = functional.one_hot(weak(seen[part]).argmax(-1), 2).float()
        assert torch.equal(lesson.label[part], said)
        assert lesson.images[part].shape == (2, SIZES[part], 3, 16, 16)
        few = ((lesson.group[part] == 1) | (lesson.group[part] == 2)).double().mean(1)
        assert few.tolist() == pytest.approx([SHARES[part]] * 2)
        assert torch.equal(lesson.group[part] // 2, lesson.target[part].argmax(-1))
    assert not torch.equal(lesson.label["pool"], lesson.target["pool"])


def test_a_trainable_backbone_gives_the_frozen_ones_features():
    frozen, images = waterdigits.backbone("strong"), world().images["test"][0]
    moving = frozen.trainable()
    torch.testing.assert_close(moving(images), frozen(images))
    assert all(weight.requires_grad for weight in moving.parameters())
    assert not any(weight.requires_grad for weight in frozen.parameters())


@pytest.mark.parametrize("taught_by", ["weak", "ceiling", "baseline"])
def test_fine_tuning_is_the_training_loop_on_the_labels_of_its_role(taught_by):
    # in double precision, but for the rates: Adam makes much of how a gradient near 0 is rounded
    lesson, pupils = in_double(world()), [student.double() for student in students()]
    taught = whole.fine_tune(pupils, lesson, **FIT, seed=3, looks=[0, 2], taught_by=taught_by)
    part = "labeled" if taught_by == "baseline" else "pool"
    label = (lesson.label if taught_by == "weak" else lesson.target)[part]

    def loss(network, images, target):
        return -(target * network(images).log_softmax(-1)).sum(-1)

    assert taught.looks == [0, 2, 6]
    for i, student in enumerate(pupils):
        one = fit(student, loss, [lesson.images[part][i], label[i]], **FIT, seed=3 + i)
        mine, theirs = weights(taught.networks[i]), weights(one.network)
        for name in theirs:
            torch.testing.assert_close(mine[name], theirs[name], rtol=1e-5, atol=1e-7)
        for name in ("pool", "held", "test"):
            images = lesson.images[name][i]
            said = [student(images), taught.networks[i](images)]
            for done, wanted in zip((0, 6), said, strict=True):
                torch.testing.assert_close(taught.outputs[name, done][i], wanted)


def test_a_loss_learns_how_far_training_is():
    told = []

    def loss(output, target, progress):
        told.append(float(progress))
        return whole.plain(output, target, progress)

    whole.fine_tune(students()[:1], world().first(1), **FIT, seed=0, loss=loss)
    assert told == pytest.approx([step / 6 for step in range(6)])


def test_only_free_weights_move():
    some = [student.free("body.7", "head") for student in students()]
    taught = whole.fine_tune(some, world(), **FIT, seed=0)
    before, after = weights(some[0]), weights(taught.networks[0])
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {"body.7.weight", "body.7.bias", "head.weight", "head.bias"}
    assert all(weight.requires_grad for weight in students()[0].free("").parameters())
    with pytest.raises(ValueError, match=r"parts must begin names such as body.*got \['neck'\]"):
        students()[0].free("neck")


def test_a_student_begins_with_the_head_that_was_solved():
    lesson = world()
    features = whole.map_images(lesson, students()[0].body)
    for role in ("weak", "ceiling", "baseline"):
        heads = whole.fit_heads(features, taught_by=role, l2=0.01)
        for i, student in enumerate(students()):
            began = student.begin(heads, i)
            wanted = heads(features.images["test"].double())[i].float()
            torch.testing.assert_close(began(lesson.images["test"][i]), wanted)
            assert not torch.equal(began.head.weight, student.head.weight)
    with pytest.raises(ValueError, match="'weak', 'ceiling' or 'baseline', got 'strong'"):
        whole.fit_heads(features, taught_by="strong", l2=0.01)


def test_statistics_of_batch_norms_stay_while_their_scales_move():
    norm = nn.BatchNorm2d(3)
    norm.running_mean += torch.tensor([0.2, 0.4, 0.1])
    norm.running_var *= 0.3
    body = nn.Sequential(norm, nn.Flatten())
    images = world().images["test"][0]
    student = whole.Whole(body, 768, seed=0)
    torch.testing.assert_close(student.train().body(images), body.eval()(images))
    assert (student.body(images) - body.train()(images)).abs().max() > 0.1, "the control"
    taught = whole.fine_tune([student], world().first(1), **FIT, seed=0)
    found = taught.networks[0].body[0]
    assert torch.equal(found.variance, torch.full((3,), 0.3))
    assert not torch.equal(found.weight, torch.ones(3))


def test_training_on_a_part_of_the_pool():
    lesson = world()
    keep = small.surest_half(torch.randn(2, 60, 2, generator=torch.Generator().manual_seed(0)))
    assert keep.sum(1).tolist() == [30, 30]
    taught = whole.fine_tune(students(), lesson, **FIT, seed=0, keep=keep)
    short = {part: x[keep].unflatten(0, (2, 30)) for part, x in (
        ("images", lesson.images["pool"]), ("label", lesson.label["pool"]))}  # fmt: skip
    less = whole.Lesson(
        {**lesson.images, "pool": short["images"]}, {**lesson.label, "pool": short["label"]},
        lesson.target, lesson.group,
    )  # fmt: skip
    again = whole.fine_tune(students(), less, **FIT, seed=0)
    assert torch.equal(taught.outputs["test", 6], again.outputs["test", 6])
    keep[0, :5] = True
    with pytest.raises(ValueError, match="keep must keep as many in every run"):
        whole.fine_tune(students(), lesson, **FIT, seed=0, keep=keep)


def test_the_surest_half_has_half_of_either_class():
    output = torch.zeros(1, 8, 2)
    output[0, :, 1] = torch.tensor([9.0, 8, 7, 6, 5, 4, -1, -2])
    assert small.surest_half(output).tolist() == [[True, True, True] + [False] * 4 + [True]]


def test_measures_on_four_examples():
    target = functional.one_hot(torch.tensor([[0, 0, 1, 1]]), 2).float()
    label = functional.one_hot(torch.tensor([[0, 1, 1, 1]]), 2).float()
    p = torch.tensor([[[0.9, 0.1], [0.8, 0.2], [0.6, 0.4], [0.3, 0.7]]])
    parts = ("pool", "held", "test")
    lesson = whole.Lesson(
        {}, dict.fromkeys(parts, label), dict.fromkeys(parts, target),
        {"test": torch.tensor([[0, 1, 2, 3]])},
    )  # fmt: skip
    said = {(part, 7): p.log() for part in parts}
    (row,) = whole.measures(whole.Taught([], said), lesson).to_dict("records")
    wanted = {
        "run": 0, "step": 7, "accuracy": 0.75, "minority": 0.5, "majority": 1.0,
        "misfit": 2 * (0.01 + 0.64 + 0.36 + 0.09) / 4,
        "gain": 2 * 1 / 4 - 2 * (0.01 + 0.04 + 0.36 + 0.09) / 4,
        "fits": 0.5, "pool": 0.75, "seen_misfit": 0.55, "agrees": 0.5, "sure": 0.75,
    }  # fmt: skip
    assert row == pytest.approx(wanted, abs=1e-6)
