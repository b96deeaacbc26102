"""One teacher, three, and what MACPO is made of: python data/preferences/make.py (two minutes).

Writes tables.csv: mean reward on test prompts, by arm, seed, round and agent; and votes.csv: how
often students are right after the last round, by how many teachers know a sum. With the argument
`decoder` it writes the same for five arms of small transformers, decoders.csv and
decoder_votes.csv. Arms of one seed share the student's first policy, the first teacher and the
prompts. What an arm gave is kept in _build/preferences, so that a stopped run goes on; until all
are there the tables hold those that are.
"""

from __future__ import annotations

import sys
import time
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, cast

import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from w2s_tutorial.simulation import digit_pairs, preferences
from w2s_tutorial.storage import describe
from w2s_tutorial.tables import load_result, save_result

Kind = Literal["table", "decoder"]
Code = list[ModuleType | Path]
HERE = Path(__file__).parent
ROUNDS = 4
SEEDS = {"table": range(32), "decoder": range(8)}
FILES: dict[Kind, tuple[str, str]] = {
    "table": ("tables", "votes"),
    "decoder": ("decoders", "decoder_votes"),
}
THREE = {"teachers": 3}
FULL: dict[str, Any] = {"mutual": True, "hard": True, "reference": "first"}
# name -> arguments of `begin`, arguments of `align`
ARMS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "three teachers": (THREE, {}),
    "one teacher": ({"teachers": 1, "answers": 3}, {}),
    "three alike": ({**THREE, "alike": True}, {}),
    "own positives": (THREE, {"mutual": False}),
    "easy negatives": (THREE, {"hard": False}),
    "last reference": (THREE, {"reference": "last"}),
    "ignorant": ({**THREE, "knows": False}, {}),
    "ignorant, own positives": ({**THREE, "knows": False}, {"mutual": False}),
}
DECODERS = ("three teachers", "own positives", "one teacher", "last reference", "three alike")
VOTES = ("three teachers", "one teacher", "three alike")
STORE = HERE.parents[1] / "_build" / "preferences"


@cache
def begun(kind: Kind, before: tuple[tuple[str, Any], ...]) -> preferences.Agents:
    return preferences.begin(seeds=SEEDS[kind], kind=kind, **dict(before))


def course(kind: Kind, arm: str) -> dict[str, pd.DataFrame]:
    """Rewards of one arm, round by round, and its last students by their teachers' votes."""
    before, during = ARMS[arm]
    agents = begun(kind, tuple(before.items()))
    each = list(preferences.rounds_of(agents, rounds=ROUNDS, **{**FULL, **during}))
    rounds = [preferences.rewards(number, now) for number, now in enumerate(each)]
    return {"rewards": pd.concat(rounds), "votes": by_votes(agents, each[-1])}


def by_votes(agents: preferences.Agents, now: preferences.Agents) -> pd.DataFrame:
    """How often students are right on the test, by what their teachers say of a pair of digits.

    Args:
        agents: before the first round.
        now: the same after some round.

    Returns:
        A row per seed and case: `right`, how many teachers know the sum; `agree`, whether two that
        are wrong say the same; `pairs` of digits in this case, and `value`, the share right.
    """
    wrong = agents.sums != digit_pairs.right_sums()
    same = [
        wrong[i] & (agents.sums[i] == agents.sums[k]) for k in range(len(wrong)) for i in range(k)
    ]
    agree = torch.stack([torch.zeros_like(wrong[0]), *same]).any(0)
    each = [
        right_by_pair(x, digit_pairs.write(student, x, seed=10**6 * seed + 1))
        for student, x, seed in zip(now.student, now.test, now.seeds, strict=True)
    ]
    rows = [
        pd.DataFrame(
            {
                "seed": seed,
                "right": (~wrong[:, i]).sum(0).flatten(),
                "agree": agree[i].flatten(),
                "value": each[i].flatten(),
            }
        )
        for i, seed in enumerate(agents.seeds)
    ]
    grouped = pd.concat(rows).groupby(["seed", "right", "agree"])["value"]
    return grouped.agg(pairs="size", value="mean").reset_index()


def right_by_pair(digits: Tensor, reply: Tensor) -> Tensor:
    """Share of replies (n, 5) to prompts (n, 4) that are right where digit a stands before b.

    Returns:
        (5, 5) at [a, b]; NaN for a pair that no prompt has.
    """
    base, sums = digit_pairs.BASE, digit_pairs.right_sums()
    pair = functional.one_hot(digits * base + digits.roll(-1, 1), base**2).flatten(0, 1).double()
    right = (reply[:, :-1] - 1 == digit_pairs.good(digits, sums)).double().flatten()
    return ((right @ pair) / pair.sum(0)).view(base, base)


def kept(kind: Kind, arm: str, code: str) -> dict[str, pd.DataFrame]:
    """The same, from the disk where this code has measured it."""
    names = ("rewards", "votes")
    paths = {name: STORE / f"{kind} {arm} {name} {code[:12]}.csv" for name in names}
    if not all(path.exists() for path in paths.values()):
        STORE.mkdir(parents=True, exist_ok=True)
        start = time.process_time()
        for name, table in course(kind, arm).items():
            spent = {"seconds": time.process_time() - start}
            save_result(table.assign(arm=arm), paths[name], spent)
    return {name: load_result(path) for name, path in paths.items()}


def save(kind: Kind, found: dict[str, dict[str, pd.DataFrame]], code: Code) -> None:
    """The two tables of the arms that are measured."""
    seconds = sum(tables["rewards"].attrs["seconds"] for tables in found.values())
    facts = describe(
        f"python data/preferences/make.py {kind}",
        code=code,
        seeds=len(SEEDS[kind]),
        rounds=ROUNDS,
        processor_seconds=round(seconds),
    )
    rewards = pd.concat([tables["rewards"] for tables in found.values()])
    votes = pd.concat([found[arm]["votes"] for arm in VOTES if arm in found])
    columns = (["arm", "seed", "round", "agent", "value"], ["arm", *votes.columns[:-1]])
    for name, table, order in zip(FILES[kind], (rewards, votes), columns, strict=True):
        save_result(table[order].round(4), HERE / f"{name}.csv", facts)


def main(kinds: list[Kind]) -> None:
    torch.set_num_threads(1)
    code: Code = [preferences, digit_pairs, Path(__file__)]
    told = describe("", code=code)["source_sha256"]
    for kind in kinds or list(FILES)[:1]:
        found = {}
        for arm in ARMS if kind == "table" else DECODERS:
            found[arm] = kept(kind, arm, told)
            save(kind, found, code)


if __name__ == "__main__":
    main(cast(list[Kind], sys.argv[1:]))
