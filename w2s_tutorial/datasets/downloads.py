"""Files of real data sets: fetched once, verified by content, never half there.

Files live in the folder that the environment variable W2S_DATA names (default: a per-user
cache). A file that is already there with the right content is used in place; what a read-only
folder lacks comes into the per-user cache. With W2S_OFFLINE=1 nothing is downloaded.
"""

from __future__ import annotations

import errno
import gzip
import hashlib
import importlib.util
import os
import tarfile
import tempfile
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, Any, TypeVar, cast

from filelock import FileLock

from w2s_tutorial._flags import flag
from w2s_tutorial.datasets._archives import MAX_BYTES, contents, unpack

T = TypeVar("T")
_CHUNK = 2**16
_SLOWEST = 1000  # bytes a second, on average: a server below that counts as stalled


@dataclass(frozen=True)
class File:
    """One file of a data set.

    Attributes:
        path: its place below the data folder. PATH.gz, compressed, serves as well as PATH.
        urls: addresses, tried in order; none where the file comes out of `archive`.
        hash: "sha256:..." or "md5:..." of the content: of the bytes after gunzip (compressors
            differ, the content does not), but of a .tar.gz itself. None: not known, so that the
            loader has to verify what it reads; what is called an archive must be one.
        size: bytes to download, where known. A server that sends ten times as many is cut off
            (some send unzipped what they offer as .gz).
        archive: the file that holds this one, as its member `member`.
    """

    path: str
    urls: tuple[str, ...] = ()
    hash: str | None = None
    size: int | None = None
    archive: File | None = None
    member: str = ""


@dataclass(frozen=True)
class Dataset:
    """A data set: files by role, where it comes from, under which terms, whom to cite."""

    homepage: str
    licence: str
    citation: str
    files: Mapping[str, File] = field(default_factory=dict)


def folder() -> Path:
    """The data folder: W2S_DATA, or a per-user cache where that is not set."""
    named = os.environ.get("W2S_DATA", "")
    return Path(named).expanduser() if named else _cache()


def in_clone(path: Path, what: str) -> Path:
    """A file of data/ in a clone of the repository, or the one of its name in the data folder.

    Raises:
        FileNotFoundError: if it is in neither place; the message says what it is and names both.
    """
    name = f"{path.parent.name}/{path.name}"
    found = path if path.is_file() else folder() / name
    if not found.is_file():
        raise FileNotFoundError(
            f"the features of {what} come with a clone of the repository, there as data/{name}: "
            f"work in the clone, or copy the file to {found}"
        )
    return found


def fetch(file: File, *, quiet: bool = False, timeout: float = 30.0) -> Path:
    """Path of the file with verified content: found in the data folder, or downloaded into it.

    A download is written aside, verified, then moved into place in one step: an interrupted one
    leaves only a folder named .partial-*, which is never read. Processes that want the same file
    wait for the first.

    Args:
        file: what to fetch.
        quiet: no progress bar.
        timeout: seconds without a byte, or below a kilobyte a second, after which a server counts
            as stalled.

    Raises:
        FileNotFoundError: if the file is missing and may not or cannot be downloaded; the message
            says what to put where, and what is wrong with a file that is there.
        OSError: if every address failed; the message says how each one did.
        ValueError: if the file should be in an archive, and is not, or has another content there.
        ImportError: if a download is needed and pooch is missing.
    """
    return _where_one_may_write(lambda home: _fetch(file, home, quiet, timeout))


def unpacked(file: File, name: str, *, quiet: bool = False) -> Path:
    """The folder `name` of the data folder with all that is in an archive, fetched on first use.

    Raises:
        ValueError: if the archive is damaged or dangerous, see `_archives.unpack`.
        OSError: as `fetch`.
    """

    def into(home: Path) -> Path:
        if (home / name).is_dir():
            return home / name
        archive = fetch(file, quiet=quiet)
        with _alone(home / name):
            return unpack(archive, home / name)

    return _where_one_may_write(into)


def read(path: Path) -> bytes:
    """Content of a stored file, after gunzip where it is compressed (archives stay as they are)."""
    with _open(path) as stream:
        return stream.read()


def _fetch(file: File, home: Path, quiet: bool, timeout: float) -> Path:
    place, failures = home / file.path, []
    with _alone(place):
        for stored in (place, place.with_name(place.name + ".gz")):
            if stored.is_file():
                problem = _problem(file, stored)
                if problem is None:
                    return stored
                failures.append(f"{stored}: {problem}")
        if file.archive is not None:
            archive = fetch(file.archive, quiet=quiet, timeout=timeout)
            found = dict(contents(archive, names={file.member}))
            if file.member not in found:
                raise ValueError(f"{archive} has no file {file.member}")
            return _store(file, place, lambda aside: aside.write_bytes(found[file.member]))
        offline = flag("W2S_OFFLINE")
        if offline or not file.urls:
            reason = "is missing and W2S_OFFLINE is set" if offline else "has no address"
            size = f" ({file.size} bytes)" if file.size else ""
            origin = ", from" if file.urls else ""
            text = f"{file.path} {reason}: put it{size} at {place} or {place.name}.gz{origin}"
            raise FileNotFoundError("\n  ".join([text, *file.urls, *failures]))
        for url in file.urls:
            zipped = url.endswith(".gz") and not file.path.endswith(".gz")
            stored = place.with_name(place.name + ".gz") if zipped else place
            get = partial(_Meter(file, quiet, timeout).get, url)
            try:
                return _store(file, stored, get)
            except (OSError, ValueError) as error:  # requests raises subclasses of OSError
                if _may_not_write(error):
                    raise
                failures.append(f"{url}: {error}")
    raise OSError("\n  ".join([f"{file.path} could not be downloaded", *failures]))


class _Meter:
    """Counts what a server sends, byte by byte as it arrives, and stops too much or too slow."""

    def __init__(self, file: File, quiet: bool, timeout: float) -> None:
        self.total, self.read, self.start, self.timeout = 0, 0, time.monotonic(), timeout
        self.limit = 10 * file.size + 2**16 if file.size else MAX_BYTES
        self.shown, self.bar = not quiet and importlib.util.find_spec("tqdm") is not None, None
        self.responses: list[Any] = []

    def get(self, url: str, target: Path) -> None:
        options = {"timeout": self.timeout, "hooks": {"response": self._watch}}
        try:
            _pooch().HTTPDownloader(chunk_size=_CHUNK, **options)(url, str(target), None)
        finally:
            for opened in (*self.responses, self.bar):
                if opened is not None:
                    opened.close()

    def _watch(self, response: Any, **_: Any) -> None:
        self.responses.append(response)
        self.total = int(response.headers.get("content-length", 0))
        response.raw.stream = partial(self._parts, response.raw)

    def _parts(self, raw: Any, size: int, decode_content: bool) -> Iterator[bytes]:
        # `read` waits until a whole chunk is there, however slowly it drips
        read = getattr(raw, "read1", raw.read)
        while part := read(size, decode_content=decode_content):
            self._count(len(part))
            yield part

    def _count(self, count: int) -> None:
        self.read += count
        seconds = time.monotonic() - self.start
        if max(self.read, self.total) > self.limit:
            raise ValueError(f"sends more than {self.limit} bytes")
        if seconds > self.timeout and self.read < _SLOWEST * seconds:
            raise TimeoutError(f"sent {self.read} bytes in {seconds:.0f} seconds")
        if self.shown and self.bar is None:
            self.bar = _bar(self.total)
        if self.bar is not None:
            self.bar.update(count)


def _bar(total: int) -> Any:
    from tqdm import tqdm

    return tqdm(total=total, unit="B", unit_scale=True)


def _store(file: File, stored: Path, write: Callable[[Path], Any]) -> Path:
    stored.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=stored.parent) as partial:
        aside = Path(partial) / stored.name
        write(aside)
        problem = _problem(file, aside)
        if problem is not None:
            raise ValueError(problem)
        os.replace(aside, stored)
    return stored


def _problem(file: File, stored: Path) -> str | None:
    """What is wrong with the content of a stored file, or None if it is as expected or unknown."""
    if file.hash is None:
        archive = file.path.endswith((".zip", ".tar", ".tar.gz", ".tgz", ".tar.xz"))
        sound = not archive or zipfile.is_zipfile(stored) or tarfile.is_tarfile(stored)
        return None if sound else "this is no archive"
    algorithm, expected = file.hash.split(":")
    try:
        with _open(stored) as stream:
            found = hashlib.file_digest(cast(Any, stream), algorithm).hexdigest()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        return f"damaged gzip file ({error})"
    return None if found == expected else f"content is {algorithm}:{found}, expected {file.hash}"


def _open(path: Path) -> IO[bytes]:
    """By content, not by name: some servers unzip on the way what they offer as .gz."""
    with path.open("rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
    if zipped and not path.name.endswith((".tar.gz", ".tgz")):
        return cast(IO[bytes], gzip.open(path))
    return path.open("rb")


@contextmanager
def _alone(place: Path) -> Iterator[None]:
    """One process of this machine at a time; the lock lies elsewhere, for folders of others."""
    key = hashlib.sha256(f"{getattr(os, 'getuid', str)()} {place.absolute()}".encode()).hexdigest()
    with FileLock(Path(tempfile.gettempdir()) / f"w2s-{key[:24]}.lock"):
        yield


def _where_one_may_write(work: Callable[[Path], T]) -> T:
    """What work makes of the data folder or, if that is read-only, of the per-user cache."""
    try:
        return work(folder())
    except OSError as error:
        if not _may_not_write(error) or folder() == _cache():
            raise
        return work(_cache())


def _may_not_write(error: Exception) -> bool:
    return getattr(error, "errno", None) in (errno.EACCES, errno.EPERM, errno.EROFS)


def _cache() -> Path:
    return Path(_pooch().os_cache("w2s_tutorial"))


def _pooch() -> Any:
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            "downloading needs pooch: install w2s-tutorial[data], or put the files into a folder "
            "of your own and name it in W2S_DATA"
        ) from error
    return pooch
