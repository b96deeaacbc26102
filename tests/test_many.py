"""Many networks at once are the same networks one by one."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from standin import standin
from training_case import IMAGES, LABELS, Network, loss, weights

from w2s_tutorial.networks import many
from w2s_tutorial.networks.many import fit_many
from w2s_tutorial.networks.train import fit

NETWORKS = [Network(shift=0.1 * i) for i in range(3)]
OWN = torch.stack([LABELS, 1 - LABELS, LABELS.roll(1)])
RATES, SEEDS, WEIGHT = [0.01, 0.03, 0.02], [0, 1, 1], [1.0, 0.5, 2.0]
SETTINGS = dict(steps=12, batch_size=8, warmup=2, weight_decay=0.3)


def weighted(network, images, labels, weight):
    return weight * loss(network, images, labels)


def run(**changes):
    arguments = {"loss": weighted, "shared": [IMAGES], "own": [OWN], "lr": RATES, "seeds": SEEDS}
    arguments |= {"options": {"weight": WEIGHT}, "together": True} | SETTINGS
    return fit_many(NETWORKS, **arguments | changes)


@pytest.mark.parametrize("changes", [{}, {"together": False}, {"micro_batch": 3}])
def test_many_equal_one_by_one(changes):
    found = run(**changes)
    for i, network in enumerate(NETWORKS):
        one = fit(
            network,
            partial(weighted, weight=WEIGHT[i]),
            (IMAGES, OWN[i]),
            **SETTINGS | {"lr": RATES[i], "seed": SEEDS[i]},
        )
        torch.testing.assert_close(found.losses[i], one.losses, rtol=1e-5, atol=1e-6)
        theirs, ours = weights(one.network), weights(found.networks[i])
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=2e-6)
        assert not found.networks[i].training
    assert found.ended.tolist() == [12, 12, 12]


def breaking(network, images, labels, weight):
    # Run 1's loss leaves the numbers once its labels are fitted a little.
    each = loss(network, images, labels)
    return each + torch.where((weight == 0.5) & (each.mean() < 0.68), torch.nan, 0.0)


@pytest.mark.parametrize("together", [True, False])
def test_a_run_that_breaks_keeps_its_weights_and_touches_no_other(together):
    lonely = run(loss=breaking, options={"weight": [1.0, 1.0, 1.0]}, together=together)
    with pytest.warns(UserWarning, match=r"runs \[1\] stopped at steps"):
        found = run(loss=breaking, together=together)
    at = int(found.ended[1])
    assert 0 < at < 12
    assert found.losses[1, :at].isfinite().all()
    assert not found.losses[1, at:].isfinite().any()
    assert weights(found.networks[1]).isfinite().all()
    for i in (0, 2):
        assert torch.equal(weights(found.networks[i]), weights(lonely.networks[i]))


@pytest.mark.parametrize("together", [True, False])
def test_many_continue_bit_for_bit(tmp_path, monkeypatch, together):
    whole, path = run(together=together), tmp_path / "c"
    arguments = {"checkpoint": path, "checkpoint_every": 5, "together": together}
    calls, schedule = [], many.schedule

    def stops(step, **sizes):
        calls.append(step)
        if step == 7:
            raise InterruptedError
        return schedule(step, **sizes)

    with monkeypatch.context() as patch:
        patch.setattr(many, "schedule", stops)
        with pytest.raises(InterruptedError):
            run(**arguments)
        patch.setattr(
            many, "schedule", lambda step, **sizes: calls.append(step) or schedule(step, **sizes)
        )
        again = run(**arguments)
    assert calls[8] == 5
    assert torch.equal(again.losses, whole.losses)
    for one, other in zip(again.networks, whole.networks, strict=True):
        assert torch.equal(weights(one), weights(other))
    with pytest.raises(ValueError, match="is of a run with another network"):
        run(**arguments | {"options": {"weight": [1.0, 0.5, 2.5]}, "lr": [0.02] * 3})


def test_memory_that_runs_out_halves_the_micro_batch():
    sizes = []

    def tight(network, images, labels, weight):
        sizes.append(len(images))
        if len(images) > 3:
            raise torch.OutOfMemoryError("a pretence")
        return weighted(network, images, labels, weight)

    with pytest.warns(UserWarning, match="micro_batch is now"):
        found = run(loss=tight)
    torch.testing.assert_close(found.losses, run().losses, rtol=1e-5, atol=1e-6)
    assert sizes[:3] == [8, 4, 2]


def test_many_on_another_device():
    expected = run()
    with standin() as device:
        found = run(device=device, together=None)
        assert weights(found.networks[0]).device == device
        theirs = weights(found.networks[2]).cpu()
    torch.testing.assert_close(theirs, weights(expected.networks[2]), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lr": [0.1]}, "lr must have one entry for each of 3 runs"),
        ({"seeds": [0]}, "seeds must have one entry"),
        ({"own": [OWN[:2]]}, "own must have one entry"),
        ({"options": {"weight": [1.0]}}, "weight must have one entry"),
        ({"lr": -1.0}, "lr must be above 0"),
        ({"batch_size": 41}, r"batch_size must lie in 1\.\.40"),
        ({"shared": [IMAGES[:3]]}, r"one length, got lengths \[3, 40\]"),
        ({"loss": lambda *batch, weight: loss(*batch).mean()}, r"must return \(8,\), got shape"),
    ],
)
def test_many_refuse(change, message):
    with pytest.raises(ValueError, match=message):
        run(**change)


@pytest.mark.parametrize("together", [True, False])
def test_who_watches_sees_every_run_as_it_is_and_changes_nothing(together):
    seen = {}

    def watch(i, done, network):
        assert not network.training
        assert not torch.is_grad_enabled()
        seen[i, done] = weights(network).clone()

    found = run(together=together, watch=watch, watch_at={0, 5, 12, 99})
    assert set(seen) == {(i, done) for i in range(3) for done in (0, 5, 12)}
    unseen = run(together=together)
    for i, network in enumerate(NETWORKS):
        assert torch.equal(seen[i, 0], weights(network))
        assert torch.equal(seen[i, 12], weights(found.networks[i]))
        assert torch.equal(seen[i, 12], weights(unseen.networks[i]))
        assert not torch.equal(seen[i, 5], seen[i, 12])
