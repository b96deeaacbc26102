"""What the benchmarks share: the clock, and where a table goes."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import torch
from pandas import DataFrame

from w2s_tutorial.storage import describe
from w2s_tutorial.tables import save_result


def device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def seconds(action: Callable[[], object], device: str) -> float:
    """By the clock on a GPU; on a CPU of processor time, which other programs disturb less."""
    clock = time.perf_counter if device == "cuda" else time.process_time
    start = clock()
    action()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - start


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
    table = measure(device())
    show(table)
    if arguments.save:
        spent = round(time.perf_counter() - start, 1)
        told = describe(f"python benchmarks/{Path(script).name}", seconds=spent, seed=0)
        save_result(table, arguments.save, told)
