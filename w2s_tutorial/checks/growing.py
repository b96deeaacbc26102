"""Checks of the exercises of the chapter "Growing from a smaller model"."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from w2s_tutorial.checks._common import require
from w2s_tutorial.checks.common import require_number


def check_distillation(candidate: Callable[[Tensor, Tensor, Tensor, float], Tensor]) -> str:
    """A function (student, teacher, character, weight) -> (n,) losses; logits are (n, c).

    Raises:
        CheckError: with the first property that fails.
    """
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, 6, 4, generator=generator, dtype=torch.float64)
    character = torch.randint(4, (6,), generator=generator)
    p, q = student.softmax(-1), teacher.softmax(-1)
    hard = -p.log().gather(-1, character[:, None])[:, 0]

    def divergence(first: Tensor, second: Tensor) -> Tensor:
        return (first * (first / second).log()).sum(-1)

    for weight in (0.0, 1.0, 4.0):
        got = torch.as_tensor(candidate(student.clone(), teacher.clone(), character, weight))
        require(got.shape == (6,), f"A loss per character is asked for, (6,), got {got.shape}.")
        right = hard + weight * divergence(q, p)
        slips = {
            "You measure the teacher's surprise at the student; the teacher comes first.": hard
            + weight * divergence(p, q),
            "That is the cross-entropy with the teacher: subtract the teacher's entropy, or a "
            "perfect copy is punished.": hard - weight * (q * p.log()).sum(-1),
            "The text's own character keeps its weight of 1.": (hard + weight * divergence(q, p))
            / (1 + weight),
            "Logits are no probabilities: log_softmax first.": hard
            + weight * (q * (teacher - student)).sum(-1),
            "Add up over characters, do not average.": hard + weight * divergence(q, p) / 4,
        }
        close = torch.allclose(got.double(), right, atol=1e-8)
        hints = [hint for hint, slip in slips.items() if torch.allclose(got.double(), slip)]
        found = f"With weight {weight:g} the first loss is {right[0]:.4f}, yours is {got[0]:.4f}."
        require(close, " ".join([found, *hints[:1]]))
    return "Right: the text counts once, the teacher by its weight, and a copy pays nothing."


def check_weight(weight: float, *, excess: float = 0.6, price: float = 0.1) -> str:
    """The largest constant weight at which the limit promises a price of at most `price` nats.

    Args:
        excess: divergence of the truth from the teacher, in nats.

    Raises:
        CheckError: with the slip that the number fits.
    """
    share = price / excess
    slips = {
        "That is the teacher's share of the target, and the weight is share / (1 - share).": share,
        "The share of the teacher is weight / (1 + weight), not 1 / (1 + weight).": 1 / share - 1,
        "That weight makes log(1 + weight) small, which is the other bound, and a tighter one "
        "only for bad teachers.": math.exp(price) - 1,
    }
    where = f"For a teacher {excess:g} nats from the truth"
    require_number(weight, share / (1 - share), where, slips, tolerance=1e-2)
    return f"Right: {weight:.2g}, so the teacher makes up {share:.2f} of the target."


def check_better_teacher(truth: Tensor, better: Tensor, worse: Tensor) -> str:
    """Two teachers, the better of which has the worse student in the limit, at weight 1.

    Args:
        truth, better, worse: (c,) distributions over characters, above 0.

    Raises:
        CheckError: if one is no distribution, or the order is not turned around by .05 nats.
    """
    for name, one in {"truth": truth, "better": better, "worse": worse}.items():
        fine = one.dim() == 1 and one.shape == truth.shape and bool((one > 0).all())
        require(
            fine and math.isclose(float(one.sum()), 1, abs_tol=1e-6),
            f"{name} must be a distribution over as many characters as truth, all above 0.",
        )

    def divergence(other: Tensor) -> float:
        return float((truth * (truth / other).log()).sum())

    far = [divergence(one) for one in (better, worse)]
    price = [divergence((truth + one) / 2) for one in (better, worse)]
    told = f"teachers {far[0]:.3f} and {far[1]:.3f} nats from the truth, students "
    told += f"{price[0]:.3f} and {price[1]:.3f}"
    require(far[0] < far[1], f"{told}: the first must be the better teacher.")
    require(
        price[0] > price[1] + 0.05,
        f"{told}: the better teacher's student must be worse by .05. What mistake is dear to a "
        "teacher and cheap to a student who also reads the text?",
    )
    return f"Found: {told}."


def check_same_surprise(first: Tensor, second: Tensor, character: Tensor) -> str:
    """Two models of one cross-entropy, one of which is far more often right.

    Args:
        first, second: (n, c) distributions over characters, above 0.
        character: (n,) what came.

    Raises:
        CheckError: if the cross-entropies differ, or shares of right guesses by less than .3.
    """
    n = len(character)
    for one in (first, second):
        shaped = one.dim() == 2 and len(one) == n and bool((one > 0).all())
        proper = shaped and torch.allclose(one.sum(-1), torch.ones(n).to(one), atol=1e-6)
        require(proper, "Each model is a distribution above 0 per character, (n, c).")
    surprise, right = [], []
    for one in (first, second):
        surprise.append(float(-one.gather(1, character[:, None]).log().mean()))
        at_top = one.gather(1, character[:, None])[:, 0] == one.max(-1).values
        alone = (one == one.max(-1, keepdim=True).values).sum(-1) == 1
        right.append(float((at_top & alone).double().mean()))
    require(
        math.isclose(*surprise, abs_tol=1e-3),
        f"Their cross-entropies are {surprise[0]:.3f} and {surprise[1]:.3f}: make them equal.",
    )
    require(
        abs(right[0] - right[1]) >= 0.3,
        f"They are right on {right[0]:.2f} and {right[1]:.2f} of the characters. Let one be sure "
        "and sometimes very wrong, the other never sure and never quite right.",
    )
    return f"Same surprise {surprise[0]:.3f}, right on {right[0]:.2f} and {right[1]:.2f}."


def check_paid_back(candidate: Callable[[float, float, float, float], float]) -> str:
    """A function (alone, taught, teacher, ratio) -> students after which a teacher has paid.

    `alone` and `taught` are the steps to one quality without and with the teacher, `teacher` the
    teacher's own steps, `ratio` its cost over the student's.

    Raises:
        CheckError: with the slip that the number fits.
    """
    for alone, taught, teacher, ratio in ((300, 200, 250, 0.4), (1000, 400, 500, 0.25)):
        beside = taught * (1 + ratio / 3)
        right = teacher * ratio / (alone - beside)
        slips = {
            "Asking the teacher costs, too: one forward pass beside each step's three.": teacher
            * ratio
            / (alone - taught),
            "A step beside a teacher has four forward passes' worth of work, of which one is the "
            "teacher's.": teacher * ratio / (alone - taught * (1 + ratio)),
            "The teacher is the smaller model, so its steps are cheaper than a student's.": teacher
            / (alone - beside),
            "Upside down: training over what a student saves.": (alone - beside)
            / (teacher * ratio),
        }
        got = candidate(alone, taught, teacher, ratio)
        require_number(got, right, f"{alone} steps or {taught} beside a teacher", slips)
    never = candidate(200, 300, 250, 0.4)
    require(
        math.isinf(float(never)) and never > 0,
        f"A student that needs more steps with its teacher never pays: inf, got {never}.",
    )
    never = candidate(210, 200, 250, 0.4)
    require(
        math.isinf(float(never)) and never > 0,
        "A student may need fewer steps with its teacher, and asking eats up what it saves: with "
        f"210 steps alone, 200 taught and a ratio of .4 it is inf, got {never}.",
    )
    return "Right: the teacher's training over what each student saves, and never is inf."
