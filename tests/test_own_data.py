"""The page on one's own data: the blocks that the book does not run, run on small stand-ins."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.linear_model import LogisticRegression

PAGE = (Path(__file__).parents[1] / "book" / "own_data.md").read_text("utf-8")
ADULT, HUB = re.findall(r"```python\n(.*?)```", PAGE, re.S)

WORDS = {
    "workclass": ["Private", "State-gov", "?"],
    "education": ["Bachelors", "HS-grad", "Masters"],
    "marital_status": ["Never-married", "Divorced"],
    "occupation": ["Sales", "Tech-support", "Craft-repair", "?"],
    "relationship": ["Husband", "Own-child"],
    "race": ["White", "Black", "Other"],
    "sex": ["Male", "Female"],
    "native_country": ["United-States", "Cuba"],
}
COLUMNS = re.search(r"columns = \(\n(.*?)\n\)\.split", ADULT, re.S)[1].replace('"', "").split()


def census(folder: Path) -> None:
    """A file of the form of the census data: no header, a blank after each comma, two classes."""
    g = np.random.default_rng(0)
    n = 9000
    table = pd.DataFrame({name: g.choice(words, n) for name, words in WORDS.items()})
    table["age"], table["education_num"] = g.integers(17, 90, n), g.integers(1, 17, n)
    table["fnlwgt"], table["hours_per_week"] = g.integers(10**4, 10**6, n), g.integers(1, 99, n)
    table["capital_gain"], table["capital_loss"] = g.choice([0, 2174], n), g.choice([0, 1902], n)
    worth = 0.5 * table["education_num"] + 0.05 * table["age"] + 4 * (table["sex"] == "Male")
    rich = worth + 3 * (table["occupation"] == "Sales") + 2 * g.normal(size=n) > 13
    table["income"] = np.where(rich, ">50K", "<=50K")
    lines = table[COLUMNS].astype(str).agg(", ".join, axis=1)
    (folder / "adult.data").write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_adult_goes_from_a_file_to_intervals(tmp_path, monkeypatch):
    assert len([line for line in ADULT.splitlines() if line.strip()]) < 30
    census(tmp_path)
    monkeypatch.chdir(tmp_path)
    namespace: dict = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(ADULT, "own_data.md", "exec"), namespace)
    for word in ("PGR", "OPR", "labeled", "ceiling {'Female'"):
        assert word in printed.getvalue()
    assert namespace["outcome"].failed == {}
    # One draw of it, as scikit-learn has it.
    labeled, pool, test = (namespace[name] for name in ("labeled", "pool", "test"))
    found = namespace["outcome"].accuracies(test)
    head = lambda n: LogisticRegression(C=1 / (0.01 * n), tol=1e-8, max_iter=5000)
    y = {name: namespace[name].target[3].argmax(-1) for name in ("labeled", "pool", "test")}
    teacher = head(500).fit(labeled.weak[3], y["labeled"])
    student = head(4000).fit(pool.strong[3], teacher.predict(pool.weak[3]))
    assert teacher.score(test.weak[3], y["test"]) == pytest.approx(
        float(found["weak"][3]), abs=4e-4
    )
    assert student.score(test.strong[3], y["test"]) == pytest.approx(
        float(found["student"][3]), abs=4e-4
    )


def local_model(folder: Path, width: int) -> str:
    """A tiny language model with its tokenizer, as a hub would store it."""
    from transformers import BertConfig, BertModel, BertTokenizerFast

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film", "a"]
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(words), encoding="utf-8")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    shape = {"hidden_size": width, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = BertConfig(vocab_size=len(words), intermediate_size=16, **shape)
    BertModel(config).save_pretrained(folder)
    return str(folder)


def test_two_models_become_two_views(tmp_path, monkeypatch):
    monkeypatch.setenv("W2S_DEVICE", "cpu")
    monkeypatch.chdir(tmp_path)
    names = {
        "prajjwal1/bert-mini": local_model(tmp_path / "mini", 8),
        "google-bert/bert-base-uncased": local_model(tmp_path / "base", 16),
    }
    block = HUB
    for name, folder in names.items():
        assert name in block
        block = block.replace(name, folder)
    texts = ["good film", "a bad film", "bad", "a good good film"] * 40
    labels = ["bad" if "bad" in text else "good" for text in texts]
    pd.DataFrame({"text": texts, "label": labels}).to_csv("texts.csv", index=False)
    namespace: dict = {}
    exec(compile(block, "own_data.md", "exec"), namespace)
    whole = namespace["whole"]
    assert (whole.weak.shape, whole.strong.shape) == ((160, 8), (160, 16))
    assert whole.classes == ("bad", "good")
    # Padding does not count: a text has the same features whatever stands beside it.
    torch.testing.assert_close(whole.weak[0], whole.weak[4])
    alone = namespace["embed"](names["prajjwal1/bert-mini"], texts, batch=1)
    torch.testing.assert_close(alone, whole.weak, rtol=1e-3, atol=1e-4)
