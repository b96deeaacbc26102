"""One teacher, one student, every mixture: the four roles over shares of labelled set and pool.

    table = grid(
        dominoes_features(), [("cnn", "resnet")], minority_labeled=(0.05, 0.5),
        minority_pool=(0.05, 0.5), n_labeled=(400,), n_pool=(1600,), n_test=2000, heads=20,
    )

A share's labelled sets are the same beside every pool, and the pools beside every labelled set:
settings differ in what their names say, and differences are paired by head. `fit_law` says which
law the gains follow.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from torch import Tensor

from w2s_tutorial import metrics
from w2s_tutorial._tables import listed
from w2s_tutorial.datasets import frozen
from w2s_tutorial.heads import Heads, fit_logistic, fit_ridge
from w2s_tutorial.pipeline import Fit, hard, weak_to_strong
from w2s_tutorial.sample import Sample
from w2s_tutorial.storage import generator_for
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
        measure ("accuracy", "error_rate", which is 1 - accuracy, and with ridge "squared_error",
        summed over the two outputs, half of what labels of -1 and 1 give), where ("all", "worst"
        group, or "0" to "3"), head, value.

    Raises:
        ValueError: if a fit or backbone is unknown, or a size or share is not to be had.
    """
    if unknown := [name for name in listed("fit", fit) if name not in FITS]:
        raise ValueError(f"fit must be one of {', '.join(FITS)}, got {', '.join(unknown)}")
    return sweep(
        _transfer,
        {("weak", "strong"): pairs, "fit": fit, "n_labeled": n_labeled, "n_pool": n_pool},
        keys=("minority_labeled", "minority_pool", "role", "measure", "where"),
        store=store,
        version=version,
        seen=seen,
        labeled_shares=tuple(minority_labeled),
        pool_shares=tuple(minority_pool),
        n_test=n_test,
        heads=heads,
        l2=l2,
        seed=seed,
    )


def _transfer(
    weak: str,
    strong: str,
    fit: str,
    n_labeled: int,
    n_pool: int,
    *,
    seen: frozen.FrozenFeatures,
    labeled_shares: Sequence[float],
    pool_shares: Sequence[float],
    n_test: int,
    heads: int,
    l2: float,
    seed: int,
) -> dict[tuple[float, float, str, str, str], Tensor]:
    """A pair at all shares: (labelled, pool, role, measure, where) -> (heads,)."""

    def draw(part: str, n: int, share: float) -> Sample:
        sizes, minority = {part: n}, {part: share}
        stream = generator_for({"part": part, "n": n}, seed=seed)
        how = frozen.draw(
            seen, weak, strong, sizes=sizes, minority=minority, heads=heads, seed=stream
        )
        return how[part]

    labeled = {share: draw("labeled", n_labeled, share) for share in labeled_shares}
    pools = {share: draw("pool", n_pool, share) for share in pool_shares}
    test = draw("test", n_test, 0.5)
    if fit == "logistic":
        once, pseudo_label = _once(partial(fit_logistic, l2=l2)), hard
    else:
        once, pseudo_label = _once(partial(_ridge, l2=l2)), _as_it_is
    found = {}
    for eta_labeled, known in labeled.items():
        for eta_pool, pool in pools.items():
            outcome = weak_to_strong(known, pool, fit=once, pseudo_label=pseudo_label)
            for role, output in outcome.outputs(test).items():
                for (measure, where), values in _measures(output, test, fit).items():
                    found[eta_labeled, eta_pool, role, measure, where] = values
    return found


def _measures(output: Tensor, test: Sample, fit: str) -> dict[tuple[str, str], Tensor]:
    """(measure, where) -> (h,)."""
    target, group = test.target, test.group
    each = metrics.group_accuracy(output, target, group, groups=GROUPS)
    right = {"all": metrics.accuracy(output, target)}
    right["worst"] = metrics.worst_group_accuracy(output, target, group, groups=GROUPS)
    right |= {str(g): each[:, g] for g in range(GROUPS)}
    found = {("accuracy", where): values for where, values in right.items()}
    found |= {("error_rate", where): 1 - values for where, values in right.items()}
    if fit != "logistic":
        found["squared_error", "all"] = metrics.squared_error(output, target)
        each = metrics.group_squared_error(output, target, group, groups=GROUPS)
        found |= {("squared_error", str(g)): each[:, g] for g in range(GROUPS)}
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


class Law(NamedTuple):
    """A form of law, fitted to a surface of gains.

    Attributes:
        slopes: (h, k), one fit per head.
        explained: share of the variance along the pool's shares that the mean fit explains in the
            mean over heads: at most 1, below 0 never.
    """

    slopes: Tensor
    explained: float


def fit_law(gain: Tensor, labeled: Tensor, pool: Tensor) -> dict[str, Law]:
    """What gains say of the pool's share u beside the labelled share l, by least squares.

    Each form has a free level a(l) for every labelled share:

    | form    | gain                        | slopes  |
    | ------- | --------------------------- | ------- |
    | square  | a(l) - b (u - l)^2          | b       |
    | product | a(l) - p (1/2 - l) u        | p       |
    | line    | a(l) + c u                  | c       |
    | free    | a(l) + c u - k u^2 + m l u  | c, k, m |

    The theorem is the free form with k >= 0 and, for a student that sees the shift no better than
    its teacher, m >= 0; a student that sees no shift makes it the square. These signs are those of
    the reading "mean" (see SpuriousProblem): with "mixture" k may be negative. The product and the
    line are descriptions, of no theory.

    Args:
        gain: (h, a, b) teacher's risk minus student's, or student's accuracy minus teacher's.
        labeled: (a,) minority shares of the labelled sets, at least 2 different ones.
        pool: (b,) minority shares of the pools, at least 3 different ones.

    Raises:
        ValueError: if shapes disagree, a gain is not finite, or there are too few different
            shares.
    """
    a, b = len(labeled), len(pool)
    if gain.dim() != 3 or gain.shape[1:] != (a, b):
        raise ValueError(f"gain must be (h, {a}, {b}), got {tuple(gain.shape)}")
    if not gain.isfinite().all():
        raise ValueError("gain must be finite, got NaN or infinity")
    if len(labeled.unique()) < 2 or len(pool.unique()) < 3:
        raise ValueError(f"needs 2 different labelled shares and 3 pool shares, got {a} and {b}")
    given, u = labeled.double()[:, None].expand(a, b), pool.double().expand(a, b)
    forms = {
        "square": [-(u - given).square()],
        "product": [(given - 0.5) * u],
        "line": [u],
        "free": [u, -u.square(), given * u],
    }
    return {form: _fitted(gain.double(), torch.stack(parts)) for form, parts in forms.items()}


def _fitted(gain: Tensor, features: Tensor) -> Law:
    x = (features - features.mean(-1, keepdim=True)).flatten(1).mT  # (a b, k)
    y = (gain - gain.mean(-1, keepdim=True)).flatten(1).mT  # (a b, h)
    slopes = torch.linalg.lstsq(x, y).solution
    left = y.mean(1) - x @ slopes.mean(1)
    return Law(slopes.mT, float(1 - left.square().sum() / y.mean(1).square().sum()))
