"""Running sums: what is written, read, drawn, voted on, and trained on."""

from __future__ import annotations

import pytest
import torch
from standin import standin
from torch import nn

from w2s_tutorial.networks.language import next_token
from w2s_tutorial.networks.train import fit
from w2s_tutorial.simulation import reasoning as r
from w2s_tutorial.simulation import weak_reasoner as w

DIGITS = r.questions(200, seed=0, large=w.EVERY)


def spelled(written: torch.Tensor) -> list[str]:
    return r.CHARACTERS.decode(written)


class Scripted(nn.Module):
    """Writes derivations by heart: each sum right with probability `sure`, else a digit."""

    def __init__(self, sure: float = 1.0) -> None:
        super().__init__()
        self.sure = nn.Parameter(torch.tensor(sure))

    def forward(self, text):
        rows = torch.arange(len(text), device=text.device)
        logits = torch.full((*text.shape, r.CHARACTERS.tokens), -20.0, device=text.device)
        for place, token in ((5, r.DERIVE), (10, r.ANSWER), (12, r.END)):
            if place < text.shape[1]:
                logits[:, place, token] = 20.0
        for place in range(6, min(10, text.shape[1])):
            before = text[:, 0] if place == 6 else text[:, place]
            total = (before - 1 + text[:, place - 5] - 1) % r.BASE
            logits[:, place, 1:6] = ((1 - self.sure) / 4).clamp_min(1e-9).log()
            logits[rows, place, total + 1] = self.sure.log()
        if text.shape[1] > 11:
            logits[rows, 11, text[:, 10]] = 20.0
        return logits


def test_derivations_are_running_sums():
    for row, line in zip(DIGITS.tolist(), spelled(r.derivations(DIGITS)), strict=True):
        sums = [sum(row[: k + 1]) % 5 for k in range(1, 5)]
        assert line == ">" + "".join(map(str, sums)) + f"A{sum(row) % 5}$"


def test_difficulty_is_the_number_of_large_digits():
    count = (DIGITS >= r.BASE).sum(1)
    assert count.unique().tolist() == [0, 1, 2, 3, 4]
    shares = torch.bincount(count) / len(count)
    assert (shares - 0.2).abs().max() < 4 * (0.2 * 0.8 / len(count)) ** 0.5
    assert int(r.questions(50, seed=1).max()) < r.BASE
    assert torch.equal(r.questions(50, seed=1), r.questions(50, seed=1))


def test_reading_gives_back_what_was_written_and_nothing_else():
    truth = r.truth(DIGITS)
    for written, derived in ((r.derivations(DIGITS), True), (r.at_once(truth), False)):
        said = r.read(written)
        assert torch.equal(said.value, truth)
        assert said.ended.all()
        assert said.derived.all() if derived else not said.derived.any()
    odd = ["A1", "1$", "A$", ">1A2$", "A>$", "$", ">1111A", "A7$"]
    said = r.read(r.CHARACTERS.encode(odd, length=8))
    assert said.value.tolist() == [-1, -1, -1, 2, -1, -1, -1, 7]
    assert said.ended.tolist() == [False, True, True, True, True, True, False, True]


def test_steps_are_judged_from_the_sum_before():
    digits = torch.tensor([[1, 1, 1, 1, 1]] * 4)
    lines = [">2340A0$", ">3340A0$", ">3400A0$", "A0$"]
    found = r.right_steps(digits, r.CHARACTERS.encode(lines, length=8)).tolist()
    assert found == [
        [True] * 4,
        [False, False, True, True],
        [False, True, True, False],
        [False] * 4,
    ]


def test_right_among_wrong_is_what_independent_steps_give():
    generator = torch.Generator().manual_seed(0)
    digits, sure = r.questions(40_000, seed=1), 0.7
    # A slip draws any of five digits, so it is right in one of five.
    written = r.derivations(digits, wrong=(1 - sure) * 5 / 4, seed=generator)
    steps = r.right_steps(digits, written)
    assert abs(float(steps.double().mean()) - sure) < 0.005
    all_right = steps.all(1)
    found = steps[~all_right].double().mean()
    assert abs(float(found) - r.right_among_wrong(sure**4)) < 0.005
    assert abs(float(found) - sure) > 0.05, "wrong derivations have fewer right steps than all"
    # Judged by their answers some wrong ones pass, because mistakes cancel.
    by_answer = r.read(written).value == r.truth(digits)
    assert float(by_answer.double().mean()) > sure**4 + 0.02
    assert r.right_among_wrong(0.0) == 0
    with pytest.raises(ValueError, match=r"right must lie in \[0, 1\), got 1"):
        r.right_among_wrong(1.0)


def test_a_model_that_knows_is_right_and_draws_at_its_rate():
    assert r.pass_at_1(Scripted(), DIGITS).mean() == 1
    assert r.pass_at_1(Scripted(), DIGITS, derive=True).mean() == 1
    unsure = Scripted(0.6)
    digits = r.questions(4000, seed=2)
    assert r.pass_at_1(unsure, digits).mean() == 1, "the likeliest sum is right"
    drawn = r.write(unsure, digits, temperature=1.0, seed=3)
    assert torch.equal(drawn, r.write(unsure, digits, temperature=1.0, seed=3))
    rate = r.right_steps(digits, drawn).double().mean()
    assert abs(float(rate) - 0.6) < 4 * (0.24 / 16_000) ** 0.5


# Votes and traces -----------------------------------------------------------------------------


def test_votes_are_counted_one_by_one():
    digits = r.questions(60, seed=4)
    found = w.vote(Scripted(0.8), digits, draws=5, seed=6)
    draws = r.write(Scripted(0.8), digits.repeat(5, 1), temperature=1.0, seed=6).view(5, 60, -1)
    for i in range(60):
        said = [int(r.read(draws[k, i : i + 1]).value) for k in range(5)]
        most = max(said.count(value) for value in said)
        assert said.count(int(found.value[i])) == most
        assert float(found.share[i]) == pytest.approx(most / 5)
        assert torch.equal(found.first[i], draws[0, i])
        assert torch.equal(found.written[i], draws[said.index(int(found.value[i])), i])
    alone = (r.read(found.first).value == r.truth(digits)).double().mean()
    assert (found.value == r.truth(digits)).double().mean() > alone + 0.1


def test_votes_for_nothing_count_for_nothing():
    class Silent(nn.Module):
        def forward(self, text):
            return torch.nn.functional.one_hot(text * 0 + 1, r.CHARACTERS.tokens) * 50.0

    found = w.vote(Silent(), DIGITS[:3], draws=3, seed=0)
    assert found.value.tolist() == [-1] * 3
    assert found.share.tolist() == [0] * 3


def cast_of(weak: nn.Module) -> w.Cast:
    student = r.decoder(16, 1, seed=0)
    return w.Cast(student, weak, Scripted(), weak, {})


def test_traces_are_matched_in_number_and_told_apart_by_truth():
    pool = r.questions(400, seed=5)
    found = w.traces(cast_of(Scripted(0.8)), pool, seed=7)
    right = {k: r.read(written).value == r.truth(digits) for k, (digits, written) in found.items()}
    assert right["right"].all()
    assert not right["wrong"].any()
    assert right["true answers"].all()
    assert right["true derivations"].all()
    m = min(int(right["all"].sum()), int((~right["all"]).sum()))
    assert [len(right[name]) for name in ("matched", "right", "wrong")] == [m] * 3
    assert torch.equal(found["matched"][1], found["all"][1][:m])


# The cure -------------------------------------------------------------------------------------


def staged(weak: nn.Module, share: float, pool=None):
    pool = r.questions(120, seed=8) if pool is None else pool
    student = r.decoder(16, 1, seed=0)
    return w.staged(student, weak, pool, draws=4, share=share, updates=2, seed=0)


def test_a_filter_that_keeps_everything_changes_nothing():
    found = staged(Scripted(0.6), 0.0)
    for name in ("one", "two", "weak two"):
        for one, other in zip(found[name], found["voted"], strict=True):
            assert torch.equal(one, other)
    for one, other in zip(found["some"], found["all"], strict=True):
        assert torch.equal(one, other)
    harder = staged(Scripted(0.6), 0.75)
    assert len(harder["one"][0]) < 100, "and one that filters does"


def test_stage_one_keeps_better_answers_and_as_many_are_set_beside_it():
    found = staged(Scripted(0.7), 0.75, r.questions(600, seed=8))
    right = {
        k: float((r.read(said).value == r.truth(d)).double().mean())
        for k, (d, said) in found.items()
    }
    assert right["one"] > right["voted"] + 0.05 > right["all"] + 0.1
    assert len(found["some"][0]) == len(found["one"][0]) < 500
    # A student that only began to learn agrees with itself on nothing: stage two adds nothing.
    assert torch.equal(found["two"][0], found["one"][0])


# Training -------------------------------------------------------------------------------------


def flat(network: nn.Module) -> torch.Tensor:
    return nn.utils.parameters_to_vector(network.parameters()).detach()


def small_sets():
    digits = r.questions(48, seed=9)
    whole = digits, r.derivations(digits)
    return [r.texts(*whole), r.texts(*(part[:20] for part in whole))]


def test_sets_of_all_sizes_get_equal_updates_and_are_repeated():
    network, sets = r.decoder(16, 1, seed=0), small_sets()
    found = r.tune(network, sets, updates=6, batch_size=16, seed=3)
    rows = torch.arange(48) % 20
    settings = dict(steps=6, batch_size=16, lr=1e-3, seed=3, warmup=0)
    for one, data in zip(found, (sets[0], [part[rows] for part in sets[1]]), strict=True):
        assert torch.equal(flat(one), flat(fit(network, next_token, data, **settings).network))
    assert not torch.equal(flat(found[0]), flat(found[1]))


def test_the_same_on_another_device():
    network, sets = r.decoder(16, 1, seed=0), small_sets()
    expected = r.tune(network, sets, updates=4, batch_size=16, seed=3)
    digits = DIGITS[:20]
    words = r.write(expected[0], digits, temperature=1.0, seed=1)
    with standin() as device:
        there = [[part.to(device) for part in pair] for pair in sets]
        found = r.tune(network, there, updates=4, batch_size=16, seed=3, device=device)
        for one, other in zip(found, expected, strict=True):
            torch.testing.assert_close(flat(one).cpu(), flat(other), rtol=1e-4, atol=1e-5)
        model = r.decoder(16, 1, seed=0).to(device)
        model.load_state_dict(expected[0].state_dict())
        again = r.write(model, digits.to(device), temperature=1.0, seed=1)
        assert torch.equal(again.cpu(), words)
        votes = w.vote(model, digits.to(device), draws=3, seed=1)
        assert votes.written.device == device


def test_the_cast_and_the_cure_on_another_device(monkeypatch):
    def short(model, data, probe, *, target, steps, every=20, **how):
        data = [part[:64] for part in data]
        return r.fit_until(model, data, probe, target=2.0, steps=4, every=2, **how)

    def shorter(*arguments, steps, **how):
        return fit(*arguments, steps=3, **how | {"warmup": 0})

    monkeypatch.setattr(w, "fit_until", short)
    monkeypatch.setattr(w, "fit", shorter)

    def everything(device):
        cast = w.cast(seed=0, device=device)
        weak, pool = Scripted(0.8).to(device), r.questions(60, seed=1).to(device)
        shown = w.traces(cast._replace(weak=weak), pool, seed=0)
        sets = w.staged(cast.student, weak, pool, draws=3, share=0.6, updates=2, seed=0)
        steps = r.right_steps(*shown["wrong"])
        parts = [steps, *(pair[1] for pair in (*shown.values(), *sets.values()))]
        assert {part.device.type for part in parts} == {torch.device(device).type}
        return [part.cpu() for part in parts], cast.probes

    expected = everything("cpu")
    with standin() as device:
        found = everything(device)
    assert all(
        torch.equal(one, other)
        for one, other in zip(*(f[0] for f in (found, expected)), strict=True)
    )
    assert found[1] == expected[1]


def test_snapshots_are_one_training():
    data, network = small_sets()[0], r.decoder(16, 1, seed=0)
    found = list(r.snapshots(network, data, (2, 5, 9), batch_size=16, seed=4))
    drawn = int(torch.randint(2**62, (), generator=torch.Generator().manual_seed(4)))
    whole = fit(
        network, next_token, data, steps=9, batch_size=16, lr=1e-3, seed=drawn, warmup=0
    ).network
    assert torch.equal(flat(found[-1]), flat(whole))
    assert not torch.equal(flat(found[0]), flat(found[1]))


def test_training_stops_when_the_probe_says_so():
    data, network = small_sets()[0], r.decoder(16, 1, seed=0)
    doubled = lambda part: torch.cat([part, part])
    seen = iter([0.1, 0.2, 0.5, 0.9])
    _, looks = r.fit_until(
        network,
        [*map(doubled, data)],
        lambda model: next(seen),
        target=0.4,
        steps=20,
        every=2,
        seed=0,
    )
    assert looks == [0.1, 0.2, 0.5]
