"""One teacher, three, and what MACPO is made of: python data/preferences/make.py (two minutes).

Writes tables.csv: mean reward on test prompts, by arm, seed, round and agent. With the argument
`decoder` it writes decoders.csv, the same for transformers, which takes about an hour of one core
and was not run yet. Arms of one seed share the student's first policy, the first teacher and the
prompts. What an arm gave is kept in a folder beside this file until all are there, so that a
stopped run goes on.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pandas as pd
import torch

from w2s_tutorial.simulation import preferences
from w2s_tutorial.storage import describe
from w2s_tutorial.tables import save_result

HERE = Path(__file__).parent
ROUNDS = 4
SEEDS = {"table": range(32), "decoder": range(8)}
FILES = {"table": "tables.csv", "decoder": "decoders.csv"}
THREE = {"teachers": 3}
ARMS = {  # name -> arguments of `begin`, arguments of `align`
    "three teachers": (THREE, {}),
    "one teacher": ({"teachers": 1, "answers": 3}, {}),
    "three alike": ({**THREE, "alike": True}, {}),
    "own positives": (THREE, {"mutual": False}),
    "easy negatives": (THREE, {"hard": False}),
    "last reference": (THREE, {"reference": "last"}),
    "ignorant": ({**THREE, "knows": False}, {}),
    "ignorant, own positives": ({**THREE, "knows": False}, {"mutual": False}),
}


def course(kind: str, arm: str, seeds: range) -> pd.DataFrame:
    """Rewards of one arm, round by round."""
    before, during = ARMS[arm]
    agents = preferences.begin(seeds=seeds, kind=kind, **before)
    return preferences.align(agents, rounds=ROUNDS, **during).assign(arm=arm)


def main(kinds: list[str]) -> None:
    torch.set_num_threads(1)
    parts = HERE / "parts"
    parts.mkdir(exist_ok=True)
    for kind in kinds or ["table"]:
        for arm in ARMS:
            part = parts / f"{kind} {arm}.csv"
            if not part.exists():
                start = time.process_time()
                found = course(kind, arm, SEEDS[kind])
                found.assign(seconds=time.process_time() - start).to_csv(part, index=False)
        table = pd.concat([pd.read_csv(parts / f"{kind} {arm}.csv") for arm in ARMS])
        seconds = table.groupby("arm")["seconds"].first().sum()
        columns = ["arm", "seed", "round", "agent", "value"]
        facts = describe(
            f"python data/preferences/make.py {kind}",
            code=[preferences, Path(__file__)],
            seeds=len(SEEDS[kind]),
            rounds=ROUNDS,
            processor_seconds=round(float(seconds)),
        )
        save_result(table[columns].round(4), HERE / FILES[kind], facts)
        for arm in ARMS:
            (parts / f"{kind} {arm}.csv").unlink()
        print(FILES[kind], len(table), "rows", f"{seconds:.0f} s of processor time")
    if not any(parts.iterdir()):
        parts.rmdir()


if __name__ == "__main__":
    main(sys.argv[1:])
