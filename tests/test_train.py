"""The training loop: what it computes and what it refuses."""

from __future__ import annotations

import functools
import sys
import warnings

import pytest
import torch
from training_case import IMAGES, LABELS, SETTINGS, N, Network, generator, loss, noisy, weights

from w2s_tutorial.networks.run import mixed_precision
from w2s_tutorial.networks.train import fit, schedule
from w2s_tutorial.storage import content_key

# The schedule ---------------------------------------------------------------------------------


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


# What is computed -----------------------------------------------------------------------------


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
    result = fit(Network(), loss, (IMAGES, LABELS), generator=generator(), **settings)
    torch.testing.assert_close(result.losses, losses, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(weights(result.network), weights(network), rtol=1e-4, atol=1e-6)
    # The control: the setting under test matters more than the tolerance.
    if extra:
        plain = weights(by_hand(**SETTINGS)[0])
        assert (weights(network) - plain).abs().max() > 1e-3


def test_fit_learns():
    result = fit(
        Network(), loss, (IMAGES, LABELS), steps=300, batch_size=20, lr=0.01, generator=generator()
    )
    chance = 0.6931
    assert result.losses[0] == pytest.approx(chance, abs=0.1)
    assert result.losses[-20:].mean() < 0.3 * chance


def test_fit_leaves_its_arguments_alone():
    network = Network().eval()
    before = content_key(network, IMAGES, LABELS)
    state = torch.get_rng_state()
    result = fit(network, loss, (IMAGES, LABELS), generator=generator(), **SETTINGS)
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
    fit(Network(), loss, data, augment=watch, generator=generator(), steps=10, batch_size=8, lr=0.1)
    first, second = torch.cat(seen[:5]), torch.cat(seen[5:])
    assert torch.equal(first.sort().values, torch.arange(N))
    assert torch.equal(second.sort().values, torch.arange(N))
    assert not torch.equal(first, second)


def test_seeds_matter_and_repeat():
    run = lambda seed: weights(
        fit(Network(), loss, (IMAGES, LABELS), generator=generator(seed), **SETTINGS).network
    )
    assert torch.equal(run(0), run(0))
    assert not torch.equal(run(0), run(1))


def test_compiled_gives_the_same(monkeypatch):
    # The tracing is what can go wrong here; generating machine code takes a quarter of a minute.
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="aot_eager"))
    plain = fit(Network(), loss, (IMAGES, LABELS), generator=generator(), **SETTINGS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the compiler's own
        fast = fit(
            Network(), loss, (IMAGES, LABELS), generator=generator(), compiled=True, **SETTINGS
        )
    torch.testing.assert_close(fast.losses, plain.losses, rtol=1e-4, atol=1e-6)
    assert list(fast.network.state_dict()) == list(plain.network.state_dict())


def test_no_bar_without_tqdm(monkeypatch):
    plain = fit(Network(), loss, (IMAGES, LABELS), generator=generator(), **SETTINGS)
    monkeypatch.setitem(sys.modules, "tqdm", None)
    bare = fit(Network(), loss, (IMAGES, LABELS), generator=generator(), **SETTINGS)
    assert torch.equal(plain.losses, bare.losses)


def test_nothing_is_printed_where_nobody_watches(capfd):
    fit(Network(), loss, (IMAGES, LABELS), generator=generator(), **SETTINGS)
    assert capfd.readouterr() == ("", "")


# Bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize("bad", [torch.nan, torch.inf])
def test_a_broken_loss_stops_and_names_its_step(bad, tmp_path):
    calls = []

    def breaks(network, images, labels):
        calls.append(1)
        return loss(network, images, labels) + (bad if len(calls) == 8 else 0)

    settings = SETTINGS | {"steps": 300, "checkpoint": tmp_path / "c", "checkpoint_every": 10}
    with pytest.raises(FloatingPointError, match=f"loss at step 7 is {bad}"):
        fit(Network(), breaks, (IMAGES, LABELS), generator=generator(), **settings)
    assert len(calls) == 10  # looked at before the broken weights were written
    assert not (tmp_path / "c").exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, r"steps must lie in 1\.\.inf, got 0"),
        ({"batch_size": 41}, r"batch_size must lie in 1\.\.40, got 41"),
        ({"warmup": 12}, r"warmup must lie in 0\.\.11, got 12"),
        ({"micro_batch": 0}, r"micro_batch must lie in 1\.\.inf, got 0"),
        ({"checkpoint_every": 0}, r"checkpoint_every must lie in 1\.\.inf, got 0"),
        ({"lr": 0.0}, r"lr must be above 0, got 0\.0"),
        ({"lr": float("nan")}, r"lr must be above 0, got nan"),
        ({"data": (IMAGES, LABELS[:-1])}, r"one length, got lengths \[39, 40\]"),
        ({"data": ()}, r"one length, got lengths \[\]"),
        ({"loss": lambda *batch: loss(*batch).mean()}, r"loss must return \(8,\), got shape \(\)"),
    ],
)
def test_fit_refuses(change, message):
    arguments = {"loss": loss, "data": (IMAGES, LABELS)} | SETTINGS | change
    with pytest.raises(ValueError, match=message):
        fit(Network(), generator=generator(), **arguments)


# GPUs -----------------------------------------------------------------------------------------


def test_precision_follows_the_device(monkeypatch):
    assert mixed_precision("cpu") == torch.float32
    monkeypatch.setattr(torch.cuda, "device", lambda device: warnings.catch_warnings())
    asked = []

    def supported(including_emulation=True):
        asked.append(including_emulation)
        return including_emulation  # as a T4 answers

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert mixed_precision("cuda") == torch.float16
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: True)
    assert mixed_precision("cuda:1") == torch.bfloat16
    assert asked == [False]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_gpu_learns_what_the_cpu_learns(monkeypatch, precision):
    monkeypatch.setattr("w2s_tutorial.networks.run.mixed_precision", lambda device: precision)
    settings = dict(steps=300, batch_size=20, lr=0.01)
    chosen = generator()
    result = fit(Network(), loss, (IMAGES, LABELS), generator=chosen, device="cuda", **settings)
    assert result.losses.device.type == "cpu"
    assert next(result.network.parameters()).dtype == torch.float32
    assert result.losses[-20:].mean() < 0.3 * 0.6931
