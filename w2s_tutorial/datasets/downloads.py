"""Files of real data sets: fetched once, verified by content, never half there.

Files live in the folder that the environment variable W2S_DATA names (default: a per-user
cache). A file that is already there with the right content is used in place, so the folder may
be read-only. With W2S_OFFLINE=1 nothing is downloaded.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import os
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from w2s_tutorial.datasets.archives import read_member
from w2s_tutorial.flags import flag


@dataclass(frozen=True)
class File:
    """One file of a data set.

    Attributes:
        path: its place below the data folder. PATH.gz, compressed, serves as well as PATH.
        urls: addresses, tried in order; none where the file comes out of `archive`.
        hash: "sha256:..." or "md5:..." of the content: of the bytes after gunzip (compressors
            differ, the content does not), but of a .tar.gz itself. None: not known, so that the
            loader has to verify what it reads.
        size: bytes to download, where known.
        archive: the file that holds this one, as its member `member`.
    """

    path: str
    urls: tuple[str, ...] = ()
    hash: str | None = None
    size: int | None = None
    archive: File | None = None
    member: str = ""


def folder() -> Path:
    """The data folder: W2S_DATA, or a per-user cache where that is not set."""
    named = os.environ.get("W2S_DATA", "")
    return Path(named).expanduser() if named else Path(_pooch().os_cache("w2s_tutorial"))


def fetch(file: File, *, quiet: bool = False, timeout: float = 30.0) -> Path:
    """Path of the file with verified content: found in the data folder, or downloaded into it.

    A download is written aside, verified, then moved into place in one step: an interrupted one
    leaves only a folder named .partial-*, which is never read.

    Args:
        file: what to fetch.
        quiet: no progress bar.
        timeout: seconds without a byte after which a server counts as stalled.

    Raises:
        FileNotFoundError: if the file is missing and may not or cannot be downloaded; the message
            says what to put where, and what is wrong with a file that is there.
        OSError: if every address failed; the message says how each one did.
        ValueError: if the file should be in an archive, and is not, or has another content there.
        ImportError: if a download is needed and pooch is missing.
    """
    place = folder() / file.path
    failures = []
    for stored in (place, place.with_name(place.name + ".gz")):
        if stored.is_file():
            problem = mismatch(file, stored)
            if problem is None:
                return stored
            failures.append(f"{stored}: {problem}")
    if file.archive is not None:
        archive = fetch(file.archive, quiet=quiet, timeout=timeout)
        return _store(
            file, place, lambda aside: aside.write_bytes(read_member(archive, file.member))
        )
    offline = flag("W2S_OFFLINE")
    if offline or not file.urls:
        reason = "is missing and W2S_OFFLINE is set" if offline else "has no address"
        size = f" ({file.size} bytes)" if file.size else ""
        origin = ", from" if file.urls else ""
        text = f"{file.path} {reason}: put it{size} at {place} or {place.name}.gz{origin}"
        raise FileNotFoundError("\n  ".join([text, *file.urls, *failures]))
    for url in file.urls:
        try:
            return _download(file, url, quiet=quiet, timeout=timeout)
        except (OSError, ValueError) as error:  # requests raises subclasses of OSError
            failures.append(f"{url}: {error}")
    raise OSError("\n  ".join([f"{file.path} could not be downloaded", *failures]))


def read(path: Path) -> bytes:
    """Content of a stored file, after gunzip where it is compressed (archives stay as they are)."""
    with _open(path) as stream:
        return stream.read()


def mismatch(file: File, stored: Path) -> str | None:
    """What is wrong with the content of a stored file, or None if it is as expected or unknown."""
    if file.hash is None:
        return None
    algorithm, expected = file.hash.split(":")
    try:
        with _open(stored) as stream:
            found = hashlib.file_digest(cast(Any, stream), algorithm).hexdigest()
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        return f"damaged gzip file ({error})"
    return None if found == expected else f"content is {algorithm}:{found}, expected {file.hash}"


def _pooch() -> Any:
    try:
        import pooch
    except ImportError as error:
        raise ImportError(
            "downloading needs pooch: install w2s-tutorial[data], or put the files into a folder "
            "of your own and name it in W2S_DATA"
        ) from error
    return pooch


def _open(path: Path) -> IO[bytes]:
    """By content, not by name: some servers unzip on the way what they offer as .gz."""
    with path.open("rb") as stream:
        zipped = stream.read(2) == b"\x1f\x8b"
    if zipped and not path.name.endswith((".tar.gz", ".tgz")):
        return cast(IO[bytes], gzip.open(path))
    return path.open("rb")


def _download(file: File, url: str, *, quiet: bool, timeout: float) -> Path:
    zipped = url.endswith(".gz") and not file.path.endswith(".gz")
    stored = folder() / (file.path + ".gz" if zipped else file.path)
    get = _pooch().HTTPDownloader(
        progressbar=not quiet and importlib.util.find_spec("tqdm") is not None, timeout=timeout
    )
    return _store(file, stored, lambda aside: get(url, str(aside), None))


def _store(file: File, stored: Path, write: Callable[[Path], Any]) -> Path:
    stored.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=stored.parent) as partial:
        aside = Path(partial) / stored.name
        write(aside)
        problem = mismatch(file, aside)
        if problem is not None:
            raise ValueError(problem)
        os.replace(aside, stored)
    return stored
