"""Several weak teachers align a strong student by preferences, and it aligns them: MACPO, small.

A prompt is four digits below 5. A good reply adds each digit to the next, modulo 5, the last to
the first; a bad reply copies the prompt. The reward of a reply is the share of its digits that are
right. Everybody begins with good and bad replies half and half: the student with right sums, each
teacher with eight of the twenty-five sums wrong, others for each teacher.

    agents = begin(seeds=range(8), teachers=3)
    course = align(agents, rounds=4)  # rewards of student and teachers, seed by seed

The algorithm is that of Lyu, Yan, Wang, Yin, Ren, de Rijke, Ren: "MACPO", ICLR 2025, arXiv
2410.07672, as far as its abstract, its released scripts and notes of others tell it; the task is
ours. Texts are tokens (n, 10): prompt, "=", reply, "$". In the shapes below r counts seeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import pandas as pd
import torch
from torch import Tensor, nn

from w2s_tutorial.networks.decoder import PAD, Characters, Decoder, generate
from w2s_tutorial.networks.language import log_probability, next_token, preference
from w2s_tutorial.networks.many import fit_many

BASE, DIGITS, WRONG = 5, 4, 8
CHARACTERS = Characters("01234=$")
BETA, SFT = 0.1, 0.2
"""Of the preference loss, as the released scripts have them."""
LENGTH = 2 * DIGITS + 2
_EQUALS, _END = CHARACTERS.token("="), CHARACTERS.token("$")
_PRETRAIN = {"steps": 500, "batch_size": 64, "lr": 3e-3, "warmup": 20}
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


class PairTable(nn.Module):
    """The smallest model of this task: logits of a reply's digit for each pair of prompt digits.

    It has the face of a `Decoder`: tokens (n, t) -> logits (n, t, tokens).
    """

    def __init__(self, table: Tensor) -> None:
        """table: (5, 5, 5), logits of the next digit, given a digit and its neighbour."""
        super().__init__()
        self.table = nn.Parameter(table)

    def forward(self, text: Tensor) -> Tensor:
        digits = text[:, :DIGITS] - 1
        said = self.table[digits, digits.roll(-1, 1)]  # (n, 4, 5)
        never = said.new_full((1, 1, 1), -30.0)
        n, empty = len(text), never.expand(len(text), DIGITS, CHARACTERS.tokens)
        reply = torch.cat([never.expand(n, DIGITS, 1), said, never.expand(n, DIGITS, 2)], -1)
        end = never.new_zeros(CHARACTERS.tokens).index_fill(0, text.new_tensor(_END), 30.0)
        ends = end.expand(n, 2, -1)
        return torch.cat([empty, reply, ends], 1)[:, : text.shape[1]]


def right_sums() -> Tensor:
    """(5, 5): the sum of two digits modulo 5."""
    digit = torch.arange(BASE)
    return (digit[:, None] + digit) % BASE


def wrong_sums(generator: torch.Generator) -> Tensor:
    """(5, 5) sums of which eight are wrong, at places and in ways left to chance."""
    table = right_sums().flatten()
    place = torch.randperm(BASE**2, generator=generator)[:WRONG]
    table[place] = (table[place] + torch.randint(1, BASE, (WRONG,), generator=generator)) % BASE
    return table.view(BASE, BASE)


def good(digits: Tensor, sums: Tensor) -> Tensor:
    """Good replies (n, 4) to prompts (n, 4), by a table of sums (5, 5)."""
    return sums.to(digits.device)[digits, digits.roll(-1, 1)]


def texts(digits: Tensor, reply: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens (..., 10) of prompts with replies, and True where a token is the reply's.

    Args:
        digits: (..., 4).
        reply: (..., 5) tokens as `write` returns them, or (..., 4) digits.
    """
    equals = torch.full_like(digits[..., :1], _EQUALS)
    if reply.shape[-1] == DIGITS:
        reply = torch.cat([reply + 1, torch.full_like(equals, _END)], -1)
    text = torch.cat([digits + 1, equals, reply], -1)
    counts = torch.arange(LENGTH, device=text.device) > DIGITS
    return text, counts & (text != PAD)


def write(network: nn.Module, digits: Tensor, *, seed: int) -> Tensor:
    """What a model replies at temperature 1: tokens (n, 5)."""
    prompt = torch.cat([digits + 1, torch.full_like(digits[:, :1], _EQUALS)], 1)
    return generate(network, prompt, new=DIGITS + 1, end=_END, temperature=1.0, seed=seed)


def reward(digits: Tensor, reply: Tensor) -> Tensor:
    """Share of the four digits of replies (n, 5) that are right: (n,)."""
    return (reply[:, :DIGITS] - 1 == good(digits, right_sums())).double().mean(1)


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
    firsts, goods, bads = [], [], []
    for k in range(teachers):
        if k == 0 or not alike:
            sums = [wrong_sums(g) for g in chance]
        own = [1000 * (k + 1) + seed for seed in seeds]
        firsts.append(_pretrained(sums, train, kind, own))
        tune = partial(_tuned, firsts[-1], half, kind=kind, seeds=own)
        replies = torch.stack([good(x, table) for x, table in zip(half, sums, strict=True)])
        goods.append(tune(replies))
        bads.append(tune(half))
    asked = other.repeat(1, teachers * answers, 1)
    said, denied = (
        torch.cat([_write(t, other, 7 + i, seeds) for t in agents for i in range(answers)], 1)
        for agents in (goods, bads)
    )
    student = _tuned(first, asked, said, kind=kind, seeds=seeds)
    bad = _tuned(student, asked, denied, kind=kind, seeds=seeds)
    return Agents(kind, seeds, student, bad, first, goods, bads, firsts, other, test, answers)


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
        A row per seed, round, from 0, and agent ("student", "teachers"): mean reward on the test.

    Raises:
        ValueError: if reference is neither.
    """
    if reference not in ("first", "last"):
        raise ValueError(f'reference must be "first" or "last", got {reference!r}')
    now, x = agents, agents.prompts
    no = (agents.student_bad, agents.teachers_bad)
    no = no if hard else (agents.student_first, agents.teachers_first)
    rows = [_rewards(0, now)]
    for number in range(1, rounds + 1):
        says = partial(_write, digits=x, salt=100 * number, seeds=agents.seeds)
        own = says(now.student)
        if mutual:
            offered = [
                _write(teacher, x, 100 * number + 10 + i, agents.seeds)
                for teacher in now.teachers
                for i in range(now.answers)
            ]
            chosen = likeliest(now.student, x, offered)
            given = [own] * len(now.teachers)
        else:
            chosen, given = own, [says(teacher) for teacher in now.teachers]
        learn = partial(_preferred, x, kind=agents.kind, seeds=agents.seeds)
        first = reference == "first"
        student = learn(
            now.student, agents.student_first if first else now.student, chosen, says(no[0])
        )
        teachers = [
            learn(t, agents.teachers_first[k] if first else t, given[k], says(no[1][k]))
            for k, t in enumerate(now.teachers)
        ]
        now = replace(now, student=student, teachers=teachers)
        rows.append(_rewards(number, now))
    return pd.concat(rows, ignore_index=True)


def likeliest(networks: Sequence[nn.Module], digits: Tensor, offered: Sequence[Tensor]) -> Tensor:
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
        Decoder(CHARACTERS.tokens, context=LENGTH, width=32, depth=2, heads=4, seed=seed)
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
    networks: Sequence[nn.Module], digits: Tensor, salt: int, seeds: Sequence[int]
) -> Tensor:
    each = zip(networks, digits, seeds, strict=True)
    return torch.stack([write(net, x, seed=1000 * seed + salt) for net, x, seed in each])


def _log_probability(networks: Sequence[nn.Module], text: Tensor, counts: Tensor) -> Tensor:
    with torch.no_grad():
        each = zip(networks, text, counts, strict=True)
        return torch.stack([log_probability(*parts) for parts in each])


def _rewards(number: int, now: Agents) -> pd.DataFrame:
    def of(networks: Sequence[nn.Module]) -> Tensor:
        each = zip(now.test, _write(networks, now.test, 5, now.seeds), strict=True)
        return torch.stack([reward(x, reply).mean() for x, reply in each])

    found = {
        "student": of(now.student),
        "teachers": torch.stack([of(teacher) for teacher in now.teachers]).mean(0),
    }
    return pd.DataFrame(
        [
            {"seed": seed, "round": number, "agent": agent, "value": float(value)}
            for agent, values in found.items()
            for seed, value in zip(now.seeds, values, strict=True)
        ]
    )
