"""Losses of language models at their edges: no text, one token, odd memory, other precision."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from standin import standin

from w2s_tutorial.networks.decoder import Characters, Decoder, generate
from w2s_tutorial.networks.language import distillation, log_probability, next_token, preference

TOKENS, CONTEXT = 7, 6
NETWORK = Decoder(TOKENS, context=CONTEXT, width=8, depth=2, heads=2, seed=0).double()
OTHER = Decoder(TOKENS, context=CONTEXT, width=8, depth=1, heads=2, seed=1).double()


def drawn(rows: int, length: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Texts with padding on the right, and a random choice of what counts among the rest."""
    g = torch.Generator().manual_seed(seed)
    text = torch.randint(1, TOKENS, (rows, length), generator=g)
    ends = torch.randint(0, length + 1, (rows, 1), generator=g)
    text = torch.where(torch.arange(length) < ends, text, 0)
    return text, (torch.rand(rows, length, generator=g) < 0.7) & (text != 0)


def slow(text, counts, teacher=None, soft=0.0):
    """Losses one place at a time: the mean over places that count, 0 where none does."""
    found = []
    for row, marks in zip(text, counts, strict=True):
        terms = []
        for place in range(1, len(row)):
            if not marks[place]:
                continue
            p = NETWORK(row[None, :place])[0, -1].softmax(-1)
            term = -math.log(p[row[place]])
            if teacher is not None:
                q = teacher(row[None, :place])[0, -1].softmax(-1)
                term += soft * sum(
                    float(b) * math.log(b / a) for a, b in zip(p, q, strict=True) if b > 0
                )
            terms.append(term)
        found.append(sum(terms) / max(len(terms), 1))
    return torch.tensor(found, dtype=torch.float64)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 3), st.integers(0, CONTEXT), st.integers(0, 2**31), st.booleans())
def test_losses_are_a_loop_over_places(rows, length, seed, strided):
    text, counts = drawn(rows, length, seed)
    if strided:  # the same numbers, every second one of a larger memory
        text, counts = (part.repeat_interleave(2, 1)[:, ::2] for part in (text, counts))
    with torch.no_grad():
        torch.testing.assert_close(next_token(NETWORK, text, counts), slow(text, counts))
        taught = distillation(NETWORK, text, counts, OTHER(text), soft=1.7)
        torch.testing.assert_close(taught, slow(text, counts, OTHER, 1.7))
        total = log_probability(NETWORK, text, counts)
        times = counts[:, 1:].sum(1)
        torch.testing.assert_close(total, -slow(text, counts) * times)


def test_a_token_that_the_teacher_rules_out_adds_nothing():
    text, counts = drawn(3, CONTEXT, seed=4)
    advice = OTHER(text).detach()
    low = advice.clone()
    low[..., 2] = -60.0
    advice[..., 2] = -torch.inf
    for logits in (low, advice):
        weight = NETWORK.embed.weight
        loss = distillation(NETWORK, text, counts, logits)
        (slope,) = torch.autograd.grad(loss.sum(), weight)
        if logits is low:
            expected, wanted = loss, slope
    torch.testing.assert_close(loss, expected)
    torch.testing.assert_close(slope, wanted)
    advice[0, 0, 0] = torch.nan  # which must not be mended
    assert distillation(NETWORK, text, counts | (text >= 0), advice).isnan()[0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_other_precision_is_near(dtype):
    text, counts = drawn(4, CONTEXT, seed=3)
    lower = Decoder(TOKENS, context=CONTEXT, width=8, depth=2, heads=2, seed=0).to(dtype)
    found = distillation(lower, text, counts, OTHER(text).to(dtype), soft=2.0)
    assert found.dtype == dtype
    expected = distillation(NETWORK, text, counts, OTHER(text), soft=2.0)
    near = {torch.float32: 1e-5, torch.bfloat16: 0.1}[dtype]
    torch.testing.assert_close(found.double(), expected, rtol=near, atol=near)


def test_another_device_says_the_same():
    text, counts = drawn(3, CONTEXT, seed=5)
    expected = distillation(NETWORK, text, counts, OTHER(text)).detach()
    with standin() as device:
        network = Decoder(TOKENS, context=CONTEXT, width=8, depth=2, heads=2, seed=0).double()
        other = Decoder(TOKENS, context=CONTEXT, width=8, depth=1, heads=2, seed=1).double()
        network, other = network.to(device), other.to(device)
        there = text.to(device)
        found = distillation(network, there, counts.to(device), other(there))
        assert found.device == device
        found = found.detach().cpu()
    torch.testing.assert_close(found, expected)


TEXT, COUNTS = drawn(3, CONTEXT, seed=6)
ADVICE = OTHER(TEXT).detach()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: NETWORK(TEXT[0]), r"\(n, t\) of torch.int64, got \(6,\) of torch.int64"),
        (lambda: NETWORK(TEXT.int()), r"got \(3, 6\) of torch.int32"),
        (lambda: NETWORK(TEXT.double()), r"got \(3, 6\) of torch.float64"),
        (
            lambda: next_token(NETWORK, TEXT, COUNTS[:1]),
            r"each token, got \(1, 5\) beside \(3, 5\)",
        ),
        (
            lambda: log_probability(NETWORK, TEXT, COUNTS[:, :1]),
            r"each token, got \(3, 0\) beside \(3, 5\)",
        ),
        (
            lambda: preference(
                NETWORK, TEXT, COUNTS[:1], TEXT, COUNTS, TEXT[:, 0], TEXT[:, 0], beta=1.0
            ),
            r"each token, got \(1, 5\)",
        ),
        (
            lambda: distillation(NETWORK, TEXT, COUNTS, ADVICE[:1]),
            r"teacher must have .* got \(1, 6, 7\) beside \(3, 6, 7\)",
        ),
        (lambda: distillation(NETWORK, TEXT, COUNTS, ADVICE[..., :1]), r"got \(3, 6, 1\)"),
        (lambda: distillation(NETWORK, TEXT, COUNTS, ADVICE[:, :-1]), r"got \(3, 5, 7\)"),
        (
            lambda: generate(NETWORK, TEXT[:, :1], new=2, end=1, temperature=math.nan),
            "temperature must be >= 0",
        ),
        (lambda: Characters("abc").decode(torch.tensor([[-1, 2]])), r"0\.\.3, got -1 to 2"),
        (lambda: Characters("abc").decode(torch.tensor([[4]])), r"0\.\.3, got 4 to 4"),
    ],
)
def test_what_would_be_wrong_in_silence_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
