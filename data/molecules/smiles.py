"""SMILES strings as numbers: tokens, a vocabulary, bundles of equal length, hidden tokens.

A SMILES string writes a molecule as its atoms in a row, "CC(=O)O" is acetic acid. A token is an
atom (with all that stands in its brackets), a bond, a branch, a ring's number or a dot.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

_TOKEN = re.compile(r"\[[^\[\]]+\]|Br|Cl|[BCNOPSFIbcnops]|%\d\d|\d|[()=#$:/\\.~*-]")
SPECIAL = ("<pad>", "<hidden>", "<unknown>", "<start>", "<end>")
"""The first entries of every vocabulary, 0 to 4."""
PAD, HIDDEN, UNKNOWN, START, END = range(len(SPECIAL))
NOT_ASKED = -100  # the target of a token that nobody has to guess, as torch's cross-entropy has it


def tokenize(smiles: str) -> list[str]:
    """The tokens of a SMILES string; joined, they are the string again.

    >>> tokenize("C[C@H](N)c1ccccc1Cl")
    ['C', '[C@H]', '(', 'N', ')', 'c', '1', 'c', 'c', 'c', 'c', 'c', '1', 'Cl']

    Raises:
        ValueError: if the string is empty or holds something else.
    """
    tokens = _TOKEN.findall(smiles)
    if not tokens or "".join(tokens) != smiles:
        raise ValueError(f"smiles must be atoms, bonds, branches and rings, got {smiles!r}")
    return tokens


def vocabulary(strings: Sequence[str], *, least: int) -> tuple[str, ...]:
    """SPECIAL, then the tokens that occur at least so often, the most frequent first.

    Raises:
        ValueError: if least is below 1, or a string is no SMILES.
    """
    if least < 1:
        raise ValueError(f"least must be at least 1, got {least}")
    counts = Counter(token for smiles in strings for token in tokenize(smiles))
    kept = [token for token, count in counts.items() if count >= least]
    return (*SPECIAL, *sorted(kept, key=lambda token: (-counts[token], token)))


def encode(strings: Sequence[str], known: Sequence[str]) -> Tensor:
    """Token numbers (n, t) uint8: start, tokens, end, then padding up to the longest string.

    Args:
        strings: n SMILES strings.
        known: a `vocabulary`; a token that is not in it becomes "<unknown>".

    Raises:
        ValueError: if there is no string or one is no SMILES, or known does not begin with
            SPECIAL or has more than 256 entries.
    """
    if tuple(known[: len(SPECIAL)]) != SPECIAL or len(known) > 256:
        raise ValueError(
            f"known must begin with {SPECIAL} and have at most 256 entries, got {len(known)} "
            f"that begin with {tuple(known[: len(SPECIAL)])}"
        )
    if not strings:
        raise ValueError("strings must hold at least 1 SMILES string, got 0")
    number = {token: at for at, token in enumerate(known)}
    rows = [
        torch.tensor([START, *(number.get(token, UNKNOWN) for token in tokenize(smiles)), END])
        for smiles in strings
    ]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=PAD).byte()


def lengths(tokens: Tensor) -> Tensor:
    """Tokens that are no padding: (..., t) -> (...) int64."""
    return (tokens != PAD).sum(-1)


def trimmed(tokens: Tensor) -> Tensor:
    """(n, t) without the columns that hold nothing but padding."""
    return tokens[:, : int(lengths(tokens).amax())]


@dataclass(frozen=True)
class Encoded:
    """Token numbers (n, t), in batches that are as long as their longest: for `extract`."""

    tokens: Tensor

    def __len__(self) -> int:
        return len(self.tokens)

    def split(self, size: int) -> Iterator[Tensor]:
        """Batches of `size` rows, in order."""
        return (trimmed(part) for part in self.tokens.split(size))


def bundles(tokens: Tensor, size: int, *, generator: torch.Generator) -> Tensor:
    """Rows (b, size) of molecules with nearly the same number of tokens, for training.

    A bundle is one example for `train.fit`: whatever the shuffling, its padding is short. Ties
    between equal lengths are broken at random; n % size molecules, the longest, sit out.

    Args:
        tokens: (n, t), n at least size.
        generator: consumed for the ties.

    Raises:
        ValueError: if size leaves 1..n.
    """
    if not 1 <= size <= len(tokens):
        raise ValueError(f"size must lie in 1..{len(tokens)}, got {size}")
    ties = torch.rand(len(tokens), generator=generator)
    order = (lengths(tokens) + ties).argsort()
    return order[: len(tokens) // size * size].view(-1, size)


def hidden(
    tokens: Tensor,
    *rest: Tensor,
    generator: torch.Generator,
    share: float = 0.15,
    entries: int,
) -> list[Tensor]:
    """Hide some tokens, as BERT does (Devlin et al. 2019, arXiv 1810.04805).

    Each token that is neither padding nor start nor end is asked for with probability `share`;
    of those asked for, 80 % become "<hidden>", 10 % a random entry of the vocabulary that is not
    special, and 10 % stay.

    Args:
        tokens: (..., t).
        rest: passed on unchanged.
        generator: consumed, on the tokens' device.
        share: in (0, 1].
        entries: size of the vocabulary.

    Returns:
        The tokens with some hidden (..., t), then the targets (..., t) int64: the true token
        where it is asked for, NOT_ASKED elsewhere; then rest.

    Raises:
        ValueError: if share or entries leave their range.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must lie in (0, 1], got {share}")
    if entries <= len(SPECIAL):
        raise ValueError(f"entries must exceed the {len(SPECIAL)} special ones, got {entries}")
    draw, fate = torch.rand(2, *tokens.shape, generator=generator, device=tokens.device)
    plain = (tokens != PAD) & (tokens != START) & (tokens != END)
    asked = plain & (draw < share)
    other = torch.randint(
        len(SPECIAL), entries, tokens.shape, generator=generator, device=tokens.device
    )
    shown = torch.where(asked & (fate < 0.8), HIDDEN, tokens)
    shown = torch.where(asked & (fate >= 0.9), other.to(tokens.dtype), shown)
    return [shown, torch.where(asked, tokens.long(), NOT_ASKED), *rest]
