"""Small models with random weights, of the classes that the notebooks call by name."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

LETTERS = [chr(code) for code in range(32, 127)] + ["\n"]


def save_models(folder: Path, widths: dict[str, int], *, templates: tuple[str, ...] = ()) -> None:
    """Models of Qwen's second kind that read and write characters, each in a folder of its name.

    Args:
        widths: name -> width, which is the seed of its weights too.
        templates: names of those that have a template for chats.
    """
    transformers = pytest.importorskip("transformers")
    tokenizers = pytest.importorskip("tokenizers")
    vocabulary = {c: i for i, c in enumerate(["<pad>", "<end>", *LETTERS])}
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocabulary, unk_token="<pad>"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    words.decoder = tokenizers.decoders.Fuse()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<pad>", eos_token="<end>"
    )
    heads = {"num_hidden_layers": 2, "num_attention_heads": 2, "num_key_value_heads": 1}
    ends = {"pad_token_id": 0, "eos_token_id": 1, "bos_token_id": None}
    for name, width in widths.items():
        sizes = {"hidden_size": width, "intermediate_size": 2 * width, **heads}
        config = transformers.Qwen2Config(
            vocab_size=len(vocabulary), max_position_embeddings=256, **sizes, **ends
        )
        with torch.random.fork_rng():
            torch.manual_seed(width)
            transformers.Qwen2ForCausalLM(config).save_pretrained(folder / name)
        tokenizer.chat_template = "{{ messages[0]['content'] }} >" if name in templates else None
        tokenizer.save_pretrained(folder / name)
