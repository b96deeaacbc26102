"""What language models are trained for, against slow references, and in the training loops."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch
from standin import standin
from torch.nn import functional

from w2s_tutorial.networks.decoder import Characters, Decoder
from w2s_tutorial.networks.language import distillation, log_probability, next_token, preference
from w2s_tutorial.networks.many import fit_many
from w2s_tutorial.networks.train import fit

CHARACTERS = Characters("0123+=$")
PROMPTS, CHOSEN, REJECTED = ["1+2=", "0+1=", "3="], ["3$", "1$", "3$"], ["0$", "11$", "2"]


def model(seed: int = 0) -> Decoder:
    sizes = dict(context=12, width=16, depth=1, heads=2, tied=False)
    return Decoder(CHARACTERS.tokens, seed=seed, **sizes).double()


NETWORK, OTHER = model(), model(1)
TEXT, COUNTS = CHARACTERS.pairs(PROMPTS, CHOSEN)


def slow_log_probabilities(network, prompt: str, answer: str) -> list[float]:
    """Log-probability of each token of an answer: one text, without padding."""
    tokens = CHARACTERS.encode([prompt + answer])[0].tolist()
    found = []
    for i in range(len(prompt), len(tokens)):
        scores = network(torch.tensor([tokens[:i]]))[0, -1].tolist()
        found.append(scores[tokens[i]] - math.log(sum(math.exp(score) for score in scores)))
    return found


def test_log_probability_is_the_sum_over_the_answers_tokens():
    found = log_probability(NETWORK, TEXT, COUNTS).detach()
    for i in range(3):
        slow = slow_log_probabilities(NETWORK, PROMPTS[i], CHOSEN[i])
        assert float(found[i]) == pytest.approx(sum(slow), rel=1e-12)


@pytest.mark.parametrize("objective", [log_probability, next_token])
@pytest.mark.parametrize("exact", [True, False])
def test_padding_changes_nothing_and_a_batch_is_one_by_one(objective, exact):
    network = NETWORK if exact else Decoder(CHARACTERS.tokens, context=12, width=16, depth=1,
                                            heads=2, seed=0)  # fmt: skip
    batch = objective(network, TEXT, COUNTS)
    one = [
        objective(network, *CHARACTERS.pairs(PROMPTS[i : i + 1], CHOSEN[i : i + 1]))
        for i in range(3)
    ]
    wider = objective(network, *CHARACTERS.pairs(PROMPTS, CHOSEN, length=11))
    near = dict(rtol=1e-12, atol=1e-12) if exact else dict(rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(torch.cat(one), batch, **near)
    torch.testing.assert_close(wider, batch, **near)
    # Padding that counts would be seen.
    everything = torch.ones_like(COUNTS)
    assert (objective(network, TEXT, everything) - batch).abs().min() > 1e-3


def test_next_token_is_the_mean_and_leaves_the_prompt_alone():
    found = next_token(NETWORK, TEXT, COUNTS).detach()
    for i in range(3):
        slow = slow_log_probabilities(NETWORK, PROMPTS[i], CHOSEN[i])
        assert float(found[i]) == pytest.approx(-sum(slow) / len(slow), rel=1e-12)
    whole = next_token(NETWORK, TEXT, TEXT != 0)
    ignored = TEXT.where(TEXT != 0, -100)[:, 1:]
    expected = functional.cross_entropy(NETWORK(TEXT)[:, :-1].mT, ignored, reduction="none")
    torch.testing.assert_close(whole, expected.sum(1) / (ignored >= 0).sum(1))
    assert next_token(NETWORK, TEXT, torch.zeros_like(COUNTS)).tolist() == [0, 0, 0]


# Preferences ----------------------------------------------------------------------------------

LOSER, LOSER_COUNTS = CHARACTERS.pairs(PROMPTS, REJECTED)


def preferred(network, *, against, **options):
    reference = [
        log_probability(against, text, counts).detach()
        for text, counts in ((TEXT, COUNTS), (LOSER, LOSER_COUNTS))
    ]
    return preference(network, TEXT, COUNTS, LOSER, LOSER_COUNTS, *reference, **options)


@pytest.mark.parametrize("sft", [0.0, 0.2])
def test_preference_is_its_formula(sft):
    beta = 0.3
    found = preferred(NETWORK, against=OTHER, beta=beta, sft=sft).detach()
    for i in range(3):
        won, lost, old_won, old_lost = (
            slow_log_probabilities(network, PROMPTS[i], answers[i])
            for network in (NETWORK, OTHER)
            for answers in (CHOSEN, REJECTED)
        )
        margin = sum(won) - sum(old_won) - sum(lost) + sum(old_lost)
        expected = math.log(1 + math.exp(-beta * margin)) - sft * sum(won) / len(won)
        assert float(found[i]) == pytest.approx(expected, rel=1e-10)


def test_preference_is_log_2_at_the_reference_and_pulls_there_by_half_of_beta():
    network = model()
    each = preferred(network, against=NETWORK, beta=0.4)
    torch.testing.assert_close(each, torch.full_like(each, math.log(2)))
    weights = list(network.parameters())
    slope = torch.autograd.grad(each.sum(), weights)
    apart = log_probability(network, TEXT, COUNTS) - log_probability(network, LOSER, LOSER_COUNTS)
    expected = torch.autograd.grad(apart.sum(), weights)
    for ours, theirs in zip(slope, expected, strict=True):
        torch.testing.assert_close(ours, -0.4 / 2 * theirs)
    # Another reference is another loss: the argument is not idle.
    assert (preferred(network, against=OTHER, beta=0.4) - math.log(2)).abs().max() > 0.1


def test_preference_has_the_gradient_of_finite_differences():
    network = model()
    weight = network.read.weight
    slope = torch.autograd.grad(preferred(network, against=OTHER, beta=0.7, sft=0.1).sum(), weight)
    place, step = (3, 5), 1e-6
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            weight[place] += sign * step
            values.append(float(preferred(network, against=OTHER, beta=0.7, sft=0.1).sum()))
            weight[place] -= sign * step
    assert float(slope[0][place]) == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-6)


# Distillation ---------------------------------------------------------------------------------


def test_distillation_is_torchs_divergence():
    teacher = OTHER(TEXT).detach()
    found = distillation(NETWORK, TEXT, COUNTS, teacher, soft=1.5, hard=0.0)
    for i in range(3):
        places = [j - 1 for j in range(TEXT.shape[1]) if COUNTS[i, j]]
        student = NETWORK(TEXT[i : i + 1])[0, places].log_softmax(-1)
        expected = functional.kl_div(student, teacher[i, places].softmax(-1), reduction="batchmean")
        torch.testing.assert_close(found[i], 1.5 * expected)


def test_distillation_has_known_ends():
    own, other = NETWORK(TEXT).detach(), OTHER(TEXT).detach()
    same = distillation(NETWORK, TEXT, COUNTS, own, hard=0.0)
    torch.testing.assert_close(same, torch.zeros_like(same), rtol=0, atol=1e-12)
    alone = distillation(NETWORK, TEXT, COUNTS, other, soft=0.0)
    torch.testing.assert_close(alone, next_token(NETWORK, TEXT, COUNTS))
    # A teacher that is sure of the text teaches what the text does.
    sure = 200 * functional.one_hot(TEXT.roll(-1, 1), CHARACTERS.tokens).double()
    soft = distillation(NETWORK, TEXT, COUNTS, sure, hard=0.0)
    torch.testing.assert_close(soft, alone)
    assert (distillation(NETWORK, TEXT, COUNTS, other, hard=0.0) - alone).abs().min() > 1e-2


# In the training loops ------------------------------------------------------------------------

ANSWERS = [CHARACTERS.pairs(PROMPTS * 8, [a] * 24) for a in ("1$", "23$")]
LONGEST = 7
OWN = [
    torch.stack([functional.pad(pair[k], (0, LONGEST - pair[k].shape[1])) for pair in ANSWERS])
    for k in range(2)
]
SETTINGS = dict(steps=6, batch_size=8, warmup=2)


def flat(network):
    return torch.nn.utils.parameters_to_vector(network.parameters()).detach()


@pytest.mark.parametrize("together", [True, False])
def test_many_models_are_models_one_by_one(together):
    models = [model(0).float(), model(1).float()]
    found = fit_many(
        models, next_token, own=OWN, lr=0.01, seeds=[3, 4], together=together, **SETTINGS
    )
    for i in range(2):
        data = [part[i] for part in OWN]
        one = fit(models[i], next_token, data, lr=0.01, seed=3 + i, **SETTINGS)
        torch.testing.assert_close(found.losses[i], one.losses, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(flat(found.networks[i]), flat(one.network), rtol=1e-3, atol=1e-4)


def test_many_models_on_another_device():
    run = partial(
        fit_many, [model(0).float(), model(1).float()], next_token, own=OWN, lr=0.01,
        seeds=[3, 4], **SETTINGS,
    )  # fmt: skip
    expected = run()
    with standin() as device:
        found = run(device=device)
        theirs = flat(found.networks[1])
        assert theirs.device == device
        theirs = theirs.cpu()
    torch.testing.assert_close(theirs, flat(expected.networks[1]), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("together", [True, False])
def test_a_weight_that_changes_from_step_to_step(together):
    text, counts = ANSWERS[0]
    teacher = OTHER.float()(text).detach()
    OTHER.double()
    soft = torch.tensor([[3.0, 2.0, 1.0, 0.5, 0.0, 0.0], [1.0] * 6])
    found = fit_many(
        [model(0).float()] * 2, distillation, [text, counts, teacher], lr=0.01, seeds=[7, 7],
        options={"soft": soft}, together=together, **SETTINGS,
    )  # fmt: skip
    steady = fit(
        model(0).float(), distillation, [text, counts, teacher], lr=0.01, seed=7, **SETTINGS
    )
    torch.testing.assert_close(found.losses[1], steady.losses, rtol=1e-4, atol=1e-5)
    slow = model(0).float()
    torch.testing.assert_close(
        flat(found.networks[0]),
        changing(slow, text, counts, teacher, soft[0].tolist()),
        rtol=1e-3,
        atol=1e-4,
    )
    assert (flat(found.networks[0]) - flat(found.networks[1])).abs().max() > 1e-3


def changing(network, text, counts, teacher, weights):
    """The loop of `fit` with one more line: the weight of this step."""
    optimizer = torch.optim.AdamW(network.parameters(), weight_decay=0.0)
    first = int(torch.randint(2**62, (), generator=torch.Generator().manual_seed(7)))
    draws = torch.Generator().manual_seed(first)
    for step, weight in enumerate(weights):
        if step % 3 == 0:
            order = torch.randperm(24, generator=draws)
        rows = order[step % 3 * 8 : step % 3 * 8 + 8]
        share = (step + 1) / 3 if step < 2 else (1 + math.cos(math.pi * (step - 2) / 4)) / 2
        for group in optimizer.param_groups:
            group["lr"] = 0.01 * share
        optimizer.zero_grad()
        each = distillation(network, text[rows], counts[rows], teacher[rows], soft=weight)
        each.mean().backward()
        optimizer.step()
    return flat(network)


def test_a_weight_has_one_number_a_step():
    with pytest.raises(ValueError, match=r"soft must be \(r,\) or \(r, 6\), .* got \{5\}"):
        fit_many(
            [model()], distillation, [*ANSWERS[0], ANSWERS[0][0].double()], lr=0.01, seeds=[0],
            options={"soft": [[1.0] * 5]}, **SETTINGS,
        )  # fmt: skip
