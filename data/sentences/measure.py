"""Who teaches an encoder of sentences: python data/sentences/measure.py (a minute of one core).

Reads features.npz; writes measured.csv, the four roles and the gain for every teacher. Two of the
teachers need no labels: a list of words with moods (VADER), and, as its control, true labels of
which as many of each class are turned as VADER gets wrong, but at random.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from w2s_tutorial.datasets import frozen
from w2s_tutorial.datasets.real import SENTENCES, sentence_features
from w2s_tutorial.heads import fit_logistic
from w2s_tutorial.metrics import accuracy, bootstrap_interval, pgr
from w2s_tutorial.pipeline import hard
from w2s_tutorial.storage import describe, generator_for
from w2s_tutorial.tables import save_result, summarize

HERE = Path(__file__).parent
HEADS, SEED, L2, POOL, STUDENT = 20, 0, 0.1, 2000, "minilm"
LEARNED = [("glove", 200), ("glove", 500), ("bag_of_words", 200), ("bag_of_words", 500)]
LEARNED += [("minilm", 200)]
"""Views and labels of teachers that learn; the last is the student's own view, the control."""
GIVEN = ("vader", "vader, zeros left out", "as many at random", "vader, exchanged")
LABELED = 500  # of the baseline beside teachers that need none


def rows(seen: frozen.FrozenFeatures, part: str, n: int, heads: int) -> Tensor:
    """Rows of a part (heads, n), drawn without replacement for every head."""
    there = seen._rows(part)
    if not n <= len(there):
        raise ValueError(f"n must be at most {len(there)}, got {n}")
    stream = generator_for({"part": part}, seed=SEED)
    return there[torch.rand(heads, len(there), generator=stream).argsort(-1)[:, :n]]


def told(seen: frozen.FrozenFeatures, teacher: str, row: Tensor) -> Tensor:
    """What a teacher without labels says of rows (heads, n, 2); zeros where it says nothing."""
    score, label = seen.features["vader"][row][..., 0], seen.label[row]
    says = one_hot((score > 0).long(), 2).float()
    generator = torch.Generator().manual_seed(SEED)
    chance = torch.rand(row.shape, generator=generator)
    if teacher == "vader, zeros left out":
        return says * (score != 0)[..., None]
    if teacher == "vader, exchanged":
        return says.gather(1, chance.argsort(-1)[..., None].expand_as(says))
    if teacher == "as many at random":
        wrong = says.argmax(-1) != label
        rate = torch.stack([wrong[label == y].float().mean() for y in (0, 1)])
        return one_hot(torch.where(chance < rate[label], 1 - label, label), 2).float()
    return says


def roles(
    seen: frozen.FrozenFeatures, teacher: str, labeled: int, heads: int = HEADS
) -> dict[str, Tensor]:
    """Accuracies (heads,) of the four roles on the test set."""
    known, pool = rows(seen, "labeled", labeled, heads), rows(seen, "pool", POOL, heads)
    test = seen._rows("test")
    target = {name: one_hot(seen.label[r], 2).float() for name, r in (("l", known), ("p", pool))}
    truth = one_hot(seen.label[test], 2).float().expand(heads, -1, -1)

    def learned(view: str, at: Tensor, labels: Tensor) -> Callable[[Tensor], Tensor]:
        fitted = fit_logistic(seen.features[view][at], labels, l2=L2)
        return lambda where: fitted(seen.features[view][where])

    if teacher in GIVEN:
        says, weak = told(seen, teacher, pool), told(seen, teacher, test.expand(heads, -1))
    else:
        weak_heads = learned(teacher, known, target["l"])
        says, weak = hard(weak_heads(pool)), weak_heads(test)
    if teacher == "vader, zeros left out":
        student = _on_those_named(seen, pool, says)(seen.features[STUDENT][test])
        weak = told(seen, "vader", test.expand(heads, -1))
    else:
        student = learned(STUDENT, pool, says)(test)
    baseline = learned(STUDENT, known, target["l"])(test)
    ceiling = learned(STUDENT, pool, target["p"])(test)
    outputs = {"weak": weak, "student": student, "baseline": baseline, "ceiling": ceiling}
    return {role: accuracy(output, truth) for role, output in outputs.items()}


def _on_those_named(
    seen: frozen.FrozenFeatures, pool: Tensor, says: Tensor
) -> Callable[[Tensor], Tensor]:
    """A student of each head that never meets what its teacher left out, however many there are."""
    fitted = []
    for row, labels in zip(pool, says, strict=True):
        named = labels.sum(-1) > 0
        fitted.append(
            fit_logistic(seen.features[STUDENT][row[named]][None], labels[named][None], l2=L2)
        )
    return lambda x: torch.cat([heads(x) for heads in fitted])


def measured(heads: int = HEADS) -> pd.DataFrame:
    """A row for each teacher and role, for the gain, the student's lead over the baseline, PGR."""
    seen, long, ratios = sentence_features(), [], []
    for teacher, labeled in [*LEARNED, *((name, LABELED) for name in GIVEN)]:
        found = roles(seen, teacher, labeled, heads)
        ratio = {"teacher": teacher, "n_labeled": labeled, "role": "PGR", "heads": heads}
        three = (found["weak"], found["student"], found["ceiling"])
        low, high = bootstrap_interval(pgr, *three, seed=SEED)
        ratio |= {"mean": float(pgr(*three)), "low": float(low), "high": float(high)}
        ratios.append(ratio)
        found["gain"] = found["student"] - found["weak"]
        found["ahead"] = found["student"] - found["baseline"]
        long += [
            {"teacher": teacher, "n_labeled": labeled, "role": role, "head": h, "value": float(v)}
            for role, values in found.items()
            for h, v in enumerate(values)
        ]
    table = summarize(pd.DataFrame(long), ["teacher", "n_labeled", "role"])
    return pd.concat([table, pd.DataFrame(ratios)[list(table)]], ignore_index=True).round(4)


def main(folder: Path = HERE, heads: int = HEADS) -> None:
    start = time.process_time()
    table = measured(heads)
    facts: dict[str, Any] = describe(
        "python data/sentences/measure.py",
        files={"features.npz": SENTENCES},
        processor_seconds=round(time.process_time() - start),
        seed=SEED,
        heads=heads,
        l2=L2,
        pool=POOL,
        student=STUDENT,
    )
    save_result(table, folder / "measured.csv", facts)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
