from __future__ import annotations

import sys
import time

import pytest
import torch
from torch import nn

from w2s_tutorial.heads import fit_gradient, fit_logistic, logistic
from w2s_tutorial.losses import squared
from w2s_tutorial.networks import features
from w2s_tutorial.networks.many import fit_many
from w2s_tutorial.progress import progress


def slowly(steps):
    return [time.sleep(0.02) or step for step in steps]


def test_nothing_is_shown_where_nobody_watches(capfd, monkeypatch):
    monkeypatch.delenv("W2S_PROGRESS", raising=False)
    steps = range(3)
    assert progress(steps) is steps  # not even wrapped
    assert capfd.readouterr() == ("", "")


def test_a_bar_says_what_and_how_far(capfd, monkeypatch):
    monkeypatch.setenv("W2S_PROGRESS", "1")
    bar = progress(range(2, 6), of="settings")
    bar.delay, bar.mininterval = 0, 0
    assert slowly(bar) == [2, 3, 4, 5]
    shown = capfd.readouterr().err
    assert "settings" in shown
    assert "/6" in shown
    listed = progress(iter("abc"), total=3)
    assert listed.total == 3
    assert slowly(listed) == ["a", "b", "c"]


@pytest.mark.parametrize("why", ["quiet", "no tqdm"])
def test_no_bar_if_it_is_not_wanted_or_not_there(why, monkeypatch):
    monkeypatch.setenv("W2S_PROGRESS", "1")
    if why == "no tqdm":
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    steps = range(3)
    assert progress(steps, quiet=why == "quiet") is steps


BATCHES = 3


def heads_of_their_own(images):
    target = torch.nn.functional.one_hot(torch.arange(8) % 2, 2).expand(3, -1, -1)
    fit_logistic(torch.randn(3, 8, 4), target, l2=0.1, tol=1e-3)


WORK = {  # (name of the bar, its length)
    ("steps", 5): lambda images: fit_gradient(
        torch.zeros(8, 4), torch.zeros(1, 8, 2), squared, steps=5, lr=0.1
    ),
    ("heads", 2): heads_of_their_own,  # the first alone, since all others start from it
    ("batches", BATCHES): lambda images: features.extract(
        nn.Flatten(), images, batch_size=4, dtype=torch.float32
    ),
    ("steps", 2): lambda images: fit_many(
        [nn.Linear(8, 2)], lambda network, x: network(x).square().mean(1), [images.flatten(1)],
        steps=2, lr=0.1, batch_size=4, seeds=[0],
    ),
}  # fmt: skip


@pytest.mark.parametrize("bar", WORK, ids=str)
@pytest.mark.parametrize("watched", [True, False])
def test_long_work_shows_how_far_it_is(bar, watched, monkeypatch):
    monkeypatch.setenv("W2S_PROGRESS", str(int(watched)))
    monkeypatch.setattr(logistic, "CACHE", 8 * 4 * 4)  # one head at a time
    seen = []

    def tqdm(steps, **options):
        seen.append((options["desc"], options["total"]))
        return steps

    monkeypatch.setattr("tqdm.auto.tqdm", tqdm)
    WORK[bar](torch.randn(9, 1, 2, 4))
    assert (bar in seen) == watched, seen
    assert watched or not seen


def test_short_work_shows_no_bar(capfd, monkeypatch):
    monkeypatch.setenv("W2S_PROGRESS", "1")
    slowly(progress(range(3)))
    assert "3" not in capfd.readouterr().err
