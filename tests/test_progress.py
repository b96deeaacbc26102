from __future__ import annotations

import sys
import time

import pytest

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


def test_short_work_shows_no_bar(capfd, monkeypatch):
    monkeypatch.setenv("W2S_PROGRESS", "1")
    slowly(progress(range(3)))
    assert "3" not in capfd.readouterr().err
