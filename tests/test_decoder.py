"""The small transformer, its characters and its answers."""

from __future__ import annotations

import math

import pytest
import torch
from standin import standin

from w2s_tutorial.networks.decoder import Characters, Decoder, generate

CHARACTERS = Characters("0123+=$")
END = CHARACTERS.token("$")
SIZES = dict(context=12, width=16, depth=2, heads=4)


def small(tied: bool = True, seed: int = 0) -> Decoder:
    network = Decoder(CHARACTERS.tokens, tied=tied, seed=seed, **SIZES)
    for bias in (w for w in network.parameters() if w.dim() == 1):  # so that none is idle
        torch.nn.init.normal_(bias, 1.0, 0.2, generator=torch.Generator().manual_seed(5))
    return network


# Characters -----------------------------------------------------------------------------------


def test_texts_come_back():
    texts = ["1+2=", "", "$0"]
    tokens = CHARACTERS.encode(texts, length=5)
    assert tokens.tolist() == [[2, 5, 3, 6, 0], [0] * 5, [7, 1, 0, 0, 0]]
    assert CHARACTERS.decode(tokens) == texts
    assert CHARACTERS.encode([]).shape == (0, 0)


def test_pairs_count_the_answers_tokens():
    text, counts = CHARACTERS.pairs(["1=", "12="], ["1$", "3"])
    assert text.tolist() == CHARACTERS.encode(["1=1$", "12=3"]).tolist()
    assert counts.tolist() == [[False, False, True, True], [False, False, False, True]]
    wider = CHARACTERS.pairs(["1="], ["1$"], length=6)[1]
    assert wider.tolist() == [[False, False, True, True, False, False]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Characters("aa"), "each character once, got 'aa'"),
        (lambda: Characters(""), "each character once"),
        (lambda: CHARACTERS.encode(["x"]), "of the alphabet .* got 'x'"),
        (lambda: CHARACTERS.token("12"), "got '12'"),
        (lambda: CHARACTERS.encode(["123"], length=2), "length must be at least 3, .* got 2"),
        (lambda: CHARACTERS.pairs(["1"], []), "shorter"),
        (lambda: Decoder(5, seed=0, **SIZES | {"heads": 3}), "multiple of heads, got 16 and 3"),
        (lambda: Decoder(5, seed=0, **SIZES | {"depth": 0}), "depth must be at least 1, got 0"),
        (lambda: small()(torch.ones(1, 13, dtype=torch.int64)), "at most 12 tokens, got 13"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# The network ----------------------------------------------------------------------------------


def slow_logits(network: Decoder, tokens: list[int]) -> torch.Tensor:
    """One text, token by token and head by head, by the formulas of a pre-norm transformer."""
    w = dict(network.named_parameters())

    def norm(x, name):
        x = (x - x.mean()) / (x.var(correction=0) + 1e-5).sqrt()
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(x, name):
        return w[f"{name}.weight"] @ x + w.get(f"{name}.bias", 0)

    stream = [w["embed.weight"][k] + w["position.weight"][i] for i, k in enumerate(tokens)]
    for b in range(len(network.blocks)):
        at = f"blocks.{b}"
        looked = [linear(norm(x, f"{at}.before_look"), f"{at}.look").view(3, 4, 4) for x in stream]
        new = []
        for i, x in enumerate(stream):
            heads = []
            for h in range(4):
                scores = [looked[i][0, h] @ looked[j][1, h] / math.sqrt(4) for j in range(i + 1)]
                share = torch.stack(scores).softmax(0)
                heads.append(sum(share[j] * looked[j][2, h] for j in range(i + 1)))
            x = x + linear(torch.cat(heads), f"{at}.gather")
            hidden = linear(norm(x, f"{at}.before_change"), f"{at}.change.0")
            hidden = hidden * (1 + torch.erf(hidden / math.sqrt(2))) / 2
            new.append(x + linear(hidden, f"{at}.change.2"))
        stream = new
    read = w["embed.weight"] if network.read is None else w["read.weight"]
    return torch.stack([read @ norm(x, "norm") for x in stream])


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_network_is_its_formulas(tied, dtype):
    network = small(tied).to(dtype)
    tokens = [2, 5, 3, 6, 1]
    found = network(torch.tensor([tokens]))[0]
    assert found.dtype == dtype
    exact = 1e-12 if dtype == torch.float64 else 1e-4
    torch.testing.assert_close(found, slow_logits(network, tokens), rtol=exact, atol=exact)


def test_tied_weights_are_one_matrix_and_seeds_are_the_weights():
    tied, untied = small(), small(tied=False)
    extra = CHARACTERS.tokens * SIZES["width"]
    size = lambda network: sum(weight.numel() for weight in network.parameters())
    assert size(untied) == size(tied) + extra
    state = torch.random.get_rng_state()
    again, other = small(), small(seed=1)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.equal(again.embed.weight, tied.embed.weight)
    assert not torch.equal(other.embed.weight, tied.embed.weight)


def test_no_token_sees_a_later_one():
    text = CHARACTERS.encode(["1+2=3$0"])
    changed = text.clone()
    changed[0, 4] = 1
    found, other = small()(text), small()(changed)
    assert torch.equal(found[:, :4], other[:, :4])
    assert (found[:, 4:] - other[:, 4:]).abs().amax(-1).gt(1e-4).all()  # and each later one does


# Answers --------------------------------------------------------------------------------------

PROMPTS = ["1+2=", "3", "0+0+1="]


def loop(network, prompt: str, new: int) -> list[int]:
    """Greedy, one text at a time, without padding."""
    tokens, written = CHARACTERS.encode([prompt])[0].tolist(), []
    while len(written) < new and END not in written:
        scores = network(torch.tensor([tokens + written]))[0, -1].tolist()
        written.append(max(range(1, len(scores)), key=scores.__getitem__))
    return written + [0] * (new - len(written))


def ending(network: Decoder, by: float) -> Decoder:
    """One that likes to end: its logits of the end token rise."""

    class Ending(torch.nn.Module):
        def forward(self, text):
            logits = network(text).clone()
            logits[..., END] += by
            return logits

    return Ending()


@pytest.mark.parametrize("by", [0.0, 2.0, 50.0])
def test_greedy_answers_are_the_likeliest_tokens_one_text_at_a_time(by):
    network = ending(small(tied=False), by)
    found = generate(network, CHARACTERS.encode(PROMPTS), new=6, end=END)
    assert found.tolist() == [loop(network, prompt, 6) for prompt in PROMPTS]
    if by == 50:
        assert found.tolist() == [[END, 0, 0, 0, 0, 0]] * 3


def test_answers_stop_at_the_end_token_and_are_padded_from_there():
    network = ending(small(tied=False), 3.0)
    prompts = CHARACTERS.encode(PROMPTS).repeat(100, 1)
    found = generate(network, prompts, new=6, end=END, temperature=1.0, seed=0)
    after = (found == END).cumsum(1) - (found == END).long() > 0
    assert 0.1 < after.float().mean() < 0.9
    assert torch.equal(found == 0, after)


def test_draws_follow_the_softmax_at_their_temperature():
    network, n, temperature = small(tied=False), 20_000, 0.7
    prompts = CHARACTERS.encode(["1+2="]).expand(n, -1)
    logits = network(prompts[:1])[0, -1]
    logits[0] = -torch.inf
    expected = (logits / temperature).softmax(0)
    draws = generate(network, prompts, new=1, end=END, temperature=temperature, seed=3)
    share = torch.bincount(draws[:, 0], minlength=len(expected)) / n
    z = (share - expected) / (expected * (1 - expected) / n).sqrt().clamp_min(1e-9)
    assert z.abs().max() < 4
    other = logits.softmax(0)  # another temperature would be seen
    assert ((share - other) / (other * (1 - other) / n).sqrt().clamp_min(1e-9)).abs().max() > 10


def test_draws_are_the_seeds():
    network, prompts = small(tied=False), CHARACTERS.encode(PROMPTS * 20)
    draw = lambda seed: generate(network, prompts, new=5, end=END, temperature=1.0, seed=seed)
    state = torch.random.get_rng_state()
    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
    generator = torch.Generator().manual_seed(1)
    assert torch.equal(draw(generator), draw(1))
    assert not torch.equal(draw(generator), draw(1)), "a generator goes on"
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize(
    ("prompts", "options", "message"),
    [
        ([[1, 0, 2]], {}, "padding only after it"),
        ([[0, 0, 0]], {}, "at least one token"),
        ([[1, 2, 3]], {"temperature": -1.0}, "temperature must be >= 0"),
        ([[1, 2, 3]], {"new": 0}, "new >= 1, got 0.0 and 0"),
        ([[1, 2, 3]], {"new": 11}, "at most 12 tokens, got 13"),
    ],
)
def test_generate_refuses(prompts, options, message):
    with pytest.raises(ValueError, match=message):
        generate(small(), torch.tensor(prompts), **{"new": 2, "end": END} | options)


def test_answers_on_another_device():
    network, prompts = small(tied=False), CHARACTERS.encode(PROMPTS)
    settings = dict(new=4, end=END, temperature=0.9, seed=2)
    expected = generate(network, prompts, **settings)
    with standin() as device:
        found = generate(small(tied=False).to(device), prompts.to(device), **settings)
        assert found.device == device
        assert torch.equal(found.cpu(), expected)
