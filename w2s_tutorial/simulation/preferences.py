"""Several weak teachers align a strong student by preferences, and it aligns them: MACPO, small.

Prompts, replies and rewards are those of `digit_pairs`. Everybody begins with good and bad replies
half and half: the student with right sums, each teacher with eight of the twenty-five sums wrong,
others for each teacher.

    agents = begin(seeds=range(8), teachers=3)
    course = align(agents, rounds=4)  # rewards of student and teachers, seed by seed

The algorithm is that of Lyu, Yan, Wang, Yin, Ren, de Rijke, Ren: "MACPO", ICLR 2025, arXiv
2410.07672, as far as its abstract, its released scripts and notes of others tell it; the task is
ours. In the shapes below r counts seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import pandas as pd
import torch
from torch import Tensor, nn

from w2s_tutorial.networks.decoder import Decoder
from w2s_tutorial.networks.language import log_probability, next_token, preference
from w2s_tutorial.networks.many import fit_many
from w2s_tutorial.simulation.digit_pairs import (
    BASE,
    CHARACTERS,
    DIGITS,
    LENGTH,
    PairTable,
    good,
    reward,
    right_sums,
    texts,
    write,
    wrong_sums,
)

BETA, SFT = 0.1, 0.2
"""Of the preference loss, as the released scripts have them."""
_JUDGE, _STUDENT, _TEACHER = 0, 1, 3  # who writes; the negative agent has the next number
_PRETRAIN = {"steps": 300, "batch_size": 64, "lr": 5e-3, "warmup": 20}
_STEPS: dict[str, dict[str, Any]] = {
    "table": {"steps": 60, "batch_size": 50, "lr": 0.05},
    "decoder": {"steps": 60, "batch_size": 50, "lr": 1e-3},
}


@dataclass(frozen=True)
class Agents:
    """Everybody of r seeds before the first round, and the prompts.

    Attributes:
        kind: "table" or "decoder".
        seeds: r integers.
        student, student_bad, student_first: r networks each: tuned on good replies as teachers
            know them, then also on bad ones, and as pre-trained.
        teachers, teachers_bad, teachers_first: the same for each teacher, a list of r networks.
        prompts: (r, 200, 4) digits, the second half of the training prompts.
        test: (r, 225, 4) digits that nobody is trained on.
        answers: how many replies each teacher writes to a prompt.
        sums: (teachers, r, 5, 5), what each teacher takes for the sums of two digits.
    """

    kind: str
    seeds: list[int]
    student: list[nn.Module]
    student_bad: list[nn.Module]
    student_first: list[nn.Module]
    teachers: list[list[nn.Module]]
    teachers_bad: list[list[nn.Module]]
    teachers_first: list[list[nn.Module]]
    prompts: Tensor
    test: Tensor
    answers: int
    sums: Tensor


def begin(
    *,
    seeds: Sequence[int],
    teachers: int = 3,
    answers: int = 1,
    alike: bool = False,
    knows: bool = True,
    kind: Literal["table", "decoder"] = "table",
) -> Agents:
    """Everybody up to the first round, for r seeds at once.

    Of the 625 prompts 200 are what teachers are tuned on, 200 the student's, and 225 are the test.
    With the same seed, student and first teacher are the same whatever the number of teachers.

    Args:
        teachers: how many, at least 1.
        answers: replies of each teacher to each prompt.
        alike: give all teachers the wrong sums of the first.
        knows: whether the student was pre-trained on right sums; else it has eight wrong ones too.
        kind: a `PairTable`, or a small `Decoder`, pre-trained here.

    Raises:
        ValueError: if teachers or answers is below 1, or there is no such kind.
    """
    if teachers < 1 or answers < 1 or kind not in _STEPS:
        came = f"{teachers}, {answers} and {kind!r}"
        raise ValueError(f"teachers, answers >= 1 and a kind of {[*_STEPS]} are needed, got {came}")
    seeds = list(seeds)
    chance = [torch.Generator().manual_seed(seed) for seed in seeds]
    every = torch.cartesian_prod(*[torch.arange(BASE)] * DIGITS)
    order = torch.stack([torch.randperm(len(every), generator=g) for g in chance])
    half, other, test = every[order].split([200, 200, 225], 1)
    train = torch.cat([half, other], 1)
    own_wrong = [wrong_sums(torch.Generator().manual_seed(10**6 + seed)) for seed in seeds]
    known = [right_sums()] * len(seeds) if knows else own_wrong
    first = _pretrained(known, train, kind, seeds)
    firsts, goods, bads, taught = [], [], [], []
    for k in range(teachers):
        if k == 0 or not alike:
            sums = [wrong_sums(g) for g in chance]
        own = [1000 * (k + 1) + seed for seed in seeds]
        taught.append(torch.stack(sums))
        firsts.append(_pretrained(sums, train, kind, own))
        tune = partial(_tuned, firsts[-1], half, kind=kind, seeds=own)
        replies = torch.stack([good(x, table) for x, table in zip(half, sums, strict=True)])
        goods.append(tune(replies))
        bads.append(tune(half))
    asked = other.repeat(1, teachers * answers, 1)
    said, denied = (
        torch.cat(
            [
                _write(teacher, other, (0, _TEACHER + 2 * k + bad, i), seeds)
                for k, teacher in enumerate(agents)
                for i in range(answers)
            ],
            1,
        )
        for bad, agents in enumerate((goods, bads))
    )
    student = _tuned(first, asked, said, kind=kind, seeds=seeds)
    bad = _tuned(student, asked, denied, kind=kind, seeds=seeds)
    sides = (student, bad, first, goods, bads, firsts)
    return Agents(kind, seeds, *sides, other, test, answers, torch.stack(taught))


def align(
    agents: Agents,
    *,
    rounds: int,
    mutual: bool = True,
    hard: bool = True,
    reference: Literal["first", "last"] = "first",
) -> pd.DataFrame:
    """Rounds of mutual preference optimization, for all seeds at once.

    In each round the student's chosen reply is, of its teachers' replies, the one that the student
    finds likeliest, and its rejected reply its negative agent's. A teacher's chosen reply is the
    student's, its rejected one that of its own negative agent.

    Args:
        mutual: else every agent's chosen reply is one of its own.
        hard: else rejected replies are written by the agents as they were pre-trained.
        reference: of the preference loss: the "first" policy, as pre-trained, which the released
            scripts come down to, or the "last", the agent before the round.

    Returns:
        A row per seed, round, from 0, and agent: mean reward on the test of "student", "teachers",
        and the student's likeliest replies, "student, likeliest".

    Raises:
        ValueError: if reference is neither.
    """
    how: dict[str, Any] = {"mutual": mutual, "hard": hard, "reference": reference}
    course = enumerate(rounds_of(agents, rounds=rounds, **how))
    return pd.concat([rewards(number, now) for number, now in course], ignore_index=True)


def rounds_of(
    agents: Agents, *, rounds: int, mutual: bool, hard: bool, reference: Literal["first", "last"]
) -> Iterator[Agents]:
    """Everybody before the first round and after each: rounds + 1 times, as `align`."""
    if reference not in ("first", "last"):
        raise ValueError(f'reference must be "first" or "last", got {reference!r}')
    now, x, seeds = agents, agents.prompts, agents.seeds
    no = (agents.student_bad, agents.teachers_bad)
    no = no if hard else (agents.student_first, agents.teachers_first)
    yield now
    for number in range(1, rounds + 1):
        own = _write(now.student, x, (number, _STUDENT, 0), seeds)
        offered = [
            _write(teacher, x, (number, _TEACHER + 2 * k, i), seeds)
            for k, teacher in enumerate(now.teachers)
            for i in range(now.answers if mutual else 1)
        ]
        chosen = _likeliest(now.student, x, offered) if mutual else own
        given = [own] * len(now.teachers) if mutual else offered
        learn = partial(_preferred, x, kind=agents.kind, seeds=seeds)
        first = reference == "first"
        student = learn(
            now.student,
            agents.student_first if first else now.student,
            chosen,
            _write(no[0], x, (number, _STUDENT + 1, 0), seeds),
        )
        teachers = [
            learn(
                teacher,
                agents.teachers_first[k] if first else teacher,
                given[k],
                _write(no[1][k], x, (number, _TEACHER + 2 * k + 1, 0), seeds),
            )
            for k, teacher in enumerate(now.teachers)
        ]
        now = replace(now, student=student, teachers=teachers)
        yield now


def _likeliest(networks: Sequence[nn.Module], digits: Tensor, offered: Sequence[Tensor]) -> Tensor:
    """Of several replies (r, n, 5) to each prompt (r, n, 4), that of lowest perplexity."""
    each = torch.stack([_log_probability(networks, *texts(digits, reply)) for reply in offered])
    best = each.argmax(0)  # all have as many tokens
    return torch.stack(list(offered)).take_along_dim(best[None, ..., None], 0)[0]


def _pretrained(
    sums: Sequence[Tensor], digits: Tensor, kind: str, seeds: Sequence[int]
) -> list[nn.Module]:
    """Half good replies by these sums, half copies, which a table can say without training."""
    if kind == "table":
        digit = torch.eye(BASE)
        halves = [digit[table] + digit[:, None] + 1e-4 for table in sums]
        return [PairTable((half / half.sum(-1, keepdim=True)).log()) for half in halves]
    networks = [
        Decoder(CHARACTERS.tokens, context=LENGTH, width=32, depth=1, heads=4, seed=seed)
        for seed in seeds
    ]
    replies = torch.stack([good(x, table) for x, table in zip(digits, sums, strict=True)])
    both = [texts(digits, reply) for reply in (replies, digits)]
    data = [torch.cat(parts, 1) for parts in zip(*both, strict=True)]
    return _fit(networks, next_token, data, seeds, _PRETRAIN)


def _tuned(
    networks: Sequence[nn.Module], digits: Tensor, reply: Tensor, *, kind: str, seeds: Sequence[int]
) -> list[nn.Module]:
    return _fit(networks, next_token, texts(digits, reply), seeds, _STEPS[kind])


def _preferred(
    digits: Tensor,
    networks: Sequence[nn.Module],
    before: Sequence[nn.Module],
    chosen: Tensor,
    rejected: Tensor,
    *,
    kind: str,
    seeds: Sequence[int],
) -> list[nn.Module]:
    both = [texts(digits, reply) for reply in (chosen, rejected)]
    were = [_log_probability(before, *text) for text in both]
    loss = partial(preference, beta=BETA, sft=SFT)
    return _fit(networks, loss, [*both[0], *both[1], *were], seeds, _STEPS[kind])


def _fit(
    networks: Sequence[nn.Module],
    loss: Callable[..., Tensor],
    own: Sequence[Tensor],
    seeds: Sequence[int],
    how: dict[str, Any],
) -> list[nn.Module]:
    together = len(networks) > 1  # so small that even a CPU gains
    return fit_many(networks, loss, (), own, seeds=seeds, together=together, **how).networks


def _write(
    networks: Sequence[nn.Module],
    digits: Tensor,
    who: tuple[int, int, int],
    seeds: Sequence[int],
    temperature: float = 1.0,
) -> Tensor:
    """Replies of r networks; chance is another for each round, writer and number of a reply."""
    salt = 1000 * who[0] + 10 * who[1] + who[2]
    each = zip(networks, digits, seeds, strict=True)
    how = partial(write, temperature=temperature)
    return torch.stack([how(net, x, seed=10**6 * seed + salt) for net, x, seed in each])


def _log_probability(networks: Sequence[nn.Module], text: Tensor, counts: Tensor) -> Tensor:
    with torch.no_grad():
        each = zip(networks, text, counts, strict=True)
        return torch.stack([log_probability(*parts) for parts in each])


def rewards(number: int, now: Agents) -> pd.DataFrame:
    """What `align` has of one round: a row per seed and agent."""

    def of(networks: Sequence[nn.Module], temperature: float = 1.0) -> Tensor:
        replies = _write(networks, now.test, (number, _JUDGE, 0), now.seeds, temperature)
        return torch.stack([reward(*both).mean() for both in zip(now.test, replies, strict=True)])

    found = {
        "student": of(now.student),
        "student, likeliest": of(now.student, 0.0),
        "teachers": torch.stack([of(teacher) for teacher in now.teachers]).mean(0),
    }
    tables = [
        pd.DataFrame({"seed": now.seeds, "round": number, "agent": agent, "value": values.tolist()})
        for agent, values in found.items()
    ]
    return pd.concat(tables, ignore_index=True)
