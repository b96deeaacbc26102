"""Print the tables of data/molecules/README.md: python data/molecules/summary.py (no download)."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch

from w2s_tutorial.metrics import bootstrap_interval
from w2s_tutorial.tables import load_result, summarize

HERE = Path(__file__).parent
ONE, MIXED = "one, by weak error - misfit", "mixed, by weak error - misfit"


def gains() -> list[str]:
    """How much of the misfit is gained: a row per target and data set, protocol whole."""
    table = load_result(HERE / "measured.csv").query("protocol == 'whole'")
    table = table.assign(gain=table["weak_test"] - table["student_test"])
    generator, lines = torch.Generator().manual_seed(0), []
    for key, rows in table.groupby(["target", "dataset"]):
        per_split = rows.groupby("seed")[["gain", "misfit_test"]].mean()
        gain, misfit = (torch.tensor(per_split[name].to_numpy()) for name in per_split)
        ratio = lambda a, b: a.mean(-1) / b.mean(-1)
        low, high = bootstrap_interval(ratio, gain, misfit, seed=generator)
        share = f"{ratio(gain, misfit):.2f} ({low:.2f} to {high:.2f})"
        together = rows["gain"].corr(rows["misfit_test"])
        numbers = (f"{gain.mean():.3f}", f"{misfit.mean():.3f}", share, f"{together:.2f}")
        lines.append(row(*key, *numbers))
    return lines


def rule() -> list[str]:
    """Weak error - misfit and the student's error: a row per width, three columns of pairs."""
    table = load_result(HERE / "measured.csv").query("protocol == 'whole' and target == 'measured'")
    table = table[table["seed"] <= 124]
    table = table.assign(promised=table["weak_validation"] - table["misfit_validation"])
    groups = table.groupby(["width", "dataset"])[["promised", "student_test"]]
    cells = groups.mean().map("{:.2f}".format) + " ± " + groups.std().map("{:.2f}".format)
    pairs = (cells["promised"] + " / " + cells["student_test"]).unstack()
    return [row(str(width), *line) for width, line in pairs.iterrows()]


def picks() -> list[str]:
    """How well each rule picks: a row per protocol, data set and rule."""
    table = load_result(HERE / "picks.csv").query("target == 'measured'")
    each_once = table[table["rule"] == "weak error"]
    chance = each_once.assign(rule="at random", student=each_once["mean"])
    every = pd.concat([table, chance])
    every = every.assign(hit=every["rank"] <= 2, value=every["student"] - every["best"])
    keys = ["protocol", "dataset", "rule"]
    hits = every.groupby(keys)["hit"].mean()
    lines = []
    for _, line in (
        summarize(every[[*keys, "value"]], keys).sort_values(keys[:2], kind="stable").iterrows()
    ):
        key = tuple(line[keys])
        hit = 2 / 8 if key[-1] == "at random" else hits[key]
        lines.append(row(*key, f"{100 * hit:.0f} %", interval(line, 3)))
    return lines


def mixtures() -> list[str]:
    """Students of one teacher and of a mixture: a row per protocol and data set."""
    table = load_result(HERE / "mixtures.csv")
    keys = ["protocol", "dataset"]
    students = table.pivot(index=[*keys, "seed"], columns="teacher", values="student")
    means = students.groupby(keys).mean()
    lead = (students[ONE] - students[MIXED]).rename("value").reset_index()
    lines = []
    for _, line in summarize(lead, keys, over=["seed"]).sort_values(keys).iterrows():
        key = tuple(line[keys])
        errors = (f"{means.loc[key, name]:.3f}" for name in (ONE, MIXED))
        lines.append(row(*key, *errors, interval(line, 4)))
    return lines


def interval(line: pd.Series, digits: int) -> str:
    return f"{line['mean']:.{digits}f} ± {line['high'] - line['mean']:.{digits}f}"


def row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    print(*gains(), "", *rule(), "", *picks(), "", *mixtures(), sep="\n")
