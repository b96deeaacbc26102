"""Reasoning from a weak reasoner, eight seeds: python data/reasoning/make.py (ten minutes).

Writes arms.csv (what a student scores after each kind of traces), course.csv (along a training)
and staged.csv (the two-stage cure and its controls, by difficulty), each with its provenance.
Seeds that were measured before are kept in _build/reasoning and not measured again.
"""

from __future__ import annotations

import time
from pathlib import Path

import pandas as pd
import torch

import w2s_tutorial
from w2s_tutorial.networks.language import next_token
from w2s_tutorial.simulation import reasoning as r
from w2s_tutorial.simulation import weak_reasoner as w
from w2s_tutorial.storage import content_key, describe
from w2s_tutorial.tables import load_result, save_result

HERE = Path(__file__).parent
PACKAGE = Path(w2s_tutorial.__file__).parent
SEEDS, N, TEST, GRADED = range(8), 1000, 300, 500
UPDATES = 20
LOOKS = (10, 20, 40, 80)
DRAWS, SHARE, STAGED = 8, 0.625, 120


def rates(model: torch.nn.Module, asked: torch.Tensor, **how: bool) -> dict[str, float]:
    """Shares of answers that are right, ended, and derived."""
    said = r.read(r.write(model, asked, **how))
    right = said.value == r.truth(asked)
    parts = {"right": right, "ended": said.ended, "derived": said.derived}
    return {name: float(part.double().mean()) for name, part in parts.items()}


def arms(cast: w.Cast, seed: int) -> pd.DataFrame:
    """Who scores what before, and after training on each kind of traces."""
    pool, asked = r.questions(N, seed=1000 + seed), r.questions(TEST, seed=2000 + seed)
    rows = [
        {"arm": "weak", "updates": 0, **rates(cast.weak, asked)},
        {"arm": "speaker alone", "updates": 0, **rates(cast.speaker, asked)},
        {"arm": "student", "updates": 0, **rates(cast.student, asked)},
        {"arm": "told to derive", "updates": 0, **rates(cast.student, asked, derive=True)},
    ]
    shown = w.traces(cast, pool, seed=seed)
    sets = [r.texts(*pair) for pair in shown.values()]
    tuned = r.tune(cast.student, sets, updates=UPDATES, seed=seed)
    for (arm, (digits, written)), model in zip(shown.items(), tuned, strict=True):
        taught = float((r.read(written).value == r.truth(digits)).double().mean())
        facts = {"examples": len(digits), "taught": taught}
        rows.append({"arm": arm, "updates": UPDATES, **rates(model, asked), **facts})
    return pd.DataFrame(rows)


def course(cast: w.Cast, seed: int) -> pd.DataFrame:
    """Trainings on all and on right traces: accuracy, and the loss on traces held out."""
    pool, asked = r.questions(N, seed=1000 + seed), r.questions(TEST, seed=2000 + seed)
    shown = w.traces(cast, pool, seed=seed)
    more = r.questions(TEST, seed=3000 + seed)
    held = r.texts(more, r.write(cast.weak, more, temperature=1.0, seed=seed + 1))
    rows = []
    for arm in ("all", "right"):
        models = r.snapshots(cast.student, r.texts(*shown[arm]), LOOKS, seed=seed)
        for updates, model in zip(LOOKS, models, strict=True):
            with torch.no_grad():
                loss = float(next_token(model, *held).mean())
            right = float(r.pass_at_1(model, asked).mean())
            rows.append({"arm": arm, "updates": updates, "held": loss, "right": right})
    return pd.DataFrame(rows)


def staged(cast: w.Cast, seed: int) -> pd.DataFrame:
    """The two-stage cure on graded questions; difficulty -1 stands for all of them."""
    pool = r.questions(GRADED, seed=4000 + seed, large=w.EVERY)
    asked = r.questions(TEST, seed=5000 + seed, large=w.EVERY)
    large = (asked >= r.BASE).sum(1)
    rows = []

    def look(arm: str, updates: int, model: torch.nn.Module, **facts: float) -> None:
        right = r.pass_at_1(model, asked)
        each = {-1: right} | {level: right[large == level] for level in w.EVERY}
        for level, part in each.items():
            score = float(part.mean())
            rows.append({"arm": arm, "updates": updates, "large": level, "right": score, **facts})

    look("weak", 0, cast.graded)
    shown = w.staged(
        cast.student, cast.graded, pool, draws=DRAWS, share=SHARE, updates=STAGED, seed=seed
    )
    sets = [r.texts(*pair) for pair in shown.values()]
    tuned = r.tune(cast.student, sets, updates=STAGED, seed=seed)
    for (arm, (digits, written)), model in zip(shown.items(), tuned, strict=True):
        taught = float((r.read(written).value == r.truth(digits)).double().mean())
        hard = float((digits >= r.BASE).sum(1).double().mean())
        look(arm, STAGED, model, examples=len(digits), taught=taught, mean_large=hard)
    return pd.DataFrame(rows)


PARTS = {"arms": arms, "course": course, "staged": staged}


def seed_of(seed: int, code: str) -> dict[str, pd.DataFrame]:
    """The three tables of one seed, from the disk where the same code measured them."""
    key = content_key(code, seed)
    folder = HERE.parents[1] / "_build" / "reasoning"
    paths = {name: folder / f"{name}-{seed}-{key[:12]}.csv" for name in PARTS}
    if not all(path.exists() for path in paths.values()):
        folder.mkdir(parents=True, exist_ok=True)
        start = time.process_time()
        cast = w.cast(seed=seed)
        steps = {f"looks {name}": len(seen) for name, seen in cast.probes.items()}
        for name, make in PARTS.items():
            table = make(cast, seed).assign(seed=seed)
            spent = {"processor_seconds": time.process_time() - start, **steps}
            save_result(table, paths[name], spent)
    return {name: load_result(path) for name, path in paths.items()}


def main() -> None:
    torch.set_num_threads(1)
    parts = ["simulation/reasoning", "simulation/weak_reasoner"]
    parts += [f"networks/{name}" for name in ("decoder", "language", "many", "train")]
    files = {f"{part}.py": PACKAGE / f"{part}.py" for part in parts}
    files["make.py"] = Path(__file__)
    code = content_key([path.read_text("utf-8") for path in files.values()])
    facts = describe("python data/reasoning/make.py", files=files, heads=1)
    found = []
    for seed in SEEDS:
        found.append(seed_of(seed, code))
        for name in PARTS:
            table = pd.concat([tables[name] for tables in found], ignore_index=True)
            numbers = table.select_dtypes("float").columns
            table[numbers] = table[numbers].map(lambda value: float(f"{value:.4g}"))
            told = {"seeds": list(SEEDS[: len(found)])}
            save_result(table, HERE / f"{name}.csv", facts | told)


if __name__ == "__main__":
    main()
