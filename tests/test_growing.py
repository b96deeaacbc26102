"""Growing from a smaller model: the text, the teachers, the schedule, and what it all costs."""

from __future__ import annotations

import hashlib
import math
from functools import cache

import pandas as pd
import pytest
import torch
from helpers_data import script
from torch.utils.flop_counter import FlopCounterMode

from w2s_tutorial import growing, load_result
from w2s_tutorial.datasets.frozen import DATA
from w2s_tutorial.networks.language import distillation, next_token
from w2s_tutorial.tables import save_result


@cache
def cut():
    return growing.windows(growing.help_text())


def test_windows_do_not_overlap_and_cover_the_text():
    text = "".join(chr(32 + i * 7 % 90) for i in range(20 * 2 * growing.CONTEXT + 5))
    parts = growing.windows(text, blocks=20)
    assert [len(part) for part in parts] == [32, 4, 4]
    pieces = [text[i * 64 : (i + 1) * 64] for i in range(20)]
    for part, places in zip(parts, ({4, 9, 14, 19}, {4, 14}, {9, 19}), strict=True):
        own = [p for i, p in enumerate(pieces) if (i in places) == (part is not parts.train)]
        assert "".join(growing.CHARACTERS.decode(part)) == "".join(own)


def test_characters_that_the_alphabet_lacks_have_a_sign_of_their_own():
    parts = growing.windows("é" * 10 * growing.CONTEXT, blocks=10)
    assert set(growing.CHARACTERS.decode(parts.test)[0]) == {growing.OTHER}


@pytest.mark.parametrize("blocks", [0, -10, 15])
def test_windows_refuse_other_cuts(blocks):
    with pytest.raises(ValueError, match=f"multiple of 10, .* got {blocks} and 9"):
        growing.windows("too short", blocks=blocks)


def test_no_paragraph_of_the_help_pages_stands_there_twice():
    paragraphs = [" ".join(p.split()) for p in growing.help_text().split("\n\n")]
    assert len(paragraphs) == len(set(paragraphs)) > 1000
    assert growing.help_text() == growing.help_text()


def test_little_of_the_test_stands_in_the_training_text_and_much_did_before():
    def shared(text: str) -> float:
        parts = growing.windows(text)
        train, test = ("".join(growing.CHARACTERS.decode(p)) for p in (parts.train, parts.test))
        seen = {train[i : i + 40] for i in range(len(train) - 40)}
        places = range(0, len(test) - 40, 20)
        return sum(test[i : i + 40] in seen for i in places) / len(places)

    raw = "".join(growing.topics[name] for name in sorted(growing.topics))
    assert shared(growing.help_text()) < 0.1 < 0.25 < shared(raw)


def test_cross_entropy_at_its_known_ends():
    network = growing.model("student", seed=0)
    with torch.no_grad():
        for weight in network.parameters():
            weight.zero_()  # says the same of every character
    uniform = math.log(growing.CHARACTERS.tokens)
    assert growing.cross_entropy(network, cut().test[:700]) == pytest.approx(uniform, rel=1e-5)
    other, some = growing.model("student", seed=0), cut().test[:700]  # more than one part of 512
    each = next_token(other, some, torch.ones_like(some, dtype=torch.bool)).detach()
    assert growing.cross_entropy(other, some) == pytest.approx(float(each.mean()), rel=1e-5)


def test_soft_weights():
    ends = {kind: growing.soft_weights(kind, 8) for kind in ("0", "1", "4", "4 to 1", "4 to 0")}
    assert [w.unique().tolist() for w in (ends["0"], ends["1"], ends["4"])] == [[0], [1], [4]]
    assert ends["4 to 0"].tolist() == [4, 3.5, 3, 2.5, 2, 1.5, 1, 0.5]
    torch.testing.assert_close(ends["4 to 1"], 1 + 0.75 * ends["4 to 0"])
    assert growing.soft_weights("4, first quarter", 8).tolist() == [4, 4, 0, 0, 0, 0, 0, 0]
    assert growing.soft_weights("4", 1).tolist() == [4]
    for kind in ("four", "", "4 to", "-1", "4 to -1", "nan", "4, first half"):
        with pytest.raises(ValueError, match=r"kind must be like '1', .* got"):
            growing.soft_weights(kind, 8)


def test_a_teacher_is_stopped_at_the_first_look_that_meets_the_goal():
    found = growing.raise_teacher(cut(), [3.3, 3.1], seed=0)
    assert found[3.3].steps < found[3.1].steps
    assert found[3.1].steps % growing.LOOK_EVERY == 0
    reached = [growing.cross_entropy(found[g].network, cut().probe) for g in (3.3, 3.1)]
    assert 3.1 < reached[0] <= 3.3
    assert reached[1] <= 3.1
    alone = growing.raise_teacher(cut(), [3.1], seed=0)[3.1]  # whatever else is caught on the way
    assert alone.steps == found[3.1].steps
    for a, b in zip(alone.network.parameters(), found[3.1].network.parameters(), strict=True):
        assert torch.equal(a, b)


def test_a_goal_out_of_reach_is_named(monkeypatch):
    monkeypatch.setattr(growing, "LONGEST", 40)
    with pytest.raises(ValueError, match=r"missed \[0.1\] by [34]\."):
        growing.raise_teacher(cut(), [4.5, 0.1], seed=0)


def slow(student, text, seed, soft, teacher):
    """Ten lines of training: AdamW on the same batches, in the same order."""
    drawn = int(torch.randint(2**62, (), generator=torch.Generator().manual_seed(seed)))
    order = torch.randperm(len(text), generator=torch.Generator().manual_seed(drawn))
    steps, b, warmup = len(soft), growing.TRAINING["batch_size"], growing.TRAINING["warmup"]
    optimizer = torch.optim.AdamW(student.parameters(), lr=1, weight_decay=0)
    for step in range(steps):
        batch = text[order[step * b : (step + 1) * b]]
        with torch.no_grad():
            wanted = teacher(batch)
        counts = torch.ones_like(batch, dtype=torch.bool)
        loss = distillation(student, batch, counts, wanted, soft=float(soft[step])).mean()
        share = (1 + math.cos(math.pi * (step - warmup) / (steps - warmup))) / 2
        share = (step + 1) / (warmup + 1) if step < warmup else share
        optimizer.param_groups[0]["lr"] = growing.LR * share
        optimizer.zero_grad(), loss.backward(), optimizer.step()
    return student


def test_growing_equals_ten_lines():
    soft = growing.soft_weights("4 to 0", 24)
    teachers = [growing.model("teacher", seed=i) for i in (7, 8)]
    before = [p.clone() for p in teachers[0].parameters()]
    students = [growing.model("student", seed=i) for i in (0, 1)]
    grown = growing.grow(
        students, cut().train, steps=24, seeds=[3, 4], teachers=teachers, soft=soft
    )
    assert all(torch.equal(a, b) for a, b in zip(before, teachers[0].parameters(), strict=True))
    for i, network in enumerate(grown):
        expected = slow(
            growing.model("student", seed=i), cut().train, 3 + i, soft, teachers[i].eval()
        )
        for a, b in zip(network.parameters(), expected.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=2e-3, atol=2e-4)


def test_a_teacher_without_weight_changes_nothing_and_one_with_weight_does():
    def grown(**beside):
        students = [growing.model("student", seed=0)]
        (network,) = growing.grow(students, cut().train, steps=21, seeds=[1], **beside)
        return torch.cat([p.detach().flatten() for p in network.parameters()])

    helper = [growing.model("teacher", seed=5)]
    alone = grown()
    ignored = grown(teachers=helper, soft=torch.zeros(21))
    torch.testing.assert_close(ignored, alone, rtol=1e-4, atol=1e-5)
    assert (grown(teachers=helper, soft=torch.ones(21)) - alone).abs().max() > 1e-2


def test_growing_refuses_what_does_not_fit():
    student, teacher = growing.model("student", seed=0), growing.model("teacher", seed=0)
    how = {"steps": 21, "seeds": [0]}
    for beside in ({"teachers": [teacher]}, {"soft": torch.ones(21)}, {"teachers": [teacher] * 2}):
        with pytest.raises(ValueError, match="1 students need as many teachers and soft, got"):
            growing.grow([student], cut().train, **how, **beside)


def test_a_remapped_student_says_what_its_parts_say():
    teacher = growing.model("teacher", seed=3)
    student = growing.remap(teacher, seed=9)
    text = cut().test[:5]
    x = teacher.embed(text) + teacher.position.weight[: text.shape[1]]
    for _ in range(3):
        x = teacher.blocks[0](x)
    expected = teacher.norm(x) @ teacher.embed.weight.T
    torch.testing.assert_close(student(text), expected, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(student(text), teacher(text), atol=1e-3)
    with torch.no_grad():
        student.embed.weight.zero_()
    assert teacher.embed.weight.abs().max() > 0, "a copy, not the same memory"


@pytest.mark.parametrize("role", ["teacher", "student"])
def test_cost_counts_what_torch_counts(role):
    text = cut().test[:4]
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        growing.model(role, seed=0)(text)
    assert growing.cost(role) == counted.get_total_flops() / 2 / text.numel()


def test_a_step_of_learning_costs_three_passes():
    student = growing.model("student", seed=0)
    text = cut().test[:4]
    with FlopCounterMode(display=False) as counted:
        next_token(student, text, torch.ones_like(text, dtype=torch.bool)).sum().backward()
    passes = counted.get_total_flops() / 2 / text.numel() / growing.cost("student")
    assert passes == pytest.approx(3, rel=0.02)


def test_steps_worth():
    ratio = growing.cost("teacher") / growing.cost("student")
    assert growing.steps_worth(300) == 300
    assert growing.steps_worth(300, taught=1) == pytest.approx(300 * (3 + ratio) / 3)
    assert growing.steps_worth(0, teacher_steps=100) == pytest.approx(100 * ratio)
    quarter = growing.steps_worth(300, taught=0.25) - 300
    assert quarter == pytest.approx((growing.steps_worth(300, taught=1) - 300) / 4)


@pytest.mark.parametrize("helped", [False, True])
def test_stored_students_come_out_again(helped):
    stored = load_result(DATA / "growing" / "runs.csv")
    text = growing.help_text()
    if hashlib.sha256(text.encode()).hexdigest() != stored.attrs["text_sha256"]:
        pytest.skip("this Python carries another text")
    seeds, goal = [0, 1], stored.attrs["goals"]["very weak"]
    students = [growing.model("student", seed=seed) for seed in seeds]
    beside = {}
    if helped:
        raised = [growing.raise_teacher(cut(), [goal], seed=1000 + seed)[goal] for seed in seeds]
        beside = {"teachers": [one.network for one in raised], "soft": torch.ones(100)}
    grown = growing.grow(students, cut().train, steps=100, seeds=seeds, **beside)
    found = [growing.cross_entropy(network, cut().test) for network in grown]
    arm = {True: "teacher == 'very weak'", False: "teacher == 'none'"}[helped]
    kept = stored.query(f"{arm} and steps == 100 and seed < 2")["test"]
    assert found == pytest.approx(kept.tolist(), abs=5e-3)
    assert kept.diff().abs().max() > 5e-2, "a tolerance that tells seeds apart"


def test_students_in_place_of_a_teacher_had_its_work_as_steps():
    stored, quality = (load_result(DATA / "growing" / f"{n}.csv") for n in ("instead", "teachers"))
    raising = quality.query("teacher == 'weak'").set_index("seed")["steps"]
    ratio = growing.cost("teacher") / growing.cost("student")
    works = {"asking": (1, 0), "asking and teacher": (1, 1), "teacher": (0, 1)}
    assert stored.groupby("work")["seed"].nunique().to_dict() == dict.fromkeys(works, 8)
    for row in stored.itertuples():
        asked, raised = works[row.work]
        by_hand = row.steps * (1 + asked * ratio / 3) + raised * raising[row.seed] * ratio
        assert row.worth == round(by_hand)
    if hashlib.sha256(growing.help_text().encode()).hexdigest() != stored.attrs["text_sha256"]:
        pytest.skip("this Python carries another text")
    rows = stored.query("work == 'asking' and steps == 100 and seed < 2")
    students = [growing.model("student", seed=seed) for seed in (0, 1)]
    grown = growing.grow(students, cut().train, steps=int(rows["worth"].iloc[0]), seeds=[0, 1])
    found = [growing.cross_entropy(network, cut().test) for network in grown]
    assert found == pytest.approx(rows["test"].tolist(), abs=5e-3)


@pytest.mark.parametrize(
    ("name", "other"), [("goals", {"weak": 2.4}), ("seeds", 4), ("text_sha256", ""), ("date", "")]
)
def test_stored_students_are_kept_only_for_the_same_settings(tmp_path, name, other):
    made = script("growing/make")
    facts = {"source_sha256": "a", "text_sha256": "b", "goals": made.GOALS, "seeds": 8, "date": "c"}
    save_result(pd.DataFrame({"test": [2.0]}), tmp_path / "runs.csv", facts)
    assert len(made.known(tmp_path / "runs.csv", facts)) == 1
    kept = made.known(tmp_path / "runs.csv", {**facts, name: other})
    assert len(kept) == (name == "date")
    assert not len(made.known(tmp_path / "none.csv", facts))
