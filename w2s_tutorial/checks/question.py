"""Checks of the exercises of the chapter "Can a weak teacher raise a strong student?"."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from w2s_tutorial import metrics
from w2s_tutorial.checks._common import interval, require


def check_pgr(candidate: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str:
    """The first chapter: a function (weak, student, ceiling), each (h,) accuracies -> PGR.

    Raises:
        CheckError: with the first property that fails.
    """
    generator = torch.Generator().manual_seed(0)
    weak = 0.6 + 0.1 * torch.rand(20, generator=generator, dtype=torch.float64)
    ceiling = weak + 0.02 + 0.3 * torch.rand(20, generator=generator, dtype=torch.float64)
    student = weak + 0.1 * torch.rand(20, generator=generator, dtype=torch.float64)

    def value(*roles: Tensor) -> float:
        answer = torch.as_tensor(candidate(*(role.clone() for role in roles)))
        require(answer.numel() == 1, f"One number is asked for, {answer.numel()} came back.")
        return float(answer)

    def require_close(got: float, wanted: float, case: str, hint: str) -> None:
        close = math.isclose(got, wanted, abs_tol=1e-6)
        require(close, f"{case} must score {wanted:.4g}, yours scored {got:.4g}. {hint}")

    end = "Which difference is recovered, and of which gap is it a share?"
    require_close(value(weak, weak, ceiling), 0, "A student equal to its teacher", end)
    require_close(value(weak, ceiling, ceiling), 1, "A student equal to the ceiling", end)
    flat = torch.full_like(weak, 0.7)
    require_close(
        value(flat, flat - 0.1, flat + 0.1),
        -1,
        "A student as far below its teacher as the ceiling is above it",
        "A harmful teacher must show: keep the sign.",
    )
    per_head = ((student - weak) / (ceiling - weak)).mean()
    got, wanted = value(weak, student, ceiling), float(metrics.pgr(weak, student, ceiling))
    require(
        not math.isclose(got, float(per_head), abs_tol=1e-6),
        "Yours averages one ratio per head. Heads with a small gap then rule the result: take "
        "the mean of each role first, and one ratio last.",
    )
    require_close(got, wanted, "A student between the two", "Take means over heads first.")
    return "Right: 0 at the teacher, 1 at the ceiling, negative below, and a ratio of means."


def check_guess(guess: float, measured: Tensor) -> str:
    """The first chapter: compare a number written down before the run with the heads' values.

    Args:
        guess: a finite number.
        measured: (h,) values, h at least 2.

    Returns:
        A sentence; every honest guess passes.
    """
    require(math.isfinite(guess), "Write a number before you run: that is the exercise.")
    low, high = interval(measured)
    found = f"You guessed {guess:.2f}; measured {measured.mean():.2f} ({low:.2f} to {high:.2f})."
    if low <= guess <= high:
        return f"{found} Your guess lies inside the interval."
    return f"{found} You were {'below' if guess < low else 'above'} it: which effect did you miss?"


def check_below_teacher(weak: Tensor, student: Tensor) -> str:
    """The first chapter: accuracies (h,) of a setting in which the student ends below its teacher.

    Raises:
        CheckError: if there are fewer than 16 heads, or the interval of the difference reaches 0.
    """
    require(weak.shape == student.shape and weak.dim() == 1, "Both roles need a value per head.")
    require(len(weak) >= 16, f"Use at least 16 heads, you used {len(weak)}: luck is not harm.")
    low, high = interval(student - weak)
    found = f"student - weak = {(student - weak).mean():+.3f} ({low:+.3f} to {high:+.3f})"
    require(
        high < 0,
        f"{found}: the interval must lie below 0. What can you take from the student that its "
        "teacher keeps?",
    )
    return f"Found one: {found}."


def check_same_pgr(first: Tensor, second: Tensor, group: Tensor) -> str:
    """The first chapter: two students that PGR cannot tell apart and the worst group can.

    Args:
        first, second: (n,) bool, which examples each student gets right.
        group: (n,) integers.

    Raises:
        CheckError: if the accuracies differ, or worst groups differ by less than 0.2.
    """
    for right in (first, second):
        same = right.shape == group.shape and right.dtype == torch.bool
        require(same, f"Each student is a bool per example, ({len(group)},).")
    accuracy = [float(right.double().mean()) for right in (first, second)]
    require(
        math.isclose(*accuracy, abs_tol=1e-9),
        f"Their accuracies differ: {accuracy[0]:.3f} and {accuracy[1]:.3f}. With one teacher and "
        "one ceiling, equal PGR means equal accuracy.",
    )
    worst = [
        min(float(right[group == g].double().mean()) for g in group.unique())
        for right in (first, second)
    ]
    require(
        abs(worst[0] - worst[1]) >= 0.2,
        f"The worst groups score {worst[0]:.2f} and {worst[1]:.2f}: move one student's mistakes "
        "into a single group until they differ by 0.2.",
    )
    return f"Same accuracy {accuracy[0]:.2f}, worst groups {worst[0]:.2f} and {worst[1]:.2f}."


def check_audit(weak: Tensor, student: Tensor, gain: float) -> str:
    """The first chapter: does the gain survive a teacher at its own best penalty?

    Args:
        weak, student: (k, h) accuracies, a row per penalty of the teacher, k at least 4.
        gain: mean of student - weak at the penalty with the highest mean of weak.

    Returns:
        Whether the interval of that gain lies above 0.

    Raises:
        CheckError: if shapes disagree, there are fewer than 4 penalties or 16 heads, or gain is
            that of another penalty.
    """
    same = weak.shape == student.shape and weak.dim() == 2
    require(same, "Both roles need a row per penalty and a value per head in it, (k, h).")
    require(len(weak) >= 4, f"Try at least 4 penalties, you tried {len(weak)}.")
    require(weak.shape[1] >= 16, f"Use at least 16 heads, you used {weak.shape[1]}.")
    best = int(weak.mean(1).argmax())
    wanted = (student - weak)[best]
    require(
        math.isclose(gain, float(wanted.mean()), abs_tol=1e-4),
        f"Row {best} is the teacher's best, with gain {wanted.mean():+.4f}; yours is {gain:+.4f}. "
        "Choose the penalty by the teacher's accuracy, not by the gain.",
    )
    low, high = interval(wanted)
    verdict = "survives" if low > 0 else "does not survive"
    return f"The claim {verdict}: {wanted.mean():+.3f} ({low:+.3f} to {high:+.3f})."
