"""The cell for published models, with tiny ones of the same classes in their place."""

from __future__ import annotations

import re

import pytest
import torch
from published_cell import published_cell

from w2s_tutorial import growing
from w2s_tutorial.networks.language import distillation

transformers = pytest.importorskip("transformers", reason="needs the extra 'pretrained'")
SIZES = {"num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 64}


def save_models(folder, words: int) -> dict[str, str]:
    """A tiny teacher and a larger one of the family that the cell names, and their tokenizer."""
    names = {}
    for role, layers in (("teacher", 1), ("student", 2)):
        config = transformers.GPTNeoXConfig(
            vocab_size=words, hidden_size=16, num_hidden_layers=layers, **SIZES
        )
        with torch.random.fork_rng():
            transformers.GPTNeoXForCausalLM(config).save_pretrained(folder / role)
        names[role] = str(folder / role)
    return names


def save_tokenizer(folder, text: str) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers

    letters = {c: i for i, c in enumerate(["?", *sorted(set(text))])}
    tokenizer = Tokenizer(models.WordLevel(letters, unk_token="?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    whole = transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="?")
    whole.save_pretrained(folder)


def test_the_cell_runs_with_tiny_models(tmp_path, capsys, recwarn):
    cell = published_cell("growing")
    text = growing.help_text()[:6000]
    names = save_models(tmp_path, words=200)
    save_tokenizer(tmp_path / "teacher", text)
    cell = re.sub(r"^NAMES = .*$", f"NAMES = {names!r}", cell, flags=re.M)
    cell = re.sub(r"^LENGTH.*$", "LENGTH, ROWS, STEPS = 32, 4, 40", cell, flags=re.M)
    space = {"torch": torch, "pages": text, "here": torch.device("cpu")}
    exec(cell, space | {"growing": growing, "distillation": distillation})
    said = dict(line.rsplit(" ", 1) for line in capsys.readouterr().out.strip().splitlines()[-3:])
    assert list(said) == ["0", "1", "4 to 0"]
    alone, beside, released = map(float, said.values())
    uniform = torch.tensor(200.0).log()
    assert alone < uniform - 0.3, "it learns something"
    # An untrained teacher says nearly the same of all characters, and holds its student there.
    assert alone < beside < uniform
    assert alone < released < uniform
