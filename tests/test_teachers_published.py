"""The cell for published models of the chapter on several teachers, with tiny ones instead."""

from __future__ import annotations

import json
import re

import pytest
import torch
from published_cell import published_cell
from tiny_models import save_models

from w2s_tutorial import metrics
from w2s_tutorial.datasets import public
from w2s_tutorial.mixtures import closest, followed, learn

transformers = pytest.importorskip("transformers", reason="needs the extra 'pretrained'")
TEACHERS = {"first": 16, "second": 24, "third": 32}


def test_the_cell_runs_with_tiny_models(tmp_path, capsys, monkeypatch):
    save_models(tmp_path, {**TEACHERS, "student": 48})
    cell = published_cell("teachers")
    names = [str(tmp_path / name) for name in TEACHERS]
    for name, value in (("TEACHERS", names), ("STUDENT", str(tmp_path / "student"))):
        pattern = rf"^{name} = (\[.*?\]|.*?)$"
        cell, found = re.subn(pattern, f"{name} = {value!r}", cell, flags=re.M | re.S)
        assert found == 1, name
    reviews = tuple(f"{word} film number {i}" for i in range(15) for word in ("good", "dull"))
    mood = torch.tensor([1, 0] * 15)
    monkeypatch.setattr(public, "sst2", lambda split: (reviews, mood))
    space = {"torch": torch, "metrics": metrics, "learn": learn, "here": torch.device("cpu")}
    space["rules"] = {"AE-KD": closest(cap=1.0, per="batch"), "RAVEN": followed(lr=0.03)}
    space["how"] = {"steps": 60, "lr": 0.03, "l2": 0.01, "batch": 10}
    exec(cell, space)
    said = space["verdicts"]
    assert said.shape == (3, 1, 30, 2)
    torch.testing.assert_close(said.sum(-1), torch.ones_like(said[..., 0]))

    # One verdict by hand: both words, letter by letter, after the review.
    words = transformers.AutoTokenizer.from_pretrained(names[1])
    model = transformers.AutoModelForCausalLM.from_pretrained(names[1]).eval()
    begun = f"Review: {reviews[4]}\nThe mood of this review is"
    nats = []
    for word in (" negative", " positive"):
        ids = words(begun + word, return_tensors="pt")["input_ids"]
        with torch.no_grad():
            log_p = model(ids).logits[0].log_softmax(-1)
        first = len(words(begun)["input_ids"])
        nats.append(sum(log_p[i - 1, ids[0, i]] for i in range(first, ids.shape[1])))
    by_hand = torch.stack(nats).softmax(0)
    torch.testing.assert_close(said[1, 0, 4].float(), by_hand, atol=1e-4, rtol=1e-3)

    lines = capsys.readouterr().out.strip().splitlines()[-3:]
    assert [line.split(" 0.")[0].split(" 1.")[0] for line in lines] == ["average", "AE-KD", "RAVEN"]
    weights = [torch.tensor(json.loads(line[line.index("[") :])) for line in lines]
    for weight in weights:
        assert float(weight.sum()) == pytest.approx(1, abs=1e-6)
    assert torch.equal(weights[0], torch.full((3,), 1 / 3))
    assert not torch.allclose(weights[1], weights[0], atol=1e-3)
