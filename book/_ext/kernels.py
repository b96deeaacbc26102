"""Run one notebook in a kernel of its own."""

from __future__ import annotations

import asyncio
from pathlib import Path
from time import perf_counter
from typing import Any

import nbformat
import zmq
from nbclient import NotebookClient

LOOK_AGAIN_SECONDS = 0.5


def run_notebook(
    notebook: nbformat.NotebookNode, *, folder: Path, environment: dict[str, str], timeout: int
) -> dict[str, float | None]:
    """Execute a notebook in place.

    Args:
        notebook: gets its outputs.
        folder: where the kernel starts.
        environment: variables of the kernel.
        timeout: seconds that one cell may take.

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

    client: Any = NotebookClient(
        notebook,
        timeout=timeout,
        record_timing=False,  # the times would enter the cache's key
        on_cell_execute=begin,
        on_cell_executed=note_peak,
        on_notebook_complete=end,
    )
    start = perf_counter()
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
