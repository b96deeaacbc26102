"""Reading tar and zip archives that nobody vouches for.

Only plain files inside the target folder are ever written: links, devices, absolute paths and
paths with ".." are refused, and so is more than a stated number of bytes.
"""

from __future__ import annotations

import errno
import lzma
import os
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, NamedTuple, cast

MAX_BYTES = 4 * 1024**3
_DAMAGED = (tarfile.TarError, zipfile.BadZipFile, EOFError, zlib.error, lzma.LZMAError)
# Encrypted, and compressed in a way that Python has not: a RuntimeError and its subclass.
_UNREADABLE = (*_DAMAGED, RuntimeError)
# A file where a folder is or the reverse, a name too long for the disk.
_CONTRADICTION = (errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.ENAMETOOLONG)


class _Member(NamedTuple):
    """One entry of an archive: `kind` is "file", "folder" or "other" (links, devices)."""

    name: str
    size: int
    kind: str
    open: Callable[[], IO[bytes]]


def contents(
    archive: Path, *, names: set[str] | None = None, max_bytes: int = MAX_BYTES
) -> Iterator[tuple[str, bytes]]:
    """Name and content of each plain file (of those in `names`) in a tar or zip archive.

    Raises:
        ValueError: as `unpack`.
    """
    with _readable(archive):
        for member in _checked(archive, max_bytes):
            if member.kind == "file" and (names is None or member.name in names):
                with member.open() as stream:
                    yield member.name, stream.read()


def unpack(archive: Path, into: Path, *, max_bytes: int = MAX_BYTES) -> Path:
    """The folder `into` with all files of a tar or zip archive; nothing is done if it exists.

    Files are written aside and the folder is moved into place at the end, so that a folder of
    this name is always complete. Of two processes that do so the later one takes the earlier's.

    Raises:
        ValueError: if the archive is damaged, encrypted or contradicts itself, an entry is a
            link, a device or leads out of the folder, or the files together exceed max_bytes;
            nothing is left behind.
    """
    if into.is_dir():
        return into
    into.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=into.parent) as scratch:
        aside = Path(scratch) / "whole"
        aside.mkdir()
        with _readable(archive):
            for member in _checked(archive, max_bytes):
                _write(member, aside / member.name)
        try:
            os.replace(aside, into)
        except OSError:
            if not into.is_dir():
                raise
    return into


def _write(member: _Member, target: Path) -> None:
    if member.kind == "folder":
        target.mkdir(parents=True, exist_ok=True)
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with member.open() as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink)


def _checked(archive: Path, max_bytes: int) -> Iterator[_Member]:
    """The entries of an archive, up to the first that must not be written.

    Sizes may be trusted: both libraries read as many bytes as an entry declares, never more.
    """
    total = 0
    for member in _members(archive):
        path = PurePosixPath(member.name)
        if path.is_absolute() or ".." in path.parts or any(c in member.name for c in "\\:\0"):
            raise ValueError(f"{archive}: entry {member.name!r} leads out of the folder")
        if member.kind == "other":
            raise ValueError(f"{archive}: entry {member.name!r} is neither a file nor a folder")
        total += member.size
        if total > max_bytes:
            raise ValueError(f"{archive}: more than {max_bytes} bytes when unpacked")
        yield member


def _members(archive: Path) -> Iterator[_Member]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as opened:
            for info in opened.infolist():
                mode = stat.S_IFMT(info.external_attr >> 16)
                plain = mode in (0, stat.S_IFREG, stat.S_IFDIR)  # 0: written without Unix modes
                folder = info.filename.endswith("/")  # is_dir() stumbles over an empty name
                kind = "other" if not plain else "folder" if folder else "file"
                yield _Member(info.filename, info.file_size, kind, partial(opened.open, info))
        return
    with tarfile.open(archive) as opened_tar:
        for entry in opened_tar:
            kind = "file" if entry.isreg() else "folder" if entry.isdir() else "other"
            read = cast(Callable[[], IO[bytes]], partial(opened_tar.extractfile, entry))
            yield _Member(entry.name, entry.size, kind, read)


@contextmanager
def _readable(archive: Path) -> Iterator[None]:
    try:
        yield
    except _UNREADABLE as error:
        raise ValueError(f"{archive} is damaged or cannot be read, delete it: {error}") from error
    except OSError as error:
        if error.errno in _CONTRADICTION:
            raise ValueError(f"{archive} has names that no folder can hold: {error}") from error
        raise
