"""What of a variable means yes, the same in the package and in the book's build."""

from __future__ import annotations

import chapters
import pytest

from w2s_tutorial._flags import flag


@pytest.mark.parametrize("value", ["1", "true", "yes", "on", "please"])
def test_yes(monkeypatch, value):
    monkeypatch.setenv("W2S_FAST", value)
    assert flag("W2S_FAST")
    assert chapters.is_fast()


@pytest.mark.parametrize("value", ["0", "false", "FALSE", "no", " off ", "", None])
def test_no(monkeypatch, value):
    monkeypatch.delenv("W2S_FAST")
    if value is not None:
        monkeypatch.setenv("W2S_FAST", value)
    assert not flag("W2S_FAST")
    assert not chapters.is_fast()
