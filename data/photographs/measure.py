"""Who gains from a pool that misleads less: python data/photographs/measure.py

Five minutes of one core, after make.py, and as long again for the network's look at two more
classes. Reads the stored features and, for what is repeated (other classes, thresholds, parts, and
a border that is none), the pictures. Writes probes.csv (what linear heads read from each view),
gains.csv (the four roles and the gain over shares of labelled set and pool) and changes.csv (the
gain at a pool's share of .5 less that at .05, paired by head).
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from make import HERE, STORE, VIEWS, Pair
from pictures import blueness, dealt, pairs, source, threshold
from torch.nn.functional import one_hot

from w2s_tutorial import shares
from w2s_tutorial.datasets import frozen
from w2s_tutorial.datasets.real import PHOTOGRAPHS, photograph_features
from w2s_tutorial.heads import fit_logistic
from w2s_tutorial.metrics import accuracy
from w2s_tutorial.storage import describe, load_arrays
from w2s_tutorial.tables import save_result, summarize

HEADS, SEED = 20, 0
L2 = 0.01
TEACHERS = ("pixels", "stage1", "hog", "lite0")
"""The last one teaches itself: the control that has nothing to gain."""
LABELED, POOL = (0.05, 0.5), (0.05, 0.15, 0.3, 0.5)
SIZES: dict[str, Any] = {"n_labeled": (300,), "n_pool": (1200,), "n_test": 1000}
MAIN = next(iter(PHOTOGRAPHS))
STORED = {"/".join(pair): pair for pair in PHOTOGRAPHS}


def probes(seen: frozen.FrozenFeatures, heads: int = HEADS) -> pd.DataFrame:
    """Heads that learn the label, and heads that learn the border, of balanced sets."""
    sizes = {"labeled": 300, "test": 1000}
    rows = []
    for view in seen.features:
        sets = frozen.draw(
            seen,
            view,
            view,
            sizes=sizes,
            minority=dict.fromkeys(sizes, 0.5),
            heads=heads,
            seed=SEED,
        )
        for what in ("label", "border"):
            target = {
                part: one_hot(s.group // 2 if what == "label" else s.group % 2, 2).float()
                for part, s in sets.items()
            }
            output = fit_logistic(sets["labeled"].strong, target["labeled"], l2=L2)(
                sets["test"].strong
            )
            right = accuracy(output, target["test"])
            rows += [
                {"view": view, "what": what, "head": h, "value": float(v)}
                for h, v in enumerate(right)
            ]
    return summarize(pd.DataFrame(rows), ["view", "what"])


def measured(
    seen: frozen.FrozenFeatures, heads: int = HEADS, **changes: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """gains and changes of all teachers of one student."""
    settings = {"minority_labeled": LABELED, "minority_pool": POOL, **SIZES, **changes}
    teachers = [(name, "lite0") for name in settings.pop("teachers", TEACHERS)]
    table = shares.grid(seen, teachers, heads=heads, l2=L2, seed=SEED, **settings)
    table = table[(table["measure"] == "accuracy") & table["where"].isin(["all", "worst"])]
    where = table["where"].where(table["role"] == "student", "all")
    table = table[table["where"] == where]
    role = table["role"] + table["where"].map({"all": "", "worst": "_worst"})
    cell = ["weak", "minority_labeled", "minority_pool", "head"]
    wide = table.assign(role=role).pivot(index=cell, columns="role", values="value")
    wide["gain"] = wide["student"] - wide["weak"]
    wide["ahead"] = wide["student"] - wide["baseline"]
    long = wide.stack().rename("value").reset_index()
    low, high = min(settings["minority_pool"]), max(settings["minority_pool"])
    by_pool = wide["gain"].unstack("minority_pool")
    change = (by_pool[high] - by_pool[low]).rename("value").reset_index()
    keys = ["weak", "minority_labeled"]
    return summarize(long, [*keys, "minority_pool", "role"]), summarize(change, keys)


def shuffled(seen: frozen.FrozenFeatures) -> frozen.FrozenFeatures:
    """The same, with the borders of each class's pictures in each part exchanged at random."""
    generator = torch.Generator().manual_seed(SEED)
    assert seen.attribute is not None
    assert seen.part is not None
    attribute, cell = seen.attribute.clone(), 2 * seen.part + seen.label
    for k in cell.unique():
        rows = (cell == k).nonzero().flatten()
        attribute[rows] = attribute[rows[torch.randperm(len(rows), generator=generator)]]
    return replace(seen, attribute=attribute)


def again(pair: Pair) -> frozen.FrozenFeatures:
    features = {view: pair.kept(view, k)[0].float() for view, k in VIEWS.items()}
    return frozen.FrozenFeatures(features, pair.label, pair.part, pair.attribute)


def repeated(store: Path) -> dict[str, frozen.FrozenFeatures]:
    """What the rule asks to repeat; both stored pairs come first."""
    images, kind = source()
    blue = blueness(images)
    found = {name: photograph_features(*pair) for name, pair in STORED.items()}
    ranked = pairs(blue, kind)[["first", "second"]].head(4).itertuples(index=False, name=None)
    for pair in [p for p in ranked if p not in PHOTOGRAPHS]:
        found["/".join(pair)] = again(Pair(images, kind, pair, store))
    for pair, quantiles in ((MAIN, (0.4, 0.6)), (("truck", "ship"), ())):
        name = "/".join(pair)
        limits = {f"quantile {q}": threshold(blue, kind, pair, q) for q in quantiles}
        seen = found[name]
        picture = torch.from_numpy(load_arrays(PHOTOGRAPHS[pair])["picture"]).long()
        for told, limit in (limits | {"15 grey levels": 15.0}).items():
            found[f"{name}, {told}"] = replace(seen, attribute=(blue[picture] > limit).long())
    name = "/".join(MAIN)
    for seed in (1, 2, 3):
        part = dealt(found[name].label, found[name].attribute, seed=seed)
        found[f"{name}, parts {seed}"] = replace(found[name], part=part)
    return found | {f"{name}, border shuffled": shuffled(found[name])}


def main(folder: Path = HERE, store: Path = STORE, heads: int = HEADS) -> None:
    start = time.process_time()
    seen = repeated(store)
    probed = [probes(seen[name], heads).assign(pictures=name) for name in seen if "," not in name]
    both = {name: measured(found, heads) for name, found in seen.items()}
    tables = {
        "probes": pd.concat(probed),
        "gains": pd.concat(
            [
                # Of what is repeated with the same two classes only the gain: the file stays small.
                (gain[gain["role"] == "gain"] if "," in name else gain).assign(pictures=name)
                for name, (gain, _) in both.items()
            ]
        ),
        "changes": pd.concat([change.assign(pictures=name) for name, (_, change) in both.items()]),
    }
    told = describe(
        "python data/photographs/measure.py",
        files={path.name: path for path in PHOTOGRAPHS.values()},
        processor_seconds=round(time.process_time() - start),
        seed=SEED,
        heads=heads,
        l2=L2,
        sizes={name: value for name, value in SIZES.items()},
    )
    for name, table in tables.items():
        columns = ["pictures", *(c for c in table if c != "pictures")]
        save_result(table[columns].round(4), folder / f"{name}.csv", told)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
