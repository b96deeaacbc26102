"""Checks of the exercises on real pictures; see `common` for what they return and raise."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pandas as pd
import torch
from torch import Tensor

from w2s_tutorial.checks._common import interval, require

_FEWEST = 6
_WORDS = ("rises", "falls", "unclear")
_ASKED = ("resnet, convnext", "convnext, resnet", "convnext, simclr", "mae, convnext")

_AUDITED = [  # strong, order, fit, where, steepness; half of every interval is .5
    *(("a", "up", "logistic", "all", b) for b in (1.0, 2.0)),
    *(("b", "up", "logistic", "all", b) for b in (0.8, 0.7)),
    *(("c", "down", "logistic", "all", b) for b in (1.5, 0.2)),
    *(("d", "level", "logistic", "all", b) for b in (3.0, -2.0)),
    ("a", "same", "logistic", "all", -1.0),
    ("e", "same", "logistic", "all", 1.0),
    ("b", "up", "ridge", "all", -1.0),
    ("b", "up", "logistic", "minority", -1.0),
]
_HOLDING = (2, 4)


def check_reliance(candidate: Callable[[Tensor, Tensor], Tensor]) -> str:
    """A function (below_0, below_1) -> reliance (h,), from outputs (h, n, 2) on the same garments.

    Raises:
        CheckError: with the head on which the answer is wrong.
    """
    g = torch.Generator().manual_seed(1)
    zero, one = torch.randn(2, 3, 40, 2, generator=g, dtype=torch.float64)
    one[0, :, 1] += 2.0
    zero[1, :, 1] += 2.0  # a head that leans the other way
    answer = torch.as_tensor(candidate(zero.clone(), one.clone()))
    dress = [(output.argmax(-1) == 1).double() for output in (zero, one)]
    right = (dress[1] - dress[0]).mean(-1)
    require(
        answer.shape == right.shape,
        f"Return one number per head, shape (3,): yours has shape {tuple(answer.shape)}.",
    )
    soft = (one.softmax(-1) - zero.softmax(-1))[..., 1].mean(-1)
    slips = {
        "The sign is turned: how many more are called a dress below a 1?": -right,
        "Keep the sign: a head can lean the other way.": right.abs(),
        "Answers that change in either direction cancel: that counts them all.": (
            (dress[1] - dress[0]).abs().mean(-1)
        ),
        "Count answers, not probabilities: which class is the larger?": soft,
    }
    answer = answer.to(right)
    hint = next((h for h, slip in slips.items() if torch.allclose(answer, slip)), "")
    require(
        torch.allclose(answer, right),
        f"For these three heads {right.tolist()} is right, yours is {answer.tolist()}. {hint}",
    )
    return "Right: the share of garments whose answer turns with the digit, with its sign."


def check_directions(guesses: Mapping[str, str], moved: Mapping[str, Tensor]) -> str:
    """A word for each pair: does the gain rise, fall, or does the interval hold 0?

    Args:
        guesses: name of each of the four pairs -> "rises", "falls" or "unclear".
        moved: the same names -> change (h,) of the gain, a value per draw.

    Raises:
        CheckError: with the pair whose word is wrong, and what was measured.
    """
    for named in (guesses, moved):
        require(
            set(named) == set(_ASKED),
            f"Name these: {'; '.join(_ASKED)}. You named {'; '.join(named) or 'none'}.",
        )
    for pair, values in moved.items():
        word = guesses[pair]
        require(word in _WORDS, f"{pair}: write one of {', '.join(_WORDS)}, got {word!r}.")
        require(len(values) >= _FEWEST, f"{pair} needs {_FEWEST} draws, got {len(values)}.")
        low, high = interval(values)
        found = "rises" if low > 0 else "falls" if high < 0 else "unclear"
        require(
            word == found,
            f"{pair}: you wrote {word!r}, and the gain changes by {100 * values.mean():+.1f} "
            f"points ({100 * low:+.1f} to {100 * high:+.1f}): {found!r}. Who leans more by "
            "itself, this teacher or this student?",
        )
    return f"Right for all {len(moved)} pairs."


def check_student_ahead(student: Tensor, baseline: Tensor) -> str:
    """Accuracies (h,) of student and baseline, paired by draw: the student has to be ahead.

    Raises:
        CheckError: if there are fewer than 16 draws, or the 95 % interval of the paired difference
            does not lie above 0.
    """
    require(
        student.shape == baseline.shape and student.dim() == 1 and len(student) >= 16,
        "Give both as (h,) over the same 16 draws at least, got "
        f"{tuple(student.shape)} and {tuple(baseline.shape)}.",
    )
    low, high = interval(student - baseline)
    found = f"Student minus baseline: {100 * low:+.1f} to {100 * high:+.1f} points"
    require(
        low > 0,
        f"{found}. The interval has to lie above 0: where are true labels scarce, and pools large?",
    )
    return f"Found one. {found}."


def check_reads_and_relies(first: tuple[Tensor, Tensor], second: tuple[Tensor, Tensor]) -> str:
    """Two networks, each (accuracy in reading the attribute, reliance), (h,) by draw.

    The first has to read the attribute better, the second to rely on it more.

    Raises:
        CheckError: if either paired 95 % interval does not lie above 0.
    """
    values = [*first, *second]
    require(
        len(values) == 4 and len({tuple(v.shape) for v in values}) == 1 and values[0].dim() == 1,
        "Give two pairs of (h,), over the same draws.",
    )
    require(len(values[0]) >= _FEWEST, f"Take {_FEWEST} draws at least, got {len(values[0])}.")
    reads, relies = interval(first[0] - second[0]), interval(second[1] - first[1])
    found = f"The first reads better by {reads[0]:+.3f} to {reads[1]:+.3f}, the second relies more "
    found += f"by {relies[0]:+.3f} to {relies[1]:+.3f}"
    require(reads[0] > 0, f"{found}: the first has to read the attribute better.")
    require(relies[0] > 0, f"{found}: the second has to rely on it more.")
    return f"Found two. {found}."


def check_audit(candidate: Callable[[pd.DataFrame], tuple[int, int]]) -> str:
    """A function (law) -> (student networks whose every interval lies above 0, student networks).

    law has a row for each pair, fit and group, with columns weak, strong, order, fit, where,
    steepness, steepness_half. Only logistic heads, where "all", and two different networks count.

    Raises:
        CheckError: with what was counted instead.
    """
    rows = pd.DataFrame(_AUDITED, columns=["strong", "order", "fit", "where", "steepness"])
    law = rows.assign(weak=[f"teacher {i}" for i in range(len(rows))], steepness_half=0.5)
    answer = candidate(law.copy())
    require(
        isinstance(answer, tuple) and len(answer) == 2,
        f"Return two numbers, those that hold and all: yours is {answer!r}.",
    )
    slips = {
        (6, 8): "Those are pairs. How many student networks are there?",
        (4, 4): "One interval above 0 is not enough: ask for every teacher.",
        (3, 4): "A mean above 0 is not an interval above 0.",
        (2, 5): "A network that only teaches itself has no teacher to speak of.",
        (1, 4): "Which rows count: logistic heads, averages, two different networks?",
    }
    hint = slips.get((int(answer[0]), int(answer[1])), "Group the rows by student network.")
    got = f"{answer[0]} of {answer[1]}"
    require(answer == _HOLDING, "{} of {} is right, yours is {}. {}".format(*_HOLDING, got, hint))
    return "Right: networks are counted, and each has to hold beside every teacher."
