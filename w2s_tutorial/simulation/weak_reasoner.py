"""A weak reasoner, its student, and what the one may show the other; and a cure for overfitting.

The task, its texts and its training are in `reasoning`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from w2s_tutorial.networks.decoder import Decoder
from w2s_tutorial.networks.language import log_probability, next_token
from w2s_tutorial.networks.train import fit
from w2s_tutorial.seeds import Seed, generator_of
from w2s_tutorial.simulation.reasoning import (
    NEW,
    at_once,
    decoder,
    derivations,
    fit_until,
    pass_at_1,
    questions,
    read,
    texts,
    truth,
    tune,
    write,
)  # fmt: skip


class Cast(NamedTuple):
    """Who plays: four trained models, and the probes along the training of each, by name.

    Attributes:
        student: the larger one. It met mostly answers without a derivation, and some derivations in
            which a tenth of the sums is drawn at random: it can derive, and by itself does not.
        weak: a small one trained on true derivations, stopped half-way.
        speaker: as small, trained on true answers without derivations.
        graded: as `weak`, on questions of which few have large digits, stopped a little later.
        probes: accuracies at the looks of `fit_until`, of the three that were stopped.
    """

    student: nn.Module
    weak: nn.Module
    speaker: nn.Module
    graded: nn.Module
    probes: dict[str, list[float]]


SMALL, EVERY = (0,), (0, 1, 2, 3, 4)
"""Numbers of large digits in a question: none, and evenly from none to four."""


def cast(*, seed: Seed, device: torch.device | str = "cpu") -> Cast:
    """Train all four; seed is an integer or a generator, consumed."""
    generator = generator_of(seed)

    def ask(n: int, large: Sequence[int] = SMALL) -> Tensor:
        return questions(n, large=large, seed=generator)

    def until(
        model: Decoder, data: list[Tensor], target: float, asked: Tensor, **how: Any
    ) -> tuple[nn.Module, list[float]]:
        asked, derive = asked.to(device), how.pop("derive", False)
        probe = lambda model: float(pass_at_1(model, asked, derive=derive).mean())
        return fit_until(model, data, probe, target=target, seed=generator, device=device, **how)

    told = torch.cat([ask(3600), ask(600, large=(1, 2, 3))])
    shown = ask(2000)
    written = [at_once(truth(told)), derivations(shown, wrong=0.1, seed=generator)]
    learned = texts(torch.cat([told, shown]), torch.cat(written))
    student, first = until(
        decoder(48, 2, seed=generator), learned, 0.95, ask(200),
        derive=True, steps=800, every=40, loss=_all_tokens,
    )  # fmt: skip
    few, many = ask(3000), ask(3000, large=(0, 0, 0, 1, 1, 2))
    small = lambda: decoder(24, 1, seed=generator)
    weak, second = until(
        small(), texts(few, derivations(few)), 0.4, ask(200), steps=1000, every=10, lr=3e-3
    )
    speaker = fit(
        small(), next_token, texts(few, at_once(truth(few))), steps=120, batch_size=64, lr=6e-3,
        seed=generator, warmup=20, device=device,
    ).network  # fmt: skip
    graded, third = until(
        small(),
        texts(many, derivations(many)),
        0.6,
        ask(200, large=EVERY),
        steps=2000,
        every=10,
        lr=3e-3,
    )
    return Cast(student, weak, speaker, graded, {"student": first, "weak": second, "graded": third})


def traces(cast: Cast, pool: Tensor, *, seed: Seed) -> dict[str, tuple[Tensor, Tensor]]:
    """What a student may be shown of one pool: name -> questions (m, 5) and what is written (m, 8).

    The weak model's derivations are drawn at temperature 1, one for each question. `matched`,
    `right` and `wrong` are of equal number: as many as there are of right or wrong ones, the fewer.
    """
    written = write(cast.weak, pool, temperature=1.0, seed=seed)
    right = read(written).value == truth(pool)
    m = int(torch.minimum(right.sum(), (~right).sum()))
    kept, not_kept = right.nonzero()[:m, 0], (~right).nonzero()[:m, 0]
    return {
        "all": (pool, written),
        "matched": (pool[:m], written[:m]),
        "right": (pool[kept], written[kept]),
        "wrong": (pool[not_kept], written[not_kept]),
        "speaker": (pool, write(cast.speaker, pool)),
        "true answers": (pool, at_once(truth(pool))),
        "true derivations": (pool, derivations(pool)),
    }


class Votes(NamedTuple):
    """What several draws for each of n questions agree on.

    Attributes:
        value: (n,) the answer that was given most often, -1 if that was none.
        share: (n,) of the draws that gave it; 0 where it was none.
        first: (n, 8) the first of all draws.
        written: (n, 8) the first draw that gave the answer.
    """

    value: Tensor
    share: Tensor
    first: Tensor
    written: Tensor


def vote(network: nn.Module, digits: Tensor, *, draws: int, seed: Seed) -> Votes:
    """Draw several derivations for each question at temperature 1, and count their answers."""
    n = len(digits)
    written = write(network, digits.repeat(draws, 1), temperature=1.0, seed=seed).view(
        draws, n, NEW
    )
    said = read(written.flatten(0, 1)).value.view(draws, n)
    values = torch.arange(-1, 10, device=said.device)
    value = values[(said[:, :, None] == values).sum(0).argmax(1)]
    share = torch.where(value < 0, 0.0, (said == value).double().mean(0))
    agree = (said == value).int().argmax(0)
    return Votes(value, share, written[0], written[agree, torch.arange(n, device=said.device)])


def staged(
    student: nn.Module,
    weak: nn.Module,
    pool: Tensor,
    *,
    draws: int,
    share: float,
    updates: int,
    seed: int,
) -> dict[str, tuple[Tensor, Tensor]]:
    """Training sets of the two-stage cure and of its controls, as `traces` has them.

    Stage one keeps the questions on which at least `share` of the weak model's draws agree. A
    student is trained on them and votes on the questions that were left out; where at least `share`
    of its own draws agree, stage two adds them. No true answer is used (Shi et al. 2025, of which
    the outline is known to us, and not their thresholds).

    Returns:
        all: one draw for each question; some: the first of these, as many as stage one keeps;
        voted: the weak model's votes on all questions; one: stage one; two: both stages; weak two:
        the same questions as two, with the weak model's votes; true: derivations of all questions.
    """
    votes = vote(weak, pool, draws=draws, seed=seed)
    kept = votes.share >= share
    one = pool[kept], votes.written[kept]
    (first,) = tune(student, [texts(*one)], updates=updates, seed=seed, device=pool.device)
    left = pool[~kept]
    new = vote(first, left, draws=draws, seed=seed + 1)
    back = new.share >= share
    questions_two = torch.cat([one[0], left[back]])
    return {
        "all": (pool, votes.first),
        "some": (pool[: len(one[0])], votes.first[: len(one[0])]),
        "voted": (pool, votes.written),
        "one": one,
        "two": (questions_two, torch.cat([one[1], new.written[back]])),
        "weak two": (questions_two, torch.cat([one[1], votes.written[~kept][back]])),
        "true": (pool, derivations(pool)),
    }


def _all_tokens(network: nn.Module, text: Tensor, counts: Tensor) -> Tensor:
    # As one pre-trains: a derivation's many tokens outweigh an answer's few.
    return -log_probability(network, text, counts) / NEW
