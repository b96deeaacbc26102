"""Checks of the exercises on spurious correlations; see `common` for what they return and raise."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from w2s_tutorial.checks._common import interval, require
from w2s_tutorial.problems import Risks, SpuriousProblem
from w2s_tutorial.simulation.spurious import simulate

_TRIALS, _WIDEST, _LONGEST = 60, 100, 10_000
_ASKED = (  # labelled, pool and test share, shifts seen by weak and carried by the student
    (0.1, 0.4, 0.5, (2.0, 1.0), (0.5, -0.2)),
    (0.5, 0.1, 1.0, (0.0, 3.0), (1.0, 1.0)),
)

_HEADLINES = (  # share of the minority, student's risks in units of the teacher's, scatter
    (0.05, (0.6, 1.5), 0.1),
    (0.2, (0.7, 1.02), 0.4),
    (0.1, (0.9, 1.04), 0.02),
    (0.3, (1.01, 1.062), 0.2),  # the minority's mean is 2.1 standard errors above 0
)


def check_student_risk(candidate: Callable[..., float]) -> str:
    """A function (labeled, pool, test, shift_weak, carried, p_shared) -> risk in an endless pool.

    Shares are numbers; shift_weak and carried are (p_weak - 1,); the risk is in units of
    noise * d_core / n_labeled.

    Raises:
        CheckError: with the shares on which the answer is wrong.
    """
    for labeled, pool, test, *vectors in _ASKED:
        weak, carried = (torch.tensor(v, dtype=torch.float64) for v in vectors)

        def bracket(
            at_weak: float, at_carried: float, w: Tensor = weak, c: Tensor = carried
        ) -> float:
            return 1.5 + float((at_weak * w + at_carried * c).square().sum())

        got = float(candidate(labeled, pool, test, weak.clone(), carried.clone(), 1.5))
        wanted = bracket(pool - labeled, test - pool)
        slips = {
            bracket(
                test - labeled, 0.0
            ): "That is the form of the weak model's risk. Who saw the pool?",
            bracket(pool - labeled, 0.0): "That forgets how the test differs from the pool.",
            bracket(pool - labeled, pool - test): "The two differences have opposite signs: follow "
            "the way from labelled set to pool to test.",
            bracket(pool - labeled, 0.0) + bracket(0.0, test - pool) - 1.5: "Add the two vectors "
            "first, then take the square: what they share counts twice or cancels.",
            wanted - 1.5: "A student without any shift still has a risk.",
        }
        if math.isclose(got, wanted, rel_tol=1e-6):
            continue
        hint = next((hint for slip, hint in slips.items() if math.isclose(got, slip)), "")
        at = f"labelled share {labeled}, pool share {pool}, test share {test}"
        require(False, f"At {at}: {wanted:.4g} is right, yours is {got:.4g}. {hint}")
    return "Right: from the labelled set to the pool, then from the pool to the test."


def check_best_pool(share: float, problem: SpuriousProblem) -> str:
    """The pool share at which the student's risk is lowest, found by simulation.

    Raises:
        CheckError: if some other share in [0, 1/2] is better by more than 3 percent.
    """
    require(0 <= share <= 0.5, f"Give a share from 0 to 0.5, got {share}.")
    shares = torch.cat([torch.linspace(0, 0.5, 11), torch.tensor([share])]).double()
    risk = _simulate(replace(problem, minority_pool=shares)).student.mean(0)
    best = int(risk[:-1].argmin())
    excess = float(risk[-1] / risk[best])
    where = f"your risk is {excess:.2f} times that at {float(shares[best]):.2f}"
    require(excess < 1.03, f"At a pool share of {share:.2f} {where}. Move towards it, and ask why.")
    if abs(share - float(shares[best])) < 1e-9:
        return f"Right: {share:.2f} has the lowest risk of all shares tried."
    return f"Right: at {share:.2f} {where}, as close as simulation can tell."


def check_hidden_harm(problem: SpuriousProblem) -> str:
    """A pool like the labels whose student wins on average and loses for the minority.

    The average is over test examples that are like the labels, too.

    Raises:
        CheckError: if the shares differ, or simulation does not find both, beyond doubt.
    """
    labeled, pool, _ = problem.shares
    require(
        labeled.numel() == pool.numel() == 1 and bool((labeled == pool).all()),
        "Give labelled set and pool the same share: the pool has to be like the labels.",
    )
    tests = torch.stack([labeled.flatten()[0], labeled.new_tensor(1.0)])
    risks = _simulate(replace(problem, minority_test=tests))
    average, minority = (risks.student[:, i] / risks.weak[:, i].mean() for i in (0, 1))
    (_, high), (low, _) = (interval(ratio) for ratio in (average, minority))
    found = f"The student has {average.mean():.2f} times its teacher's risk on average and "
    found += f"{minority.mean():.2f} times for the minority"
    require(
        high < 1, f"{found}: it has to win on average. How much does it share with its teacher?"
    )
    require(low > 1, f"{found}: the minority has to lose. Which of the two sees the shift better?")
    return f"Found one. {found}."


def check_readings_disagree(problem: SpuriousProblem) -> str:
    """A problem whose student loses to its teacher under reading A and wins under reading B.

    Raises:
        CheckError: if simulation of both readings does not find this, beyond doubt.
    """
    require(
        all(share.numel() == 1 for share in problem.shares),
        "Give one share each for labelled set, pool and test.",
    )
    by_mean, by_mixture = (
        risks.student / risks.weak.mean()
        for reading in ("mean", "mixture")
        for risks in [_simulate(replace(problem, reading=reading))]
    )
    found = f"The student has {by_mean.mean():.2f} times its teacher's risk under reading A and "
    found += f"{by_mixture.mean():.2f} times under B"
    require(
        interval(by_mean)[0] > 1,
        f"{found}: under A it has to lose. Part the pool from the labels.",
    )
    require(interval(by_mixture)[1] < 1, f"{found}: under B it has to win. What saturates there?")
    return f"Found one. {found}."


def check_headline(candidate: Callable[[Tensor, Tensor, float], tuple[float, int]]) -> str:
    """A function (weak, student, share) -> (part of the weak risk removed, groups made worse).

    weak, student: risks (h, 2) by trial, of majority and minority; share: of the minority in the
    test set. Worse: the 95 % interval of student - weak, paired by trial, lies above 0.

    Raises:
        CheckError: with the risks on which the answer is wrong.
    """
    for share, factor, scatter in _HEADLINES:
        g = torch.Generator().manual_seed(0)
        weak = torch.rand(12, 2, generator=g, dtype=torch.float64) + torch.tensor([0.5, 2.0])
        own = scatter * torch.randn(12, 2, generator=g, dtype=torch.float64)
        own = own - own.mean(0)  # so that the means are exactly those asked for
        student = weak * torch.tensor(factor, dtype=torch.float64) + own
        answer = candidate(weak.clone(), student.clone(), share)
        require(
            isinstance(answer, tuple) and len(answer) == 2,
            f"Return two numbers, the part removed and the groups: yours is {answer!r}.",
        )
        part, groups = _removed(weak, student, share), _worse(student - weak)
        by_group = 1 - student.mean(0) / weak.mean(0)
        slips = {
            _removed(weak, student, 0.5): "That counts both groups alike. The test set does not.",
            _removed(weak, student, 1 - share): "Whose share is it? The second column is rare.",
            float((1 - share) * by_group[0] + share * by_group[1]): "That averages the groups' "
            "ratios. Average risks over the test set, then divide.",
            float((1 - _over(student, share) / _over(weak, share)).mean()): "That averages a ratio "
            "per trial. Take means over trials first.",
        }
        got = float(answer[0])
        hint = next((h for slip, h in slips.items() if math.isclose(got, slip, rel_tol=1e-6)), "")
        at = f"share {share}, student's risks {factor} times the teacher's"
        require(
            math.isclose(got, part, rel_tol=1e-6),
            f"At {at}: {part:.4g} removed is right, yours is {got:.4g}. {hint}",
        )
        apart = int(sum(interval(student[:, i])[0] > interval(weak[:, i])[1] for i in (0, 1)))
        worse, h = student - weak, len(weak)
        normal = int((worse.mean(0) > 1.96 * worse.std(0) / h**0.5).sum())
        slips_of = {
            normal: f"Of {h} trials take Student's t: 1.96 standard errors are too few.",
            int((student.mean(0) > weak.mean(0)).sum()): "A mean above 0 is not an interval above.",
            apart: "Take the difference in each trial: teacher and student saw the same labels.",
        }
        hint = slips_of.get(int(answer[1]), "Which groups have student - weak above 0?")
        require(
            answer[1] == groups,
            f"At {at}: {groups} groups are worse beyond doubt, yours is {answer[1]}. {hint}",
        )
    return "Right: a headline, and beside it the groups that pay for it."


def _over(risk: Tensor, share: float) -> Tensor:
    """Risk of each trial on a test set with this share of the minority."""
    return (1 - share) * risk[:, 0] + share * risk[:, 1]


def _removed(weak: Tensor, student: Tensor, share: float) -> float:
    return 1 - float(_over(student, share).mean() / _over(weak, share).mean())


def _worse(difference: Tensor) -> int:
    return sum(interval(difference[:, i])[0] > 0 for i in (0, 1))


def _simulate(problem: SpuriousProblem) -> Risks:
    widest = problem.d_core * max(problem.p_weak, problem.p_strong)
    longest = max(problem.n_labeled, problem.n_pool)
    require(
        widest <= _WIDEST and longest <= _LONGEST,
        f"Keep it small enough to simulate: p * d_core is {widest}, at most {_WIDEST}; n_labeled "
        f"and n_pool go up to {longest}, at most {_LONGEST}.",
    )
    return simulate(problem, trials=_TRIALS, seed=torch.Generator().manual_seed(0))
