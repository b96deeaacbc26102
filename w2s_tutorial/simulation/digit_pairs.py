"""A language of digit pairs: prompts with good and bad replies, and the smallest model of it.

A prompt is four digits below 5. A good reply adds each digit to the next, modulo 5, the last to
the first; a bad reply copies the prompt. The reward of a reply is the share of its digits that are
right. Texts are tokens (n, 10): prompt, "=", reply, "$". The simulation of preferences uses it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from w2s_tutorial.networks.decoder import PAD, Characters, generate

BASE, DIGITS, WRONG = 5, 4, 8
CHARACTERS = Characters("01234=$")
LENGTH = 2 * DIGITS + 2
_EQUALS, _END = CHARACTERS.token("="), CHARACTERS.token("$")


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


def write(network: nn.Module, digits: Tensor, *, temperature: float = 1.0, seed: int = 0) -> Tensor:
    """What a model replies: tokens (n, 5); at temperature 0 the likeliest digits."""
    prompt = torch.cat([digits + 1, torch.full_like(digits[:, :1], _EQUALS)], 1)
    return generate(network, prompt, new=DIGITS + 1, end=_END, temperature=temperature, seed=seed)


def reward(digits: Tensor, reply: Tensor) -> Tensor:
    """Share of the four digits of replies (n, 5) that are right: (n,)."""
    return (reply[:, :DIGITS] - 1 == good(digits, right_sums())).double().mean(1)
