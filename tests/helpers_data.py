"""A web server with the faults of real ones, the real data where there are any, and data/."""

from __future__ import annotations

import gzip
import hashlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest

from w2s_tutorial.datasets.downloads import Dataset, File

ROOT = Path(__file__).resolve().parents[1]
Answer = Callable[["_Handler"], None]


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        self.server.web.requested.append(self.path)
        answer = self.server.web.answers.get(self.path)
        with suppress(BrokenPipeError, ConnectionResetError):  # some tests make the client give up
            answer(self) if answer else self.send_error(404)

    def log_message(self, *args: object) -> None:
        pass

    def start(self, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.end_headers()


class _Server(ThreadingHTTPServer):
    web: Web


@dataclass
class Web:
    """A running server: what it answers per path, and what it was asked for."""

    address: str
    answers: dict[str, Answer] = field(default_factory=dict)
    requested: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def offer(self, path: str, body: bytes, *, announced: int | None = None) -> str:
        """Address of a file; with `announced`, its length is a lie and the connection breaks."""

        def answer(handler: _Handler) -> None:
            handler.start(len(body) if announced is None else announced)
            handler.wfile.write(body)
            handler.wfile.flush()

        self.answers[path] = answer
        return self.address + path

    def stall(self, path: str, body: bytes) -> str:
        """Address of a file of which half arrives, and then nothing until the test ends."""

        def answer(handler: _Handler) -> None:
            handler.start(len(body))
            handler.wfile.write(body[: len(body) // 2])
            handler.wfile.flush()
            self.released.wait()

        self.answers[path] = answer
        return self.address + path


@contextmanager
def serve() -> Iterator[Web]:
    """A server on this machine, stopped at the end."""
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.web = Web(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server.web
        finally:
            server.web.released.set()
            server.shutdown()
            thread.join()


def offered(
    web: Web, monkeypatch: pytest.MonkeyPatch, folder: Path, bodies: dict[str, bytes]
) -> Dataset:
    """A data set of these files, on the server and compressed; downloads go into the folder."""
    monkeypatch.setenv("W2S_DATA", str(folder / "data"))
    monkeypatch.delenv("W2S_OFFLINE", raising=False)
    files = {}
    for role, body in bodies.items():
        url = web.offer(f"/{role.replace(' ', '-')}.gz", gzip.compress(body))
        files[role] = File(role, (url,), "sha256:" + hashlib.sha256(body).hexdigest())
    return Dataset("home", "licence", "citation", files)


def script(path: str) -> ModuleType:
    """A program of data/, named without .py, with its folder to import from as when it runs."""
    file = ROOT / "data" / f"{path}.py"
    spec = importlib.util.spec_from_file_location(path.replace("/", "_"), file)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look for their module
    # Every folder has a `make` and a `measure` of its own, which another program must not find.
    others = {own.stem: sys.modules.pop(own.stem, None) for own in file.parent.glob("*.py")}
    before = set(sys.modules)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(file.parent)
        spec.loader.exec_module(module)
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "").parent == file.parent:
            del sys.modules[name]
    sys.modules |= {name: other for name, other in others.items() if other}
    return module


def real_data(folder: Path, monkeypatch: pytest.MonkeyPatch, *paths: str) -> Path:
    """Make the folder of real data the data folder; skip the test if a file is not there."""
    for path in paths:
        if not (folder / path).exists() and not (folder / f"{path}.gz").exists():
            pytest.skip(f"needs {path}, and {folder} does not have it")
    monkeypatch.setenv("W2S_DATA", str(folder))
    monkeypatch.setenv("W2S_OFFLINE", "1")
    return folder
