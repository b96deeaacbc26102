"""One teacher, one student, every mixture: the four roles over shares of labelled set and pool.

    table = grid(
        dominoes_features(), [("cnn", "resnet")], minority_labeled=(0.05, 0.5),
        minority_pool=(0.05, 0.5), n_labeled=(400,), n_pool=(1600,), n_test=2000, heads=20,
    )

A share's labelled sets are the same beside every pool, and the pools beside every labelled set:
settings differ in what their names say, and differences are paired by head.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import pandas as pd
from torch import Tensor

from w2s_tutorial.datasets import frozen
from w2s_tutorial.heads import Heads, fit_logistic, fit_ridge
from w2s_tutorial.metrics import (
    accuracy,
    group_accuracy,
    group_squared_error,
    squared_error,
    worst_group_accuracy,
)
from w2s_tutorial.pipeline import Fit, hard, weak_to_strong
from w2s_tutorial.sample import Sample
from w2s_tutorial.settings import generator_for
from w2s_tutorial.sweeps import sweep

FITS = ("logistic", "ridge")
GROUPS = 4


def grid(
    seen: frozen.FrozenFeatures,
    pairs: Sequence[tuple[str, str]],
    *,
    minority_labeled: Sequence[float],
    minority_pool: Sequence[float],
    n_labeled: Sequence[int],
    n_pool: Sequence[int],
    n_test: int,
    heads: int,
    fit: Sequence[str] = ("logistic",),
    l2: float = 0.01,
    seed: int = 0,
    store: Path | str | None = None,
    version: str = "",
) -> pd.DataFrame:
    """The four roles at every combination of pair, fit, sizes and minority shares.

    Tested on sets of which half is minority; the ceiling learns the pool's true labels.

    Args:
        seen: what frozen backbones see, with labels and groups: `frozen.dominoes_features()`,
            `frozen.waterdigits_features()`, or a `frozen.FrozenFeatures` of one's own.
        pairs: names of weak and strong backbone; the same name twice is the control that has
            nothing to gain.
        minority_labeled, minority_pool: shares of minority examples, in [0, 1].
        n_labeled, n_pool: examples.
        n_test: examples in the test set.
        heads: runs of each setting.
        fit: "logistic" with hard pseudolabels, as in practice, or "ridge": least squares on
            one-hot labels and then on the teacher's outputs, as in theory.
        l2: penalty, meant alike by `fit_logistic` and `fit_ridge`.
        seed: of the draws, which do not depend on pair, fit and shares.
        store, version: see `sweeps.sweep`.

    Returns:
        Columns weak, strong, fit, n_labeled, n_pool, minority_labeled, minority_pool, role,
        measure ("accuracy", and with ridge "error": squared, summed over the two outputs, half
        of what labels of -1 and 1 give), where ("all", "worst" group, or "0" to
        "3"), head, value.

    Raises:
        ValueError: if a fit or backbone is unknown, or a size or share is not to be had.
    """
    if unknown := [name for name in fit if name not in FITS]:
        raise ValueError(f"fit must be one of {', '.join(FITS)}, got {', '.join(unknown)}")
    named = [f"{weak}|{strong}" for weak, strong in pairs]
    axes = {"pair": named, "fit": fit, "n_labeled": n_labeled, "n_pool": n_pool}
    table = sweep(
        transfer,
        axes,
        store=store,
        version=version,
        seen=seen,
        minority_labeled=tuple(minority_labeled),
        minority_pool=tuple(minority_pool),
        n_test=n_test,
        heads=heads,
        l2=l2,
        seed=seed,
    )
    names = ["minority_labeled", "minority_pool", "role", "measure", "where"]
    told = table["role"].str.split("|", expand=True).set_axis(names, axis=1)
    told[names[:2]] = told[names[:2]].astype(float)
    pair = table["pair"].str.split("|", expand=True).set_axis(["weak", "strong"], axis=1)
    return pd.concat([pair, table[[*axes][1:]], told, table[["head", "value"]]], axis=1)


def transfer(
    pair: str,
    fit: str,
    n_labeled: int,
    n_pool: int,
    *,
    seen: frozen.FrozenFeatures,
    minority_labeled: Sequence[float],
    minority_pool: Sequence[float],
    n_test: int,
    heads: int,
    l2: float,
    seed: int,
) -> dict[str, Tensor]:
    """A pair "weak|strong" at all shares: "labelled|pool|role|measure|where" -> (heads,)."""
    sizes = {"labeled": n_labeled, "pool": n_pool, "test": n_test}
    draw = partial(_draw, seen, pair.split("|"), sizes, heads=heads, seed=seed)
    labeled = {share: draw("labeled", share) for share in minority_labeled}
    pools = {share: draw("pool", share) for share in minority_pool}
    test = draw("test", 0.5)
    if fit == "logistic":
        once, pseudo_label = _once(partial(fit_logistic, l2=l2)), hard
    else:
        once, pseudo_label = _once(partial(_ridge, l2=l2)), _as_it_is
    found = {}
    for eta_labeled, known in labeled.items():
        for eta_pool, pool in pools.items():
            outcome = weak_to_strong(known, pool, fit=once, pseudo_label=pseudo_label)
            for role, output in outcome.outputs(test).items():
                for name, values in _measures(output, test, fit).items():
                    found[f"{eta_labeled}|{eta_pool}|{role}|{name}"] = values
    return found


def _draw(
    seen: frozen.FrozenFeatures,
    pair: Sequence[str],
    sizes: Mapping[str, int],
    part: str,
    share: float,
    *,
    heads: int,
    seed: int,
) -> Sample:
    drawn = frozen.draw(
        seen,
        *pair,
        sizes={part: sizes[part]},
        minority={part: share},
        heads=heads,
        seed=generator_for({"part": part, "n": sizes[part]}, seed=seed),
    )
    return drawn[part]


def _measures(output: Tensor, test: Sample, fit: str) -> dict[str, Tensor]:
    """ "measure|where" -> (h,)."""
    target, group = test.target, test.group
    worst = worst_group_accuracy(output, target, group, groups=GROUPS)
    found = {"accuracy|all": accuracy(output, target), "accuracy|worst": worst}
    by_group = {"accuracy": group_accuracy}
    if fit != "logistic":
        found["error|all"] = squared_error(output, target)
        by_group["error"] = group_squared_error
    for name, measure in by_group.items():
        each = measure(output, target, group, groups=GROUPS)
        found |= {f"{name}|{g}": each[:, g] for g in range(GROUPS)}
    return found


def _ridge(x: Tensor, target: Tensor, l2: float) -> Heads:
    heads = fit_ridge(x, target, l2=l2)
    return Heads(heads.weight.to(x.dtype), heads.bias.to(x.dtype))


def _as_it_is(output: Tensor) -> Tensor:
    return output


def _once(fit: Fit) -> Fit:
    """The same fit, which remembers what it fitted: most settings share three of four roles."""
    known: dict[tuple[int, int], tuple[Tensor, Tensor, Heads]] = {}

    def remembering(x: Tensor, target: Tensor) -> Heads:
        key = id(x), id(target)  # both are kept below, so that no other tensor gets their ids
        if key not in known:
            known[key] = x, target, fit(x, target)
        return known[key][2]

    return remembering
