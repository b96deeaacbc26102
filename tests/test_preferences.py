"""Agents that align each other: the task, its smallest model, who is chosen, and what is stored."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from helpers_data import ROOT, script

from w2s_tutorial.networks.language import log_probability
from w2s_tutorial.simulation import digit_pairs as task
from w2s_tutorial.simulation import preferences as macpo
from w2s_tutorial.tables import load_result

made = script("preferences/make")
DIGITS = torch.cartesian_prod(*[torch.arange(5)] * 4)


def test_good_replies_are_sums_of_neighbours_in_a_circle():
    assert task.good(torch.tensor([[3, 1, 4, 0]]), task.right_sums()).tolist() == [[4, 0, 4, 3]]
    for x, reply in zip(DIGITS.tolist(), task.good(DIGITS, task.right_sums()), strict=True):
        assert reply.tolist() == [(x[i] + x[(i + 1) % 4]) % 5 for i in range(4)]


def test_wrong_sums_are_eight_and_differ_by_seed():
    first, second = (task.wrong_sums(torch.Generator().manual_seed(s)) for s in (0, 1))
    for sums in (first, second):
        assert int((sums != task.right_sums()).sum()) == 8
    assert not torch.equal(first, second)


def test_reward_of_good_replies_of_copies_and_of_short_ones():
    def of(reply):
        return task.reward(DIGITS, task.texts(DIGITS, reply)[0][:, 5:])

    assert (of(task.good(DIGITS, task.right_sums())) == 1).all()
    assert float(of(DIGITS).mean()) == pytest.approx(0.2)
    short = torch.tensor([[task.CHARACTERS.token("$"), 0, 0, 0, 0]]).expand(625, 5)
    assert task.reward(DIGITS, short).max() == 0


def test_texts_count_the_reply_and_its_end_and_no_padding():
    text, counts = task.texts(torch.tensor([[3, 1, 4, 0]]), torch.tensor([[5, 7, 0, 0, 0]]))
    assert task.CHARACTERS.decode(text) == ["3140=4$"]
    assert counts.tolist() == [[False] * 5 + [True, True] + [False] * 3]


def test_a_table_is_a_language_model_of_its_logits():
    logits = torch.randn(5, 5, 5, generator=torch.Generator().manual_seed(0))
    table = task.PairTable(logits)
    reply = task.good(DIGITS, task.right_sums())
    found = log_probability(table, *task.texts(DIGITS, reply))
    by_hand = [
        sum(float(logits[x[i], x[(i + 1) % 4]].log_softmax(0)[y[i]]) for i in range(4))
        for x, y in zip(DIGITS.tolist(), reply.tolist(), strict=True)
    ]
    torch.testing.assert_close(found, torch.tensor(by_hand), atol=1e-4, rtol=1e-5)


def test_a_table_writes_by_its_probabilities_and_always_ends():
    half = macpo._pretrained([task.right_sums()], DIGITS[None], "table", [0])[0]
    x = torch.tensor([[1, 2, 3, 4]]).expand(4000, 4)
    reply = task.write(half, x, seed=0)
    assert (reply[:, 4] == task.CHARACTERS.token("$")).all()
    right = (reply[:, :4] - 1 == task.good(x, task.right_sums())).double().mean(0)
    copied = (reply[:, :4] - 1 == x).double().mean(0)
    assert ((right - 0.5).abs() < 4 * 0.5 / 4000**0.5).all()
    assert (right + copied > 0.99).all()


def test_the_likeliest_reply_of_each_prompt():
    half = macpo._pretrained([task.right_sums()] * 2, DIGITS[None], "table", [0, 1])
    x = torch.stack([DIGITS, DIGITS.flip(0)])
    good, wrong = (
        torch.stack([task.texts(d, task.good(d, s))[0][:, 5:] for d in x])
        for s in (task.right_sums(), (task.right_sums() + 1) % 5)
    )
    mixed = [good.clone(), wrong.clone()]
    mixed[0][:, ::2], mixed[1][:, ::2] = wrong[:, ::2], good[:, ::2]
    chosen = macpo._likeliest(half, x, mixed)
    # A wrong sum may be the copy, which is as likely as the right one: then the first is taken.
    better = (chosen == good).all(-1).double().mean()
    assert better > 0.99


@pytest.mark.parametrize("change", [{"teachers": 0}, {"answers": 0}, {"kind": "words"}])
def test_begin_refuses(change):
    with pytest.raises(ValueError, match="teachers, answers >= 1 and a kind of"):
        macpo.begin(seeds=[0], **change)


def test_variants_of_a_seed_share_what_they_promise():
    three, one = (macpo.begin(seeds=[5], teachers=k) for k in (3, 1))
    assert torch.equal(three.prompts, one.prompts)
    assert torch.equal(three.test, one.test)
    for parts in ("student_first",):
        assert torch.equal(getattr(three, parts)[0].table, getattr(one, parts)[0].table)
    for parts in ("teachers_first", "teachers", "teachers_bad"):
        assert torch.equal(getattr(three, parts)[0][0].table, getattr(one, parts)[0][0].table)
    alike = macpo.begin(seeds=[5], teachers=2, alike=True)
    firsts = [teacher[0].table for teacher in alike.teachers_first]
    assert torch.equal(*firsts)
    assert not torch.equal(*[teacher[0].table for teacher in three.teachers_first[:2]])
    asked = {tuple(row) for row in three.prompts[0].tolist()}
    assert not asked & {tuple(row) for row in three.test[0].tolist()}


def test_nobody_changes_without_rounds_and_a_reference_has_a_name():
    agents = macpo.begin(seeds=[5], teachers=1)
    course = macpo.align(agents, rounds=0)
    assert course["round"].tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match='reference must be "first" or "last"'):
        macpo.align(agents, rounds=1, reference="previous")


def test_teachers_that_are_alike_write_replies_of_their_own(monkeypatch):
    agents = macpo.begin(seeds=[5, 6], teachers=3, alike=True)
    same = replace(agents, teachers=[agents.teachers_first[0]] * 3)
    seen = []

    def likeliest(networks, digits, offered):
        seen.append(offered)
        return offered[0]

    monkeypatch.setattr(macpo, "_likeliest", likeliest)
    for _ in range(2):
        macpo.align(same, rounds=1)
    first, again = seen
    # Half right sums and half copies: two draws agree in all four digits about once in sixteen.
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert (first[one] == first[other]).all(-1).double().mean() < 0.3
    assert all(torch.equal(*pair) for pair in zip(first, again, strict=True))


def test_the_likeliest_digits_are_written_at_temperature_0():
    logits = torch.randn(5, 5, 5, generator=torch.Generator().manual_seed(0))
    reply = task.write(task.PairTable(logits), DIGITS, temperature=0.0)
    assert torch.equal(reply[:, :4] - 1, logits.argmax(-1)[DIGITS, DIGITS.roll(-1, 1)])


def test_right_by_pair_equals_a_loop():
    generator = torch.Generator().manual_seed(3)
    digits = DIGITS[torch.randperm(625, generator=generator)[:40]]
    reply = torch.randint(1, 6, (40, 5), generator=generator)
    found = made.right_by_pair(digits, reply)
    for a in range(5):
        for b in range(5):
            hits = [
                float(y[i] - 1 == (a + b) % 5)
                for x, y in zip(digits.tolist(), reply.tolist(), strict=True)
                for i in range(4)
                if (x[i], x[(i + 1) % 4]) == (a, b)
            ]
            if hits:
                assert float(found[a, b]) == pytest.approx(sum(hits) / len(hits))
            else:
                assert found[a, b].isnan()


def test_votes_are_counted_pair_by_pair():
    agents = macpo.begin(seeds=[5, 6], teachers=3)
    sure = [task.PairTable(30.0 * torch.eye(5)[task.right_sums()]) for _ in agents.seeds]
    knowing = made.by_votes(agents, replace(agents, student=sure))
    assert knowing.groupby("seed")["pairs"].sum().eq(25).all()
    assert knowing["value"].eq(1).all()
    assert (knowing["right"] * knowing["pairs"]).groupby(knowing["seed"]).sum().eq(51).all()
    copy = [task.PairTable(30.0 * torch.eye(5)[sums]) for sums in agents.sums[0]]
    copied = made.by_votes(agents, replace(agents, student=copy))
    assert copied.query("right == 3")["value"].eq(1).all()
    assert copied.query("right == 0")["value"].eq(0).all()
    wrong_alike = 0
    for a in range(5):
        for b in range(5):
            wrong = [int(sums[a, b]) for sums in agents.sums[:, 0] if sums[a, b] != (a + b) % 5]
            wrong_alike += len(wrong) > len(set(wrong))
    assert copied.query("agree and seed == 5")["pairs"].sum() == wrong_alike


def test_transformers_go_through_the_same_rounds(monkeypatch):
    monkeypatch.setitem(macpo._PRETRAIN, "steps", 30)
    monkeypatch.setitem(macpo._PRETRAIN, "warmup", 0)
    monkeypatch.setitem(macpo._STEPS["decoder"], "steps", 3)
    agents = macpo.begin(seeds=[0, 1], teachers=1, kind="decoder")
    replies = [task.write(net, agents.test[0], seed=0) for net in agents.student_first]
    assert not torch.equal(*replies), "seeds share no network"
    course = macpo.align(agents, rounds=1)
    assert course.groupby(["round", "agent"]).size().eq(2).all()
    assert course["value"].between(0, 1).all()
    text = task.texts(agents.test[0], agents.test[0])
    first, tuned, bad = (
        float(log_probability(nets[0], *text).detach().mean())
        for nets in (agents.teachers_first[0], agents.teachers[0], agents.teachers_bad[0])
    )
    assert bad > first, "the negative agent learned to copy"
    assert bad > tuned


@pytest.mark.parametrize("arm", ["one teacher", "three alike"])
def test_a_stored_seed_is_found_again_alone(arm):
    stored = load_result(ROOT / "data" / "preferences" / "tables.csv")
    assert set(stored["arm"]) == set(made.ARMS)
    before, during = made.ARMS[arm]
    again = macpo.align(macpo.begin(seeds=[3], **before), rounds=2, **during)
    rows = stored.query("arm == @arm and seed == 3 and round <= 2")
    both = again.merge(rows, on=["seed", "round", "agent"], suffixes=("", "_stored"))
    assert len(both) == 9
    assert (both["value"] - both["value_stored"]).abs().max() < 0.005  # four letters may turn
    other = stored.query("arm == @arm and seed == 4 and round <= 2")
    assert abs(other["value"].to_numpy() - rows["value"].to_numpy()).max() > 0.02


@pytest.mark.nightly
def test_a_stored_decoder_is_found_again_alone():
    stored = load_result(ROOT / "data" / "preferences" / "decoders.csv")
    assert set(stored["arm"]) == set(made.DECODERS)
    before, during = made.ARMS["one teacher"]
    agents = macpo.begin(seeds=[3], kind="decoder", **before)
    again = macpo.align(agents, rounds=1, **during).assign(arm="one teacher")
    both = again.merge(stored, on=["arm", "seed", "round", "agent"], suffixes=("", "_stored"))
    assert len(both) == 6
    # Trained alone or beside seven others: rounding differs, and a few letters of 900 may turn.
    assert (both["value"] - both["value_stored"]).abs().max() < 0.01


def test_what_was_kept_is_done_again_when_the_program_changes(tmp_path, monkeypatch):
    made, asked = script("preferences/make"), []

    def course(kind, arm):
        asked.append(arm)
        names = ["seed", "round", "agent", "value"]
        table = pd.DataFrame([[0, 0, "student", 0.5]], columns=names)
        return {"rewards": table, "votes": table}

    monkeypatch.setattr(made, "course", course)
    monkeypatch.setattr(made, "HERE", tmp_path)
    monkeypatch.setattr(made, "STORE", tmp_path / "kept")
    for _ in range(2):
        made.main(["table"])
        assert asked == [*made.ARMS]
    changed = tmp_path / "make.py"
    changed.write_text(Path(made.__file__).read_text() + "# another\n")
    monkeypatch.setattr(made, "__file__", str(changed))
    made.main(["table"])
    assert asked == 2 * [*made.ARMS]
