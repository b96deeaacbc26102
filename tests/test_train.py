"""The training loop: what it computes."""

from __future__ import annotations

import functools
import warnings

import pytest
import torch
from training_case import IMAGES, LABELS, SETTINGS, N, Network, generator, loss, noisy, weights

from w2s_tutorial.networks.train import fit, schedule
from w2s_tutorial.storage import content_key


def test_schedule_is_continuous_at_its_corner():
    at = lambda step: schedule(step, steps=100, warmup=10)
    assert at(10) == 1.0
    assert at(9) == pytest.approx(10 / 11)
    assert at(11) == pytest.approx(1 - (torch.pi / 90) ** 2 / 4, abs=1e-5)
    assert [round(at(step) * 11) for step in range(11)] == list(range(1, 12))


def test_schedule_ends():
    assert schedule(0, steps=100, warmup=10) == pytest.approx(1 / 11)
    assert 0 < schedule(99, steps=100, warmup=10) < 1e-3
    assert schedule(55, steps=100, warmup=10) == pytest.approx(0.5)  # half way down
    assert schedule(0, steps=1, warmup=0) == 1.0
    down = [schedule(step, steps=50, warmup=0) for step in range(50)]
    assert down == sorted(down, reverse=True)


def by_hand(*, steps, batch_size, lr, warmup=0, weight_decay=0.0, augment=None):
    """The loop in its plainest form, with the plain AdamW of torch."""
    network, outer = Network(), generator()
    draws = generator(int(torch.randint(2**62, (), generator=outer)))
    biases = [p for name, p in network.named_parameters() if "bias" in name]
    others = [p for name, p in network.named_parameters() if "bias" not in name]
    optimizer = torch.optim.AdamW(
        [{"params": others, "weight_decay": weight_decay}, {"params": biases, "weight_decay": 0}],
        foreach=False,
    )
    losses = []
    while len(losses) < steps:
        order = torch.randperm(N, generator=draws)
        for rows in order.split(batch_size):
            if len(rows) < batch_size or len(losses) == steps:
                break
            batch = (IMAGES[rows], LABELS[rows])
            batch = augment(*batch, generator=draws) if augment else batch
            for group in optimizer.param_groups:
                group["lr"] = lr * schedule(len(losses), steps=steps, warmup=warmup)
            mean = loss(network, *batch).mean()
            optimizer.zero_grad()
            mean.backward()
            optimizer.step()
            losses.append(mean.detach())
    return network, torch.stack(losses)


@pytest.mark.parametrize(
    "extra",
    [{}, {"warmup": 4}, {"weight_decay": 0.5}, {"augment": noisy}, {"batch_size": 11}],
    ids=["plain", "warmup", "weight_decay", "augment", "remainder"],
)
def test_fit_equals_the_plain_loop(extra):
    settings = SETTINGS | extra
    network, losses = by_hand(**settings)
    result = fit(Network(), loss, (IMAGES, LABELS), seed=generator(), **settings)
    torch.testing.assert_close(result.losses, losses, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(weights(result.network), weights(network), rtol=1e-4, atol=1e-6)
    # The control: the setting under test matters more than the tolerance.
    if extra:
        plain = weights(by_hand(**SETTINGS)[0])
        assert (weights(network) - plain).abs().max() > 1e-3


def test_fit_learns():
    result = fit(
        Network(), loss, (IMAGES, LABELS), steps=300, batch_size=20, lr=0.01, seed=generator()
    )
    chance = 0.6931
    assert result.losses[0] == pytest.approx(chance, abs=0.1)
    assert result.losses[-20:].mean() < 0.3 * chance


def test_fit_leaves_its_arguments_alone():
    network = Network().eval()
    before = content_key(network, IMAGES, LABELS)
    state = torch.get_rng_state()
    result = fit(network, loss, (IMAGES, LABELS), seed=generator(), **SETTINGS)
    assert content_key(network, IMAGES, LABELS) == before
    assert not network.training
    assert not result.network.training
    assert torch.equal(torch.get_rng_state(), state)  # nothing was drawn globally


def test_each_epoch_visits_every_example_once():
    seen = []

    def watch(images, labels, index, *, generator):
        seen.append(index)
        return images, labels

    data = (IMAGES, LABELS, torch.arange(N))
    fit(Network(), loss, data, augment=watch, seed=generator(), steps=10, batch_size=8, lr=0.1)
    first, second = torch.cat(seen[:5]), torch.cat(seen[5:])
    assert torch.equal(first.sort().values, torch.arange(N))
    assert torch.equal(second.sort().values, torch.arange(N))
    assert not torch.equal(first, second)


def test_seeds_matter_and_repeat():
    run = lambda seed: weights(
        fit(Network(), loss, (IMAGES, LABELS), seed=generator(seed), **SETTINGS).network
    )
    assert torch.equal(run(0), run(0))
    assert not torch.equal(run(0), run(1))


def test_compiled_gives_the_same(monkeypatch):
    # The tracing is what can go wrong here; generating machine code takes a quarter of a minute.
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    plain = fit(Network(), loss, (IMAGES, LABELS), seed=generator(), **SETTINGS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's own
        fast = fit(Network(), loss, (IMAGES, LABELS), seed=generator(), compiled=True, **SETTINGS)
    torch.testing.assert_close(fast.losses, plain.losses, rtol=1e-4, atol=1e-6)
    assert list(fast.network.state_dict()) == list(plain.network.state_dict())


def test_nothing_is_printed_where_nobody_watches(capfd):
    fit(Network(), loss, (IMAGES, LABELS), seed=generator(), **SETTINGS)
    assert capfd.readouterr() == ("", "")
