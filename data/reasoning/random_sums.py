"""The null of the wrong derivations, eight seeds: python data/reasoning/random_sums.py.

Writes random_sums.csv: what a student scores after derivations whose four sums are drawn at random,
on the questions of the wrong ones, and after the wrong ones themselves, trained beside them.
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pandas as pd
import torch
from make import PACKAGE, SEEDS, TEST, UPDATES, N, rates

from w2s_tutorial.simulation import reasoning as r
from w2s_tutorial.simulation import weak_reasoner as w
from w2s_tutorial.storage import describe
from w2s_tutorial.tables import load_result, save_result

HERE = Path(__file__).parent


def null(seed: int) -> pd.DataFrame:
    """Pass@1 and its companions after 20 updates, for both sets of one seed."""
    torch.set_num_threads(1)
    pool, asked = r.questions(N, seed=1000 + seed), r.questions(TEST, seed=2000 + seed)
    cast = w.cast(seed=seed)
    sets = w.traces(cast, pool, seed=seed)  # all of them, in their order: texts are drawn in turn
    hard = sets["wrong"][0]
    sets["random sums"] = hard, r.derivations(hard, wrong=1.0, seed=seed)
    texts = [r.texts(*pair) for pair in sets.values()]
    tuned = dict(zip(sets, r.tune(cast.student, texts, updates=UPDATES, seed=seed), strict=True))
    rows = []
    for arm in ("wrong", "random sums"):
        digits, written = sets[arm]
        facts = {
            "examples": len(digits),
            "taught": float((r.read(written).value == r.truth(digits)).double().mean()),
            "steps": float(r.right_steps(digits, written).double().mean()),
        }
        rows.append({"arm": arm, "updates": UPDATES, **rates(tuned[arm], asked), **facts})
    return pd.DataFrame(rows).assign(seed=seed)


def main() -> None:
    torch.set_num_threads(1)
    with ProcessPoolExecutor(2) as pool:
        table = pd.concat(pool.map(null, SEEDS), ignore_index=True)
    numbers = table.select_dtypes("float").columns
    table[numbers] = table[numbers].map(lambda value: float(f"{value:.4g}"))
    parts = ["simulation/reasoning", "simulation/weak_reasoner"]
    parts += [f"networks/{name}" for name in ("decoder", "language", "many", "train")]
    files = {f"{part}.py": PACKAGE / f"{part}.py" for part in parts}
    files |= {name: HERE / name for name in ("make.py", "random_sums.py")}
    facts = describe("python data/reasoning/random_sums.py", files=files, heads=1)
    save_result(table, HERE / "random_sums.csv", facts | {"seeds": list(SEEDS)})
    stored = load_result(HERE / "arms.csv").query("arm == 'wrong'")["right"].to_numpy()
    print("differs from arms.csv by", table.query("arm == 'wrong'")["right"].to_numpy() - stored)


if __name__ == "__main__":
    main()
