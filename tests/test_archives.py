from __future__ import annotations

import os
import stat
import tarfile
import zipfile
from io import BytesIO

import pytest

from w2s_tutorial.datasets import _archives

REFUSED = r"leads out of the folder|neither a file nor a folder"


def tar(path, *entries):
    """A tar.gz with (name, content or type, link target) entries, written without any check."""
    with tarfile.open(path, "w:gz") as archive:
        for name, content, target in entries:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes) and content not in SPECIAL:
                info.size = len(content)
                archive.addfile(info, BytesIO(content))
            else:
                info.type, info.linkname = content, target
                archive.addfile(info)
    return path


SPECIAL = {tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE}
MALICIOUS_TARS = {
    "parent": [("../escaped", b"x" * 9, "")],
    "hidden parent": [("a/../../escaped", b"x" * 9, "")],
    "absolute": [("{folder}/escaped", b"x" * 9, "")],
    "backslash": [("..\\escaped", b"x" * 9, "")],
    "drive": [("C:escaped", b"x" * 9, "")],
    "symlink out": [("link", tarfile.SYMTYPE, ".."), ("link/escaped", b"x" * 9, "")],
    "symlink in": [("link", tarfile.SYMTYPE, "file")],
    "hard link": [("link", tarfile.LNKTYPE, "/etc/passwd")],
    "device": [("null", tarfile.CHRTYPE, "")],
    "pipe": [("pipe", tarfile.FIFOTYPE, "")],
}


@pytest.mark.parametrize("case", MALICIOUS_TARS)
def test_a_malicious_tar_is_refused_and_leaves_nothing(tmp_path, case):
    bad = [(name.format(folder=tmp_path), *rest) for name, *rest in MALICIOUS_TARS[case]]
    archive = tar(tmp_path / "bad.tar.gz", ("good.txt", b"fine text", ""), *bad)
    with pytest.raises(ValueError, match=REFUSED):
        _archives.unpack(archive, tmp_path / "inner/out")
    assert {p.name for p in tmp_path.rglob("*")} == {"bad.tar.gz", "inner"}


@pytest.mark.parametrize("case", ["parent", "absolute", "symlink", "device"])
def test_a_malicious_zip_is_refused_and_leaves_nothing(tmp_path, case):
    names = {"parent": "a/../../escaped", "absolute": f"{tmp_path}/escaped"}
    kinds = {"symlink": stat.S_IFLNK, "device": stat.S_IFCHR}
    info = zipfile.ZipInfo(names.get(case, "entry"))
    info.external_attr = (kinds.get(case, stat.S_IFREG) | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "bad.zip", "w") as archive:
        archive.writestr("good.txt", "fine text")
        archive.writestr(info, "..")
    with pytest.raises(ValueError, match=REFUSED):
        _archives.unpack(tmp_path / "bad.zip", tmp_path / "inner/out")
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == ["bad.zip"]


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_size_bomb_is_refused_before_it_is_written(tmp_path, kind):
    zeros = b"\0" * 5_000_000
    bomb = tmp_path / f"bomb.{kind}"
    if kind == "tar":
        tar(bomb, ("a", zeros, ""), ("b", zeros, ""))
    else:
        with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a", zeros)
            archive.writestr("b", zeros)
    assert bomb.stat().st_size < 100_000
    with pytest.raises(ValueError, match="more than 9999999 bytes when unpacked"):
        _archives.unpack(bomb, tmp_path / "out", max_bytes=9_999_999)
    assert not (tmp_path / "out").exists()
    assert _archives.unpack(bomb, tmp_path / "out", max_bytes=10_000_000) == tmp_path / "out"
    assert (tmp_path / "out/b").stat().st_size == len(zeros)


def test_an_archive_is_unpacked_whole_or_not_at_all(tmp_path):
    archive = tar(
        tmp_path / "good.tar.gz", ("d", tarfile.DIRTYPE, ""), ("d/a.txt", os.urandom(50_000), "")
    )
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(archive.read_bytes()[:-20_000])
    with pytest.raises(ValueError, match=r"cut.tar.gz is damaged or cannot be read, delete it"):
        _archives.unpack(cut, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert _archives.unpack(archive, tmp_path / "out") == tmp_path / "out"
    before = (tmp_path / "out/d/a.txt").stat()
    assert _archives.unpack(archive, tmp_path / "out") == tmp_path / "out"
    assert (tmp_path / "out/d/a.txt").stat().st_mtime_ns == before.st_mtime_ns
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".partial-")]


def test_the_folder_appears_in_one_step(tmp_path, monkeypatch):
    archive = tar(tmp_path / "good.tar.gz", ("a", b"text", ""), ("b", b"text", ""))

    def stop(source, target):
        raise OSError("no power")

    monkeypatch.setattr(_archives.os, "replace", stop)
    with pytest.raises(OSError, match="no power"):
        _archives.unpack(archive, tmp_path / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["good.tar.gz"]


def test_a_link_is_not_read_as_a_member(tmp_path):
    archive = tar(tmp_path / "bad.tar.gz", ("link", tarfile.SYMTYPE, "/etc/passwd"))
    with pytest.raises(ValueError, match="neither a file nor a folder"):
        list(_archives.contents(archive, names={"link"}))
    good = tar(tmp_path / "good.tar.gz", ("a", b"text", ""), ("b", b"other", ""))
    assert dict(_archives.contents(good)) == {"a": b"text", "b": b"other"}
    assert dict(_archives.contents(good, names={"b", "c"})) == {"b": b"other"}


def zipped(path, name: str, content: bytes = b"text"):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, content)
    return path


def encrypted(folder):
    path = zipped(folder / "bad.zip", "name")
    body = bytearray(path.read_bytes())
    for start, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        body[body.index(start) + flags] |= 1
    path.write_bytes(body)
    return path


def compressed_strangely(folder):
    path = zipped(folder / "bad.zip", "name")
    body = bytearray(path.read_bytes())
    for start, method in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        body[body.index(start) + method] = 97
    path.write_bytes(body)
    return path


def nameless(folder):
    path = zipped(folder / "bad.zip", "n", b"")
    body = path.read_bytes()
    local, central = body.index(b"PK\x03\x04"), body.index(b"PK\x01\x02")
    end = body.index(b"PK\x05\x06")
    first = body[local : local + 26] + b"\0\0" + body[local + 28 : local + 30]
    second = body[central : central + 28] + b"\0\0" + body[central + 30 : central + 46]
    last = body[end : end + 12] + bytes([len(second), 0, 0, 0, len(first), 0, 0, 0, 0, 0])
    path.write_bytes(first + second + last)
    return path


def twice(folder, first: str, second: str):
    return tar(folder / "bad.tar", (first, b"x", ""), (second, b"y", ""))


MALFORMED = {
    "encrypted": encrypted,
    "unknown compression": compressed_strangely,
    "a file, then a folder": lambda folder: twice(folder, "a", "a/b"),
    "a folder, then a file": lambda folder: twice(folder, "a/b", "a"),
    "a file called .": lambda folder: tar(folder / "bad.tar", (".", b"x", "")),
    "a file with no name": nameless,
    "300 letters": lambda folder: tar(folder / "bad.tar", ("n" * 300, b"x", "")),
    "no archive": lambda folder: folder / "text",
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_archive_is_a_value_error_and_leaves_nothing(tmp_path, case):
    (tmp_path / "text").write_text("<html>")
    archive = MALFORMED[case](tmp_path)
    with pytest.raises(ValueError, match=r"damaged|no folder can hold"):
        _archives.unpack(archive, tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} <= {"text", archive.name}


def test_entries_that_are_only_unusual_are_unpacked(tmp_path):
    archive = tar(
        tmp_path / "good.tar",
        (".", tarfile.DIRTYPE, ""),
        ("./a", b"first", ""),
        ("./a", b"second", ""),
        ("b/c", b"text", ""),
        ("b", tarfile.DIRTYPE, ""),
    )
    out = _archives.unpack(archive, tmp_path / "out")
    assert (out / "a").read_bytes() == b"second"
    assert (out / "b" / "c").read_bytes() == b"text"


def test_whoever_comes_second_takes_what_the_first_unpacked(tmp_path, monkeypatch):
    archive = tar(tmp_path / "good.tar.gz", ("a", b"text", ""))
    whole = _archives._members

    def slow(path):
        yield from whole(path)
        (tmp_path / "out").mkdir()  # meanwhile another process was faster
        (tmp_path / "out" / "theirs").touch()

    monkeypatch.setattr(_archives, "_members", slow)
    assert _archives.unpack(archive, tmp_path / "out") == tmp_path / "out"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["theirs"]
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".partial-")]
