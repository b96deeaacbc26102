"""Where files lie, and what is said when they cannot be fetched from there."""

from __future__ import annotations

import errno
import hashlib
import re
import sys
import tempfile
import zipfile
from io import BytesIO
from pathlib import Path

import pytest

from w2s_tutorial.datasets import downloads
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


@pytest.mark.parametrize(("told", "offline"), [("1", True), ("yes", True), ("false", False)])
def test_a_switch_that_says_no_is_off(web, data, monkeypatch, told, offline):
    monkeypatch.setenv("W2S_OFFLINE", told)
    file = File("file", (web.offer("/file", CONTENT),), SHA256)
    if offline:
        with pytest.raises(FileNotFoundError, match="W2S_OFFLINE is set"):
            fetch(file, quiet=True)
    else:
        assert read(fetch(file, quiet=True)) == CONTENT


def nothing_written_below(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a folder read-only, for the administrator of a container as well."""
    whole = tempfile.TemporaryDirectory

    def refusing(*args, dir, **options):
        if folder in (Path(dir), *Path(dir).parents):
            raise PermissionError(errno.EACCES, "Permission denied", str(dir))
        return whole(*args, dir=dir, **options)

    monkeypatch.setattr(tempfile, "TemporaryDirectory", refusing)


def test_what_a_read_only_folder_lacks_comes_into_the_users_cache(web, data, tmp_path, monkeypatch):
    body = BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("in/side", CONTENT)
    data.mkdir()
    (data / "set.zip").write_bytes(body.getvalue())
    cache = tmp_path / "cache"
    monkeypatch.setattr(downloads, "_cache", lambda: cache)
    nothing_written_below(data, monkeypatch)
    url = web.offer("/file", CONTENT)
    packed = File("set.zip")
    inside = File("member", hash=SHA256, archive=packed, member="in/side")
    for _ in range(2):
        assert fetch(packed) == data / "set.zip", "what is there is read where it is"
        assert fetch(inside) == cache / "member"
        assert fetch(File("more", (url,), SHA256), quiet=True) == cache / "more"
        assert downloads.unpacked(packed, "whole") == cache / "whole"
    assert web.requested == ["/file"]
    assert (cache / "whole" / "in" / "side").read_bytes() == CONTENT
    nothing_written_below(tmp_path, monkeypatch)
    with pytest.raises(PermissionError):
        fetch(File("most", (url,), SHA256), quiet=True)


def test_the_folder_is_the_users_cache_by_default(monkeypatch):
    monkeypatch.delenv("W2S_DATA", raising=False)
    assert folder().name == "w2s_tutorial"
    assert folder().is_absolute()


def test_without_pooch_the_error_says_what_to_do(web, data, monkeypatch):
    monkeypatch.setitem(sys.modules, "pooch", None)
    with pytest.raises(ImportError, match=r"w2s-tutorial\[data\].*W2S_DATA"):
        fetch(File("file", (web.offer("/file", CONTENT),), SHA256))
