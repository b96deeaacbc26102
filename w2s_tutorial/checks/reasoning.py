"""Checks of the exercises of the chapter "A weak model's reasoning teaches more than answers"."""

from __future__ import annotations

import math
from collections.abc import Callable

import pandas as pd
import torch
from torch import Tensor

from w2s_tutorial.checks._common import require
from w2s_tutorial.checks.common import require_number
from w2s_tutorial.simulation import reasoning


def check_log_probability(candidate: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """Reasoning: a function (logits (n, t, v), tokens (n, t), counts (n, t)) -> (n,).

    Raises:
        CheckError: with the first property that fails.
    """
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 5, 7, generator=generator, dtype=torch.float64)
    text = torch.randint(7, (3, 5), generator=generator)
    counts = torch.tensor([[0, 0, 1, 1, 1], [0, 1, 1, 0, 0], [0, 0, 0, 0, 1]]).bool()
    log_p = logits.log_softmax(-1)
    each = log_p[:, :-1].gather(-1, text[:, 1:, None])[..., 0]
    wanted = (each * counts[:, 1:]).sum(1)
    got = torch.as_tensor(candidate(logits.clone(), text.clone(), counts.clone()))
    require(got.shape == (3,), f"One number a text is asked for, (3,), got {tuple(got.shape)}.")
    same = log_p.gather(-1, text[..., None])[..., 0]
    raw = logits[:, :-1].gather(-1, text[:, 1:, None])[..., 0]
    slips = {
        "The logits at a place are about the token after it: shift one of the two.": same * counts,
        "All tokens count in yours, the question's too.": each,
        "These are logits, not log-probabilities: use log_softmax.": raw * counts[:, 1:],
        "The sign: a log-probability is below 0.": -each * counts[:, 1:],
    }
    for message, parts in slips.items():
        require(not torch.allclose(got, parts.sum(1)), message)
    mean = wanted / counts[:, 1:].sum(1)
    require(not torch.allclose(got, mean), "The sum over tokens is asked for, not their mean.")
    require(torch.allclose(got, wanted), f"Wanted {wanted.tolist()}, got {got.tolist()}.")
    return "Right: shifted by one, and only the tokens that count."


def check_right_sums(share: float) -> str:
    """Reasoning: of a teacher right in a tenth of its derivations, the right sums in wrong ones."""
    slips = {
        "That is the share of right sums in all derivations.": 0.1**0.25,
        "That is the share of right derivations.": 0.1,
        "Among the wrong ones: divide by their share.": 0.1**0.25 - 0.1,
    }
    require_number(
        share, reasoning.right_among_wrong(0.1), "right=.1, four sums", slips, tolerance=5e-3
    )
    return f"Right: {share:.2f}. Wrong nine times in ten, and right in every second step of those."


def check_cancelling(digits: Tensor, written: Tensor) -> str:
    """Reasoning: one question (1, 5) and a derivation (1, 8) with a right answer by wrong sums.

    Raises:
        CheckError: if the answer is wrong, or fewer than two steps are.
    """
    shapes = tuple(digits.shape), tuple(written.shape)
    require(shapes == ((1, 5), (1, 8)), f"Shapes must be (1, 5) and (1, 8), got {shapes}.")
    said = reasoning.read(written)
    require(bool(said.derived[0]), "It must begin with the mark of a derivation, `>`.")
    value, right = int(said.value[0]), int(reasoning.truth(digits)[0])
    require(value == right, f"Its answer must be right: {right}, got {value}.")
    steps = reasoning.right_steps(digits, written)[0]
    wrong = int((~steps).sum())
    require(wrong >= 2, f"At least two steps must be wrong, given the sum before: {wrong} are.")
    return f"Right: {wrong} wrong steps and the right answer; Pass@1 counts it as reasoning."


def check_scattered(scattered: Tensor, shared: Tensor) -> str:
    """Reasoning: draws of two models, bool (draws, n): equally often right, unlike in their votes.

    Wrong draws are taken to agree on one wrong answer, so that a vote is right if most draws are.

    Raises:
        CheckError: if shapes or shares of right draws differ, or votes differ by less than .3.
    """
    for name, draws in (("scattered", scattered), ("shared", shared)):
        fine = draws.dtype == torch.bool and draws.dim() == 2 and draws.shape[0] % 2 == 1
        require(fine, f"{name} must be bool (draws, n) with an odd number of draws.")
    require(scattered.shape == shared.shape, "Both need as many draws of as many questions.")
    one = [float(draws.double().mean()) for draws in (scattered, shared)]
    require(
        math.isclose(*one, abs_tol=0.01),
        f"Single draws are right in {one[0]:.2f} and {one[1]:.2f}: make them equal to .01.",
    )
    vote = [float((d.double().mean(0) > 0.5).double().mean()) for d in (scattered, shared)]
    require(
        vote[0] - vote[1] >= 0.3,
        f"Votes are right in {vote[0]:.2f} and {vote[1]:.2f}: the first must gain .3 on the second."
        " Which mistakes does a vote remove?",
    )
    return f"Single draws {one[0]:.2f} and {one[1]:.2f}, votes {vote[0]:.2f} and {vote[1]:.2f}."


def check_audit(candidate: Callable[[pd.DataFrame], tuple[int, int]], table: pd.DataFrame) -> str:
    """Reasoning: in how many seeds does stage two beat stage one, over questions of all kinds?

    Args:
        candidate: staged.csv -> (seeds in which it does, seeds).
        table: staged.csv.

    Raises:
        CheckError: if the counts are others.
    """

    def count(table: pd.DataFrame, first: str = "two", second: str = "one") -> tuple[int, int]:
        wide = table[table["large"] == -1].pivot(index="seed", columns="arm", values="right")
        return int((wide[first] > wide[second]).sum()), len(wide)

    found = candidate(table.copy())
    wanted = count(table)
    hint = ""
    if tuple(found) == count(table, "one", "two"):
        hint = " You count the seeds of the opposite: `two` over `one` is asked for."
    elif found[1] > wanted[1]:
        hint = " Take the rows of all questions, `large` -1, and count seeds."
    require(tuple(found) == wanted, f"Not {found[0]} of {found[1]}.{hint}")
    # Another rule can give the same count here by luck: not on tables of drawn numbers.
    generator = torch.Generator().manual_seed(0)
    fewer = table[table["seed"] != table["seed"].max()]
    for _ in range(8):
        drawn = torch.rand(len(fewer), generator=generator, dtype=torch.float64)
        other = fewer.assign(right=drawn.numpy())
        found = candidate(other.copy())
        require(
            tuple(found) == count(other),
            "The count fits this table. On another table, a seed shorter and with other numbers, "
            f"{count(other)} is right, yours is {tuple(found)}. Which rows do you count?",
        )
    return f"Right: in {wanted[0]} of {wanted[1]} seeds."
