"""Small language models: characters as numbers, a decoder-only transformer, and its answers.

Texts are rows of tokens (n, t), padded on the right with 0. Attention looks only backwards, so
padding reaches no token before it, and rows of several lengths need no mask inside the network.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from w2s_tutorial.networks.backbones import initialize
from w2s_tutorial.progress import progress
from w2s_tutorial.seeds import Seed, generator_of

PAD = 0
AT_ONCE = 1024  # rows that `generate` extends at once


class Characters:
    """Texts as numbers: a character's token is its place in the alphabet plus one; 0 is padding."""

    def __init__(self, alphabet: str) -> None:
        if len(set(alphabet)) != len(alphabet) or not alphabet:
            raise ValueError(f"alphabet must hold each character once, got {alphabet!r}")
        self.alphabet = alphabet
        self.tokens = len(alphabet) + 1

    def token(self, character: str) -> int:
        """The number of one character; a ValueError names one that is not in the alphabet."""
        if len(character) != 1 or character not in self.alphabet:
            raise ValueError(f"texts must be of the alphabet {self.alphabet!r}, got {character!r}")
        return self.alphabet.index(character) + 1

    def encode(self, texts: Sequence[str], *, length: int | None = None) -> Tensor:
        """Tokens (n, length) of n texts; by default as long as the longest."""
        longest = max((len(text) for text in texts), default=0)
        length = longest if length is None else length
        if longest > length:
            raise ValueError(f"length must be at least {longest}, the longest text's, got {length}")
        rows = [[self.token(c) for c in text] + [PAD] * (length - len(text)) for text in texts]
        return torch.tensor(rows, dtype=torch.int64).view(len(texts), length)

    def decode(self, text: Tensor) -> list[str]:
        """Texts of tokens (n, t), without their padding; a ValueError if one is not known."""
        if text.numel() and not 0 <= int(text.min()) <= int(text.max()) < self.tokens:
            came = f"{int(text.min())} to {int(text.max())}"
            raise ValueError(f"tokens must lie in 0..{self.tokens - 1}, got {came}")
        known = "\0" + self.alphabet
        return ["".join(known[token] for token in row if token != PAD) for row in text.tolist()]

    def pairs(
        self, prompts: Sequence[str], answers: Sequence[str], *, length: int | None = None
    ) -> tuple[Tensor, Tensor]:
        """Tokens (n, length) of prompts with answers, and True where a token is an answer's."""
        both = [prompt + answer for prompt, answer in zip(prompts, answers, strict=True)]
        text = self.encode(both, length=length)
        start = torch.tensor([len(prompt) for prompt in prompts])[:, None]
        return text, (torch.arange(text.shape[1]) >= start) & (text != PAD)


class Decoder(nn.Module):
    """A pre-norm transformer that predicts each next token from those before it.

    Args:
        tokens: of the alphabet, padding included.
        context: the longest text, in tokens.
        width: of its vectors, a multiple of heads.
        depth: the number of blocks.
        tied: read the next token with the matrix that embeds tokens; else with one of its own.
        seed: integer or generator, consumed for the weights.
    """

    def __init__(
        self,
        tokens: int,
        *,
        context: int,
        width: int,
        depth: int,
        heads: int,
        tied: bool = True,
        seed: Seed,
    ) -> None:
        super().__init__()
        sizes = {"tokens": tokens, "context": context, "width": width, "heads": heads}
        for name, size in {**sizes, "depth": depth}.items():
            if size < 1:
                raise ValueError(f"{name} must be at least 1, got {size}")
        if width % heads:
            raise ValueError(f"width must be a multiple of heads, got {width} and {heads}")
        self.tokens, self.context = tokens, context
        # On the meta device nothing is drawn: torch's layers would use its global generator.
        with torch.device("meta"):
            self.embed = nn.Embedding(tokens, width)
            self.position = nn.Embedding(context, width)
            self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(depth))
            self.norm = nn.LayerNorm(width)
            self.read = None if tied else nn.Linear(width, tokens, bias=False)
        initialize(self.to_empty(device="cpu"), seed=seed)

    def forward(self, text: Tensor) -> Tensor:
        """Logits (n, t, tokens) of the token after each of (n, t)."""
        if text.dim() != 2 or text.dtype != torch.int64:
            came = f"{tuple(text.shape)} of {text.dtype}"
            raise ValueError(f"texts must be tokens (n, t) of torch.int64, got {came}")
        if text.shape[1] > self.context:
            raise ValueError(f"texts must have at most {self.context} tokens, got {text.shape[1]}")
        x = self.embed(text) + self.position.weight[: text.shape[1]]
        for block in self.blocks:
            x = block(x)
        read = self.embed if self.read is None else self.read
        return functional.linear(self.norm(x), read.weight)


class _Block(nn.Module):
    """Tokens look at those before them, then each is changed alone."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.before_look, self.before_change = nn.LayerNorm(width), nn.LayerNorm(width)
        self.look = nn.Linear(width, 3 * width, bias=False)  # a bias on keys would never matter
        self.gather = nn.Linear(width, width)
        self.change = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        looked = self.look(self.before_look(x)).unflatten(-1, (3, self.heads, -1))
        query, key, value = looked.movedim(-3, 0).transpose(-3, -2)
        # Fused kernels have no rule for many networks at once, and save nothing at these sizes.
        with sdpa_kernel(SDPBackend.MATH):
            seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.gather(seen.transpose(-3, -2).flatten(-2))
        return x + self.change(self.before_change(x))


@torch.no_grad()
def generate(
    network: nn.Module,
    prompts: Tensor,
    *,
    new: int,
    end: int,
    temperature: float = 0.0,
    seed: Seed = 0,
) -> Tensor:
    """What a model writes after each prompt: (n, new), with padding after its end token.

    Args:
        network: maps tokens (n, t) to logits (n, t, tokens).
        prompts: (n, t), padded on the right, each of at least one token, on the network's device.
        new: the most tokens it may write.
        end: the token at which a text ends; it is written too.
        temperature: logits are divided by it before a token is drawn; 0 takes the likeliest.
        seed: integer or generator, of which numbers are drawn only at a temperature above 0.

    Raises:
        ValueError: for an empty prompt, a token inside its padding, or a temperature below 0.
    """
    lengths = (prompts != PAD).sum(1)
    if not bool(((prompts != PAD).cummin(1).values.sum(1) == lengths).all() & (lengths > 0).all()):
        raise ValueError("prompts must have at least one token each, and padding only after it")
    if not temperature >= 0 or new < 1:
        raise ValueError(f"temperature must be >= 0 and new >= 1, got {temperature} and {new}")
    generator = generator_of(seed)
    written = []
    parts = prompts.split(AT_ONCE)
    for some, length in progress(
        zip(parts, lengths.split(AT_ONCE), strict=True), of="prompts", total=len(parts)
    ):
        rows = torch.arange(len(some), device=some.device)
        text = torch.cat([some, some.new_full((len(some), new), PAD)], 1)
        ended = torch.zeros_like(length, dtype=torch.bool)
        for step in range(new):
            upto = some.shape[1] + step  # what lies behind it is empty in every row
            score = network(text[:, :upto])[rows, length + step - 1]
            if temperature:  # the largest of logit / temperature + Gumbel noise is a draw
                noise = torch.rand(score.shape, generator=generator, dtype=torch.float64)
                score = score / temperature - (-noise.log()).log().to(score)
            score[:, PAD] = -torch.inf
            text[rows, length + step] = torch.where(ended, PAD, score.argmax(1))
            ended = ended | (text[rows, length + step] == end)
            if bool(ended.all()):
                break
        written.append(text[rows[:, None], length[:, None] + torch.arange(new, device=text.device)])
    return torch.cat(written)
