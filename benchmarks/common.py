"""What the benchmarks share: the clock, and where a table goes."""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from pandas import DataFrame
from threadpoolctl import threadpool_limits

from w2s_tutorial import device as chosen
from w2s_tutorial.storage import describe
from w2s_tutorial.tables import save_result


def seconds(action: Callable[[], object], device: str) -> float:
    """By the clock on a GPU; on a CPU of processor time, which other programs disturb less."""
    clock = time.process_time if device == "cpu" else time.perf_counter
    start = clock()
    action()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - start


T = TypeVar("T")


def fastest(action: Callable[[], T]) -> tuple[float, int, T]:
    """Fewest seconds by the clock with one thread and with all, how many those were, the result."""
    before, tried = torch.get_num_threads(), []
    for threads in sorted({1, os.cpu_count() or 1}):
        torch.set_num_threads(threads)
        with threadpool_limits(threads):
            start = time.perf_counter()
            found = action()
            tried.append((time.perf_counter() - start, threads, found))
    torch.set_num_threads(before)
    return min(tried, key=lambda each: each[0])


def run(
    script: str, measure: Callable[[str], DataFrame], show: Callable[[DataFrame], None]
) -> None:
    """Measure on this machine's device and show the table; with --save, keep it as csv as well.

    Args:
        script: path of the program, for the table's provenance.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("--save", help="write the table to this csv, with its provenance")
    arguments = parser.parse_args()
    start = time.perf_counter()
    table = measure(chosen().type)
    show(table)
    if arguments.save:
        spent = round(time.perf_counter() - start, 1)
        told = describe(f"python benchmarks/{Path(script).name}", seconds=spent, seed=0)
        save_result(table, arguments.save, told)
