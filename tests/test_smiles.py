"""SMILES as tokens: nothing is lost, what is hidden is what was promised, bundles are tight."""

from __future__ import annotations

import pytest
import torch
from helpers_data import script
from hypothesis import given
from hypothesis import strategies as st

smiles = script("molecules/smiles")

WELL_KNOWN = {
    "ethanol": "CCO",
    "aspirin": "CC(=O)Oc1ccccc1C(=O)O",
    "caffeine": "Cn1cnc2c1c(=O)n(C)c(=O)n2C",
    "alanine": "C[C@@H](C(=O)[O-])[NH3+]",
    "difluoroethene": "F/C=C/F",
    "sodium chloride": "[Na+].[Cl-]",
    "hydrogen cyanide": "C#N",
}
TOKENS = ("C", "c", "Cl", "Br", "[nH]", "[C@@H]", "(", ")", "=", "#", "1", "%12", "/", "\\", ".")
TOKENS += ("N", "O", "[O-]", "-", ":", "$", "*", "~")
KNOWN = smiles.vocabulary(list(WELL_KNOWN.values()), least=1)


@given(st.lists(st.sampled_from(TOKENS), min_size=1, max_size=60))
def test_tokens_are_found_again_and_make_up_the_string(tokens):
    assert smiles.tokenize("".join(tokens)) == tokens


@pytest.mark.parametrize("text", WELL_KNOWN.values())
def test_well_known_molecules_survive_the_round_trip(text):
    numbers = smiles.encode([text, "C" * 60], KNOWN)[0]
    read = [KNOWN[number] for number in numbers[: smiles.lengths(numbers)].tolist()]
    assert read[0] == "<start>"
    assert read[-1] == "<end>"
    assert "".join(read[1:-1]) == text


def test_a_chlorine_is_no_carbon():
    assert smiles.tokenize("ClCCBr") == ["Cl", "C", "C", "Br"]
    assert smiles.tokenize("Clc1cc[nH]c1") == ["Cl", "c", "1", "c", "c", "[nH]", "c", "1"]


@pytest.mark.parametrize("text", ["", "C C", "CX", "C[C", "water", "C]", "[]"])
def test_what_is_no_smiles_is_refused(text):
    with pytest.raises(ValueError, match="smiles must be atoms, bonds"):
        smiles.tokenize(text)


def test_the_vocabulary_lists_frequent_tokens_first_and_drops_the_rare():
    known = smiles.vocabulary(["CCO", "CN", "CCl"], least=2)
    assert known == (*smiles.SPECIAL, "C")
    assert smiles.encode(["CCl"], known)[0].tolist() == [smiles.START, 5, smiles.UNKNOWN, 4]
    everything = smiles.vocabulary(["CCO", "CN", "CCl"], least=1)
    assert everything == (*smiles.SPECIAL, "C", "Cl", "N", "O")


def test_each_batch_is_as_long_as_its_longest():
    tokens = smiles.Encoded(smiles.encode(["C", "CC", "CCCC", "C"], KNOWN))
    assert [tuple(batch.shape) for batch in tokens.split(2)] == [(2, 4), (2, 6)]
    assert len(tokens) == 4


def test_hidden_tokens_have_the_promised_shares():
    n, t, entries, share = 400, 200, 50, 0.15
    tokens = torch.full((n, t), 7, dtype=torch.uint8)
    tokens[:, 0], tokens[:, -20:-10], tokens[:, -10:] = smiles.START, smiles.END, smiles.PAD
    generator = torch.Generator().manual_seed(0)
    shown, target = smiles.hidden(tokens, generator=generator, entries=entries)
    asked = target != smiles.NOT_ASKED
    plain = tokens == 7
    assert not asked[~plain].any()
    assert (shown[~plain] == tokens[~plain]).all()
    assert (shown[~asked] == tokens[~asked]).all()
    assert (target[asked] == 7).all()

    def z(found: torch.Tensor, out_of: int, expected: float) -> float:
        return (
            abs(int(found.sum()) / out_of - expected) / (expected * (1 - expected) / out_of) ** 0.5
        )

    number, of = int(asked.sum()), int(plain.sum())
    assert z(asked, of, share) < 4
    assert z(asked, of, share + 0.02) > 4  # control: the test would see two points
    assert z(shown[asked] == smiles.HIDDEN, number, 0.8) < 4
    other = shown[asked][(shown[asked] != smiles.HIDDEN) & (shown[asked] != 7)]
    assert z(torch.ones(len(other)), number, 0.1 * (1 - 1 / (entries - 5))) < 4
    assert set(other.tolist()) == set(range(5, entries)) - {7}
    assert z(shown[asked] == 7, number, 0.1 + 0.1 / (entries - 5)) < 4


def test_what_stands_beside_the_tokens_passes_unchanged_and_draws_repeat():
    tokens = smiles.encode(list(WELL_KNOWN.values()), KNOWN)
    beside = torch.randn(len(tokens), 3, generator=torch.Generator().manual_seed(1))

    def draw(seed: int) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(seed)
        return smiles.hidden(tokens, beside, generator=generator, entries=len(KNOWN))

    first, again, other = draw(0), draw(0), draw(1)
    assert first[2] is beside
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[1], other[1])


def test_bundles_hold_molecules_of_nearly_equal_length():
    generator = torch.Generator().manual_seed(0)
    counts = torch.randint(1, 60, (500,), generator=generator)
    tokens = smiles.encode(["C" * int(count) for count in counts], KNOWN)
    rows = smiles.bundles(tokens, 16, generator=generator)
    assert rows.shape == (31, 16)
    assert len(rows.unique()) == rows.numel()

    def padding(chosen: torch.Tensor) -> float:
        kept = smiles.lengths(tokens[chosen])
        return 1 - float(kept.sum() / (kept.amax(1) * chosen.shape[1]).sum())

    anyhow = torch.randperm(500, generator=generator)[:496].view(31, 16)
    assert padding(rows) < 0.05 < 0.3 < padding(anyhow)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: smiles.vocabulary(["C"], least=0), "least must be at least 1, got 0"),
        (lambda g: smiles.encode([], KNOWN), "at least 1 SMILES string, got 0"),
        (lambda g: smiles.encode(["C"], ["C"]), "known must begin with"),
        (lambda g: smiles.bundles(torch.ones(3, 2), 4, generator=g), "size must lie in 1..3"),
        (lambda g: smiles.hidden(torch.ones(1), generator=g, share=0.0, entries=9), "share must"),
        (lambda g: smiles.hidden(torch.ones(1), generator=g, entries=5), "entries must exceed"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.Generator())
