"""Run the chapters that are not up to date, in parallel, into the cache that MyST-NB builds from.

MyST-NB's own key is a chapter's code alone; it sees neither the package, nor data/, nor the
versions, nor the fast mode, and it runs one chapter after the other. Each record kept here
carries a hash of those inputs, with the seconds, memory and machine of the run.
"""

from __future__ import annotations

import asyncio
import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from time import perf_counter
from typing import Any

import nbformat
import zmq
from chapters import BOOK, chapters, is_fast
from inputs import inputs_hash, package_hash
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn
from jupyter_cache.readers import get_reader
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from traitlets.config import Config

Run = dict[str, Any]
"""One run of a chapter: execution_seconds, peak_mib, cores, processor, python, torch, ..."""

LOOK_AGAIN_SECONDS = 0.5
# unknown to older clients, which ignore it; without it, ipykernel complains of plain TCP
ENCRYPTED = Config({"KernelManager": {"transport_encryption": "auto"}})


def bring_up_to_date(cache_folder: Path, *, timeout: int) -> tuple[dict[str, Run], dict[str, str]]:
    """Run the stale chapters, as many at once as there are cores.

    Args:
        cache_folder: the folder of a jupyter-cache; made if it is missing.
        timeout: seconds that one cell may take.

    Returns:
        The run that each chapter's outputs come from, and what went wrong in those that failed:
        a traceback, or what was written to stderr.
    """
    runs, notebooks, failures = recorded_runs(cache_folder), _notebooks(), dict[str, str]()
    stale = [name for name, run in runs.items() if run is None]
    if stale:  # matplotlib's list of fonts is made once, not by each kernel, where it complains
        subprocess.run([sys.executable, "-c", "import matplotlib.font_manager"], check=False,
                       capture_output=True)  # fmt: skip

    def execute(name: str) -> Run | str:
        try:
            run = run_notebook(notebooks[name], folder=BOOK, timeout=timeout)
        except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
            return f"{name}: {error}"
        return _complaints(name, notebooks[name]) or run

    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        for name, result in zip(stale, pool.map(execute, stale), strict=True):
            if isinstance(result, str):
                failures[name] = result
                continue
            inputs = inputs_hash(_code(notebooks[name]))
            runs[name] = {**result, **_circumstances(), "inputs": inputs}
            bundle = CacheBundleIn(notebooks[name], str(BOOK / f"{name}.md"), data=runs[name])
            cache = get_cache(str(cache_folder))
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
    return {name: run for name, run in runs.items() if run is not None}, failures


def recorded_runs(cache_folder: Path) -> dict[str, Run | None]:
    """The run of each chapter that the cache holds; None where it is stale or missing."""
    cache, runs = get_cache(str(cache_folder)), dict[str, Run | None]()
    for name, notebook in _notebooks().items():
        try:
            run = cache.match_cache_notebook(notebook).data
        except KeyError:
            run = {}
        runs[name] = run if run.get("inputs") == inputs_hash(_code(notebook)) else None
    return runs


def _notebooks() -> dict[str, nbformat.NotebookNode]:
    read = get_reader({"name": "myst_nb_md", "type": "plugin"})
    return {name: read(str(BOOK / f"{name}.md")) for name in chapters()}


def _code(notebook: nbformat.NotebookNode) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")


def _complaints(name: str, notebook: nbformat.NotebookNode) -> str:
    """What the cells wrote to stderr."""
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return "\n".join(
        f"{name}: cell {i} wrote to stderr:\n{output.text}"
        for i, cell in enumerate(code, 1)
        for output in cell.outputs
        if output.get("name") == "stderr"
    )


def run_notebook(
    notebook: nbformat.NotebookNode, *, folder: Path, timeout: int
) -> dict[str, float | None]:
    """Execute a notebook in place, in a kernel of its own with one thread.

    Returns:
        execution_seconds, and peak_mib, the kernel's peak memory in MiB (None where the system
        does not tell).

    Raises:
        CellExecutionError, CellTimeoutError, DeadKernelError: from nbclient.
    """
    facts: dict[str, float | None] = {"peak_mib": None}
    watch: list[asyncio.Task[None]] = []

    def begin(**_: object) -> None:
        if not watch:
            watch.append(asyncio.ensure_future(_look_again(client)))

    def note_peak(**_: object) -> None:
        facts["peak_mib"] = _peak_mib(client.km.provisioner.pid)

    async def end(**_: object) -> None:
        for task in watch:
            task.cancel()
        await asyncio.gather(*watch, return_exceptions=True)

    hooks = {
        "on_cell_execute": begin,
        "on_cell_executed": note_peak,
        "on_notebook_complete": end,
    }
    # the times of cells would enter the cache's key
    options: Any = {"timeout": timeout, "record_timing": False, "config": ENCRYPTED, **hooks}
    client: Any = NotebookClient(notebook, **options)
    start = perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    client.execute(cwd=str(folder), env=environment)
    return {"execution_seconds": round(perf_counter() - start, 1), **facts}


async def _look_again(client: Any) -> None:
    """Ask the kernel's sockets for their state now and then.

    A message's wake-up call can get lost between zmq and asyncio (seen in 4 of about 130 runs on
    a busy machine; pyzmq issue 2173): the reply lies in the socket, and nbclient waits for ever.
    Asking for the state makes zmq deliver what is there.
    """
    while client.kc is not None:
        for channel in (client.kc.shell_channel, client.kc.iopub_channel):
            if channel.is_alive():
                channel.socket.get(zmq.EVENTS)
        await asyncio.sleep(LOOK_AGAIN_SECONDS)


def _peak_mib(pid: int) -> float | None:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    sizes = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")]
    return round(sizes[0] / 1024) if sizes else None


def _circumstances() -> Run:
    return {
        "cores": os.cpu_count(),
        "processor": _processor(),
        "python": platform.python_version(),
        "torch": version("torch"),
        "package": package_hash(),
        "fast": is_fast(),
        "date": datetime.now(UTC).date().isoformat(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()
