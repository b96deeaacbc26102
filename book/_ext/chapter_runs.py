"""Run the chapters that are not up to date, in parallel, into the cache that MyST-NB builds from.

MyST-NB's own key is a chapter's code alone; it sees neither the package, nor data/, nor the
versions, nor the fast mode, and it runs one chapter after the other. Each record kept here
carries a hash of those inputs, with the seconds, memory and machine of the run.
"""

from __future__ import annotations

import os
import platform
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
from chapters import BOOK, chapters, inputs_hash, is_fast, package_hash
from jupyter_cache import get_cache
from jupyter_cache.base import CacheBundleIn, JupyterCacheAbstract
from jupyter_cache.readers import get_reader
from kernels import run_notebook
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

Run = dict[str, Any]
"""One run of a chapter: execution_seconds, peak_mib, cores, processor, python, torch, ..."""


def bring_up_to_date(cache_folder: Path, *, timeout: int) -> tuple[dict[str, Run], dict[str, str]]:
    """Run the stale chapters, as many at once as there are cores.

    Args:
        cache_folder: the folder of a jupyter-cache; made if it is missing.
        timeout: seconds that one cell may take.

    Returns:
        The run that each chapter's outputs come from, and the tracebacks of those that failed.
    """
    runs, notebooks = recorded_runs(cache_folder), _notebooks()
    cache, inputs = get_cache(str(cache_folder)), inputs_hash()
    stale = [name for name, run in runs.items() if run is None]

    failures: dict[str, str] = {}
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        results = pool.map(lambda name: _execute(name, notebooks[name], timeout), stale)
        for name, result in zip(stale, results, strict=True):
            if isinstance(result, str):
                failures[name] = result
                continue
            runs[name] = {**result, **_circumstances(), "inputs": inputs}
            bundle = CacheBundleIn(notebooks[name], str(BOOK / f"{name}.md"), data=runs[name])
            cache.cache_notebook_bundle(bundle, check_validity=False, overwrite=True)
    return {name: run for name, run in runs.items() if run is not None}, failures


def recorded_runs(cache_folder: Path) -> dict[str, Run | None]:
    """The run of each chapter that the cache holds; None where it is stale or missing."""
    cache, inputs = get_cache(str(cache_folder)), inputs_hash()
    return {name: _recorded(cache, notebook, inputs) for name, notebook in _notebooks().items()}


def _notebooks() -> dict[str, nbformat.NotebookNode]:
    read = get_reader({"name": "myst_nb_md", "type": "plugin"})
    return {name: read(str(BOOK / f"{name}.md")) for name in chapters()}


def _recorded(
    cache: JupyterCacheAbstract, notebook: nbformat.NotebookNode, inputs: str
) -> Run | None:
    try:
        record = cache.match_cache_notebook(notebook)
    except KeyError:
        return None
    return record.data if record.data.get("inputs") == inputs else None


def _execute(name: str, notebook: nbformat.NotebookNode, timeout: int) -> Run | str:
    """Execute in place; the run's seconds and memory, or what went wrong."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
    try:
        return run_notebook(notebook, folder=BOOK, environment=environment, timeout=timeout)
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        return f"{name}: {error}"


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
