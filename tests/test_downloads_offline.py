"""Where files lie, and what is said when they cannot be fetched from there."""

from __future__ import annotations

import hashlib
import re
import sys

import pytest

from w2s_tutorial.datasets.downloads import File, fetch, folder, read

CONTENT = bytes(range(256))
SHA256 = "sha256:" + hashlib.sha256(CONTENT).hexdigest()


def test_offline_says_what_to_put_where(web, data, monkeypatch):
    monkeypatch.setenv("W2S_OFFLINE", "1")
    url = web.offer("/file", CONTENT)
    place = data / "set/file"
    expected = f"W2S_OFFLINE is set: put it (9 bytes) at {place} or file.gz, from\n  {url}"
    with pytest.raises(FileNotFoundError, match=re.escape(expected)):
        fetch(File("set/file", (url,), SHA256, 9))
    assert web.requested == []
    monkeypatch.setenv("W2S_OFFLINE", "0")
    assert read(fetch(File("set/file", (url,), SHA256), quiet=True)) == CONTENT


def test_offline_says_why_the_file_that_is_there_does_not_do(data, monkeypatch):
    monkeypatch.setenv("W2S_OFFLINE", "1")
    data.mkdir()
    (data / "file").write_bytes(b"other")
    with pytest.raises(FileNotFoundError, match=r"(?s)put it at.*file: content is sha256:"):
        fetch(File("file", ("http://127.0.0.1:9/file",), SHA256))


def test_without_an_address_the_file_has_to_be_put_in_place(data):
    with pytest.raises(FileNotFoundError, match="file has no address: put it at"):
        fetch(File("file"))


def test_the_folder_is_the_users_cache_by_default(monkeypatch):
    monkeypatch.delenv("W2S_DATA", raising=False)
    assert folder().name == "w2s_tutorial"
    assert folder().is_absolute()


def test_without_pooch_the_error_says_what_to_do(web, data, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"w2s-tutorial\[data\].*W2S_DATA"):
        fetch(File("file", (web.offer("/file", CONTENT),), SHA256))
