"""The transformer on molecules: deterministic, blind to padding, trained for what it says."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from helpers_data import script
from test_smiles import KNOWN, WELL_KNOWN, smiles

from w2s_tutorial.networks import train
from w2s_tutorial.networks.features import extract
from w2s_tutorial.storage import load_tensors

molecular = script("molecules/molecular")
see, weak_network = molecular.see, molecular.weak_network

STRINGS = list(WELL_KNOWN.values())


def network(width: int = 16, seed: int = 0) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(seed)
    return molecular.build(KNOWN, width, depth=2, descriptors=3, seed=generator)


def test_padding_changes_nothing():
    tokens = smiles.encode(STRINGS, KNOWN)
    longer = torch.nn.functional.pad(tokens, (0, 25), value=smiles.PAD)
    with torch.no_grad():
        plain, padded = network()(tokens), network()(longer)
        # Controls: attention that sees the padding, and a mean that counts it, both give it away.
        naive = network().read(longer).mean(1)
        hidden = longer.clone()
        hidden[longer == smiles.PAD] = smiles.HIDDEN
        seen = network().read(hidden)[:, : tokens.shape[1]]
    assert (plain - padded).abs().max() < 1e-5
    assert (plain - naive).abs().max() > 0.1
    assert (plain - molecular.pooled(seen, tokens)).abs().max() > 1e-2


def test_pooling_is_the_mean_over_tokens():
    tokens = torch.tensor([[3, 9, 4, 0], [3, 9, 9, 4]], dtype=torch.uint8)
    x = torch.arange(16.0).view(2, 4, 2)
    assert molecular.pooled(x, tokens).tolist() == [[2.0, 3.0], [11.0, 12.0]]


def test_features_do_not_depend_on_company_order_or_mode():
    alone = torch.cat([see(network(), [text]) for text in STRINGS])
    together = see(network(), STRINGS)
    assert torch.equal(together, see(network(), STRINGS))
    assert (alone - together).abs().max() < 1e-5
    assert (see(network(), STRINGS[::-1]).flip(0) - together).abs().max() < 1e-5
    training = network().train()
    tokens = smiles.encode(STRINGS, KNOWN)
    with torch.no_grad():
        assert torch.equal(training(tokens), training(tokens))  # no dropout
        assert (training(tokens) - together).abs().max() < 1e-5


def test_the_order_of_the_atoms_matters():
    first, second = see(network(), ["CCOC", "COCC"])  # one molecule written twice
    other = see(network(), ["CCCO"])[0]
    assert (first - second).abs().max() > 1e-3
    assert (first - other).abs().max() > 1e-3


def test_positions_differ_and_go_on_for_ever():
    table = molecular.positions(300, 12)
    apart = torch.cdist(table, table) + 9 * torch.eye(300)
    assert table.shape == (300, 12)
    assert apart.min() > 0.1
    assert torch.equal(table[:5], molecular.positions(5, 12))


def test_the_loss_is_the_one_written_down():
    generator = torch.Generator().manual_seed(3)
    tokens = smiles.encode(STRINGS[:6], KNOWN).view(3, 2, -1)
    described = torch.randn(3, 2, 3, generator=generator)
    shown, target = smiles.hidden(tokens, generator=generator, entries=len(KNOWN), share=0.5)
    with torch.no_grad():
        loss = molecular.pretext(network(), shown, target, described)
        expected = torch.zeros(3)
        for b in range(3):
            for m in range(2):
                one = smiles.trimmed(shown[b, m][None])
                x = network().read(one)
                logs = network().guess(x)[0].log_softmax(-1)
                asked = [at for at in range(one.shape[1]) if target[b, m, at] >= 0]
                wrong = [-logs[at, target[b, m, at]] for at in asked]
                off = network().describe(x.mean(1))[0] - described[b, m]
                nats = torch.stack(wrong).mean() if wrong else torch.zeros(())
                expected[b] += (nats + off.square().mean()) / 2
    assert (target >= 0).any()
    assert (loss - expected).abs().max() < 1e-5


def test_training_teaches_the_next_molecule_not_only_the_last():
    # Chains of one kind of atom: a hidden atom is told by its neighbours, the length by counting.
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(3, 20, (128,), generator=generator).tolist()
    strings = [("C", "N", "O")[k % 3] * length for k, length in enumerate(lengths)]
    tokens = smiles.encode(strings, KNOWN)
    described = torch.tensor(lengths)[:, None].expand(-1, 3) / 6 - 2
    rows = smiles.bundles(tokens, 8, generator=generator)
    held, rows = rows[::4], torch.cat([rows[1::4], rows[2::4], rows[3::4]])
    augment = partial(smiles.hidden, entries=len(KNOWN))
    data = [tokens[rows], described[rows]]
    fitted = train.fit(
        *(network(), molecular.pretext, data),
        **{"steps": 150, "batch_size": 4, "micro_batch": 1, "lr": 1e-2, "warmup": 10},
        seed=generator,
        augment=augment,
    )
    fresh = augment(tokens[held], described[held], generator=generator)
    with torch.no_grad():
        before = molecular.pretext(network(), *fresh).mean()
        after = molecular.pretext(fitted.network, *fresh).mean()
        others = molecular.pretext(fitted.network, *fresh[:2], fresh[2].flip(0)).mean()
    assert after < 0.25 * before
    assert others > 2 * after  # control: other molecules' descriptors are not told


def test_weights_come_back_as_the_same_network(tmp_path):
    rounded = network(width=8)
    for weight in rounded.parameters():
        weight.data = weight.half().float()
    molecular.save(rounded, tmp_path / "weak_8.safetensors", seed=0)
    back = weak_network(8, folder=tmp_path)
    assert back.vocabulary == KNOWN
    assert torch.equal(see(back, STRINGS), see(rounded, STRINGS))
    assert not any(weight.requires_grad for weight in back.parameters())
    assert load_tensors(tmp_path / "weak_8.safetensors")[1]["seed"] == 0


def test_extract_takes_encoded_molecules():
    tokens = smiles.Encoded(smiles.encode(STRINGS, KNOWN))
    features = extract(network(), tokens, batch_size=2, dtype=torch.float32)
    assert (features - see(network(), STRINGS)).abs().max() < 1e-5


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: molecular.assemble(KNOWN, 10, 2, 3), "width must be a multiple of 4, got 10"),
        (lambda: molecular.assemble(KNOWN, 8, 0, 3), "depth must be at least 1, got 0"),
        (lambda: molecular.assemble(KNOWN, 8, 2, 0), "descriptors must be at least 1, got 0"),
        (lambda: weak_network(10), r"width must be one of \(8, 12, .*got 10"),
        (lambda: molecular.strong_features("qm9"), "name must be one of .*got 'qm9'"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
