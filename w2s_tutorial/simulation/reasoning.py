"""Reasoning in miniature: running sums modulo 5, answered at once or step by step.

A question is five digits, and its answer their sum modulo 5. It may be written at once, `A0$`, or
after a derivation, the sums of the first two digits, of three, four and five: `>4330A0$`. Texts are
tokens of `CHARACTERS`; questions and what is written have fixed widths.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from w2s_tutorial.networks.decoder import PAD, Characters, Decoder, generate
from w2s_tutorial.networks.language import next_token
from w2s_tutorial.networks.many import fit_many
from w2s_tutorial.networks.train import BatchLoss, fit
from w2s_tutorial.seeds import Seed, generator_of

CHARACTERS = Characters("0123456789=>A$")
DIGITS, BASE = 5, 5
NEW = DIGITS + 3  # the longest answer: a mark, four sums, a mark, the answer, the end
EQUALS, DERIVE, ANSWER, END = (CHARACTERS.token(c) for c in "=>A$")


class Answers(NamedTuple):
    """What was written in answer to n questions.

    Attributes:
        value: (n,) the digit behind the mark `A` at the end, -1 where the text has none.
        ended: (n,) True where the end token was written.
        derived: (n,) True where a derivation was begun.
    """

    value: Tensor
    ended: Tensor
    derived: Tensor


def questions(n: int, *, seed: Seed, large: Sequence[int] = (0,)) -> Tensor:
    """Digits (n, 5) of n questions.

    Digits are drawn from 0 to 4; then some are exchanged for large ones, from 5 to 9. How many, is
    drawn for each question from `large`: that is its difficulty for whoever met few of them.
    """
    generator = generator_of(seed)
    digits = torch.randint(BASE, (n, DIGITS), generator=generator)
    count = torch.tensor(large)[torch.randint(len(large), (n,), generator=generator)]
    rank = torch.rand(n, DIGITS, generator=generator).argsort(1).argsort(1)
    return digits + BASE * (rank < count[:, None])


def prompts(digits: Tensor, *, derive: bool = False) -> Tensor:
    """Tokens (n, 6) of questions; with `derive` the mark that begins a derivation is added."""
    marks = [EQUALS, DERIVE] if derive else [EQUALS]
    return torch.cat([digits + 1, digits.new_tensor(marks).expand(len(digits), -1)], 1)


def truth(digits: Tensor) -> Tensor:
    """The answers (n,), 0 to 4."""
    return digits.sum(1) % BASE


def at_once(answers: Tensor) -> Tensor:
    """Answers (n,) as they are written without a derivation: tokens (n, 8), padded."""
    written = answers.new_full((len(answers), NEW), PAD)
    written[:, 0], written[:, 1], written[:, 2] = ANSWER, answers + 1, END
    return written


def derivations(digits: Tensor, *, wrong: float = 0.0, seed: Seed = 0) -> Tensor:
    """Derivations and answers as they are written: tokens (n, 8).

    Args:
        wrong: the share of sums that are digits drawn at random; what follows goes on from them.
    """
    generator = generator_of(seed)
    total, sums = digits[:, 0] % BASE, []
    for place in range(1, DIGITS):
        total = (total + digits[:, place]) % BASE
        slip = torch.rand(len(digits), generator=generator) < wrong
        other = torch.randint(BASE, (len(digits),), generator=generator)
        total = torch.where(slip.to(total.device), other.to(total.device), total)
        sums.append(total)
    marks = [torch.full_like(total, mark) for mark in (DERIVE, ANSWER, END)]
    columns = [marks[0], *(s + 1 for s in sums), marks[1], total + 1, marks[2]]
    return torch.stack(columns, 1)


def read(written: Tensor) -> Answers:
    """What tokens (n, t) say."""
    end = written == END
    at = end.int().argmax(1, keepdim=True)
    last, mark = (written.gather(1, (at - back).clamp_min(0))[:, 0] for back in (1, 2))
    said = end.any(1) & (at[:, 0] >= 2) & (mark == ANSWER) & (last >= 1) & (last <= 10)
    return Answers(torch.where(said, last - 1, -1), end.any(1), written[:, 0] == DERIVE)


def right_steps(digits: Tensor, written: Tensor) -> Tensor:
    """Whether each written sum is the one before it plus the next digit: bool (n, 4).

    A step after a wrong one can be right. What is no derivation has no right step.
    """
    sums = torch.cat([digits[:, :1] % BASE, written[:, 1:DIGITS] - 1], 1)
    right = (sums[:, :-1] + digits[:, 1:]) % BASE == sums[:, 1:]
    return right & (written[:, :1] == DERIVE)


def right_among_wrong(right: float, *, sums: int = DIGITS - 1) -> float:
    """The share of right steps in *wrong* derivations, if each errs alone and no two cancel.

    Args:
        right: the share of derivations that are right, in [0, 1).
        sums: steps of each.

    Raises:
        ValueError: if right leaves [0, 1).
    """
    if not 0 <= right < 1:
        raise ValueError(f"right must lie in [0, 1), got {right}")
    return (right ** (1 / sums) - right) / (1 - right)


def write(
    network: nn.Module,
    digits: Tensor,
    *,
    derive: bool = False,
    temperature: float = 0.0,
    seed: Seed = 0,
) -> Tensor:
    """What a model writes, tokens (n, 8): the likeliest, or draws. With `derive` it has to derive.

    Args:
        digits: (n, 5), on the network's device.
    """
    new = NEW - derive
    written = generate(
        network, prompts(digits, derive=derive), new=new, end=END, temperature=temperature,
        seed=seed,
    )  # fmt: skip
    return (
        torch.cat([written.new_full((len(written), 1), DERIVE), written], 1) if derive else written
    )


def pass_at_1(network: nn.Module, digits: Tensor, *, derive: bool = False) -> Tensor:
    """Whether the one answer of likeliest tokens is right: (n,) of 0 and 1."""
    return (read(write(network, digits, derive=derive)).value == truth(digits)).double()


def texts(digits: Tensor, written: Tensor) -> list[Tensor]:
    """Data for `next_token`: tokens (..., 14), and True where they are the answer's."""
    asked = prompts(digits)
    text = torch.cat([asked, written], 1)
    counts = text != PAD
    counts[:, : asked.shape[1]] = False
    return [text, counts]


def decoder(width: int, depth: int, *, seed: Seed) -> Decoder:
    """A fresh model that reads and writes these texts; width is a multiple of 4, for the heads."""
    context = DIGITS + 1 + NEW
    return Decoder(CHARACTERS.tokens, context=context, width=width, depth=depth, heads=4, seed=seed)


def snapshots(
    network: nn.Module,
    data: Sequence[Tensor],
    at: Sequence[int],
    *,
    loss: BatchLoss = next_token,
    batch_size: int = 32,
    lr: float = 1e-3,
    seed: Seed,
    device: torch.device | str = "cpu",
) -> Iterator[nn.Module]:
    """One training, and what it has come to after each of these numbers of updates, ascending."""
    drawn = int(torch.randint(2**62, (), generator=generator_of(seed)))
    with tempfile.TemporaryDirectory() as folder:
        for stop in at:
            yield fit(
                network, loss, data, steps=at[-1], stop=stop, batch_size=batch_size, lr=lr,
                seed=drawn, warmup=at[-1] // 20, checkpoint=Path(folder, "c"),
                checkpoint_every=at[-1], device=device,
            ).network  # fmt: skip


def fit_until(
    network: nn.Module,
    data: Sequence[Tensor],
    probe: Callable[[nn.Module], float],
    *,
    target: float,
    steps: int,
    every: int = 20,
    loss: BatchLoss = next_token,
    lr: float = 6e-3,
    seed: Seed,
    device: torch.device | str = "cpu",
) -> tuple[nn.Module, list[float]]:
    """Train until a probe, looked at every few steps, reaches its target, and say what it was.

    Learning to derive is abrupt: a number of steps decides little, and differs between seeds.
    """
    seen: list[float] = []
    at = range(every, steps + 1, every)
    how: dict[str, Any] = {"batch_size": 64, "loss": loss, "lr": lr, "seed": seed}
    for reached in snapshots(network, data, at, device=device, **how):
        seen.append(probe(reached))
        if seen[-1] >= target:
            break
    return reached, seen


def tune(
    network: nn.Module,
    sets: Sequence[Sequence[Tensor]],
    *,
    updates: int,
    batch_size: int = 32,
    lr: float = 1e-3,
    seed: int,
    device: torch.device | str = "cpu",
) -> list[nn.Module]:
    """One copy of a model fine-tuned on each set of texts, with equally many updates for each.

    On a GPU all sets are rows of one training.

    Args:
        sets: pairs of tokens and counts (n, t), see `texts`; n may differ: the rows of smaller sets
            are repeated, so that all models see equally many examples.
    """
    n = max(batch_size, *(len(text) for text, _ in sets))
    repeated = [
        [part[torch.arange(n, device=part.device) % len(part)] for part in pair] for pair in sets
    ]
    how: dict[str, Any] = {"steps": updates, "batch_size": batch_size, "lr": lr, "device": device}
    how["warmup"] = updates // 10
    if torch.device(device).type == "cpu":
        return [fit(network, next_token, pair, seed=seed, **how).network for pair in repeated]
    own = [torch.stack(parts) for parts in zip(*repeated, strict=True)]
    seeds = [seed] * len(sets)
    return fit_many([network] * len(sets), next_token, own=own, seeds=seeds, **how).networks
