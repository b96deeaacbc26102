"""Growing a language model from a smaller one: distillation from a weak teacher in pre-training.

The text is what Python itself carries, the help pages of `pydoc`; a teacher is one block of the
student's three, stopped as soon as it is as good as it should be; and cost is counted in
multiplications, the teacher's too. After Lee et al. (2023, Findings of ACL).
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from pydoc_data.topics import topics
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from w2s_tutorial.networks.decoder import Characters, Decoder
from w2s_tutorial.networks.language import distillation, next_token
from w2s_tutorial.networks.many import fit_many
from w2s_tutorial.networks.train import fit
from w2s_tutorial.seeds import Seed

CONTEXT, WIDTH, HEADS = 32, 32, 2
DEPTH = {"teacher": 1, "student": 3}
OTHER = "\N{REPLACEMENT CHARACTER}"  # stands for every character that the alphabet lacks
CHARACTERS = Characters("\n" + "".join(map(chr, range(32, 127))) + OTHER)
TRAINING: dict[str, Any] = {"batch_size": 8, "warmup": 20}
LR = 8e-3
LOOK_EVERY = 20  # steps between two looks at a teacher that is to be stopped
LONGEST = 2000  # steps of a teacher's schedule


class Text(NamedTuple):
    """Windows (n, context) of one text, by purpose; no two overlap."""

    train: Tensor
    probe: Tensor  # decides when a teacher is stopped
    test: Tensor


def help_text() -> str:
    """The help pages of this Python, in the order of their names, each paragraph once.

    Pages quote one another, so without the last rule a third of any part would stand, letter by
    letter, in another one. The text differs between versions of Python.
    """
    once: dict[str, str] = {}
    for name in sorted(topics):
        for paragraph in topics[name].split("\n\n"):
            once.setdefault(" ".join(paragraph.split()), paragraph)
    return "\n\n".join(once.values())


def windows(text: str, *, blocks: int = 100) -> Text:
    """Tokens of a text, cut into windows of `CONTEXT`, after it was cut into blocks.

    Of every ten blocks the fifth is for the probe and the tenth for the test, so that what is
    tested lies far from what is learned; the rest is for training.

    Raises:
        ValueError: if blocks is no multiple of 10, or the text has less than a window a block.
    """
    known = "".join(c if c in CHARACTERS.alphabet else OTHER for c in text)
    size = len(known) // blocks // CONTEXT if blocks > 0 and blocks % 10 == 0 else 0
    if size < 1:
        least = f"a multiple of 10, and text at least {blocks * CONTEXT} characters"
        raise ValueError(f"blocks must be {least}, got {blocks} and {len(known)}")
    cut = CHARACTERS.encode([known[: blocks * size * CONTEXT]]).view(blocks, size, CONTEXT)
    place = torch.arange(blocks) % 10
    return Text(*(cut[part].flatten(0, 1) for part in ((place % 5 < 4), place == 4, place == 9)))


def model(role: str, *, seed: Seed) -> Decoder:
    """An untrained network: the "teacher" has one block, the "student" three, all of one width.

    Args:
        seed: integer or generator, consumed for the weights.
    """
    sizes: dict[str, Any] = {
        "context": CONTEXT,
        "width": WIDTH,
        "heads": HEADS,
        "depth": DEPTH[role],
    }
    return Decoder(CHARACTERS.tokens, **sizes, seed=seed)


@torch.no_grad()
def cross_entropy(network: nn.Module, text: Tensor) -> float:
    """Mean surprise of a network in nats per character, over windows (n, context)."""
    device = next(network.parameters()).device
    parts = [part.to(device) for part in text.split(512)]
    found = [next_token(network, part, torch.ones_like(part, dtype=torch.bool)) for part in parts]
    return float(torch.cat(found).mean())


class Stopped(NamedTuple):
    """A teacher as it was when first as good as asked, and the steps that it took."""

    network: nn.Module
    steps: int


def raise_teacher(
    text: Text, goals: Sequence[float], *, seed: int, device: torch.device | str = "cpu"
) -> dict[float, Stopped]:
    """One teacher in training, caught whenever it reaches the next goal.

    Args:
        goals: cross-entropies on text.probe, in nats per character.
        seed: of its weights and its batches.

    Returns:
        A teacher for each goal.

    Raises:
        ValueError: if it misses a goal within `LONGEST` steps.
    """
    found: dict[float, Stopped] = {}
    data = [text.train, torch.ones_like(text.train, dtype=torch.bool)]
    start = model("teacher", seed=seed)
    with tempfile.TemporaryDirectory() as folder:
        for stop in range(LOOK_EVERY, LONGEST + 1, LOOK_EVERY):
            network = fit(
                start, next_token, data, steps=LONGEST, lr=LR, seed=seed, stop=stop, device=device,
                checkpoint=Path(folder) / "teacher", **TRAINING,
            ).network  # fmt: skip
            reached = cross_entropy(network, text.probe)
            found |= {g: Stopped(network, stop) for g in goals if reached <= g and g not in found}
            if len(found) == len(goals):
                return found
    missed = sorted(set(goals) - set(found))
    raise ValueError(f"goals must lie within reach of a teacher, it missed {missed} by {reached}")


def soft_weights(kind: str, steps: int) -> Tensor:
    """The weight of the teacher at each step: (steps,).

    Args:
        kind: "0", "1", "4" or another number for a constant; "4 to 1", "4 to 0" for a straight
            line; "4, first quarter" for a weight that is 0 after a quarter of the steps.

    Raises:
        ValueError: if kind is written in another way, or a weight is below 0.
    """
    share = torch.arange(steps, dtype=torch.float64) / steps
    plain = kind.removesuffix(", first quarter")
    first, _, last = plain.partition(" to ")
    try:
        start, end = float(first), float(last or first)
    except ValueError:
        start = end = -1.0
    if not (start >= 0 and end >= 0):
        raise ValueError(f"kind must be like '1', '4 to 0' or '4, first quarter', got {kind!r}")
    weights = start + (end - start) * share
    return weights if plain == kind else weights * (share < 0.25)


class _Pair(nn.Module):
    """A student and its teacher, which does not learn: one module, so many can train at once."""

    def __init__(self, student: nn.Module, teacher: nn.Module) -> None:
        super().__init__()
        self.student, self.teacher = student, teacher
        self.teacher.requires_grad_(False)


def _taught(pair: _Pair, text: Tensor, counts: Tensor, soft: Tensor) -> Tensor:
    return distillation(pair.student, text, counts, pair.teacher(text), soft=soft)


def grow(
    students: Sequence[nn.Module],
    text: Tensor,
    *,
    steps: int,
    seeds: Sequence[Seed],
    teachers: Sequence[nn.Module] = (),
    soft: Tensor | None = None,
    lr: float = LR,
    device: torch.device | str = "cpu",
) -> list[nn.Module]:
    """Train students at once: alone, or each beside a teacher.

    The loss is the cross-entropy of the text plus soft times the divergence of the student from
    its teacher, both in nats per character.

    Args:
        students: r untrained ones, which stay as they are.
        text: (n, context), the windows to learn.
        seeds: r, of the batches; equal ones see equal batches, with a teacher or without.
        teachers: r, or none.
        soft: weights (steps,) of the teacher, the same for all.

    Raises:
        ValueError: if there are teachers without weights or weights without teachers, or their
            number is another than that of the students; as `fit_many`.
    """
    if len(teachers) not in (0, len(students)) or (soft is None) != (len(teachers) == 0):
        told = f"{len(teachers)} teachers and soft {None if soft is None else tuple(soft.shape)}"
        raise ValueError(f"{len(students)} students need as many teachers and soft, got {told}")
    data = [text, torch.ones_like(text, dtype=torch.bool)]
    how: dict[str, Any] = {"steps": steps, "lr": lr, "seeds": seeds, "device": device, **TRAINING}
    if soft is None:
        return fit_many(students, next_token, data, together=True, **how).networks
    pairs = [_Pair(*both) for both in zip(students, teachers, strict=True)]
    weights = {"soft": soft.expand(len(pairs), -1)}
    grown = fit_many(pairs, _taught, data, options=weights, together=True, **how).networks
    return [cast(_Pair, pair).student for pair in grown]


def remap(teacher: Decoder, *, seed: Seed) -> Decoder:
    """An untrained student that begins as its teacher: its parts copied, its last block repeated.

    Args:
        teacher: a trained `model("teacher")`.
        seed: integer or generator, consumed for weights that are then overwritten.
    """
    student, weights = model("student", seed=seed), teacher.state_dict()
    last = len(teacher.blocks) - 1
    for name, weight in student.state_dict().items():
        first, *rest = name.split(".")
        if first == "blocks":
            rest[0] = str(min(int(rest[0]), last))
        weight.copy_(weights[".".join([first, *rest])])
    return student


def cost(role: str) -> int:
    """Multiplications for one character, forwards, of a window's average one.

    The three matrix products of a block's attention and its two layers, and the output's; what is
    added, normed or looked up is left out.
    """
    block = 12 * WIDTH**2 + 2 * WIDTH * CONTEXT
    return DEPTH[role] * block + WIDTH * CHARACTERS.tokens


def steps_worth(steps: float, *, taught: float = 0.0, teacher_steps: float = 0.0) -> float:
    """What a training costs, in steps of a student that learns alone.

    A step of learning costs three forward passes, one forwards and two backwards (to inputs and to
    weights); a step beside a teacher one of the teacher's in addition.

    Args:
        taught: share of the steps in which the teacher is asked.
        teacher_steps: for how long the teacher was trained, where that counts.
    """
    ratio = cost("teacher") / cost("student")
    return steps * (1 + taught * ratio / 3) + teacher_steps * ratio
