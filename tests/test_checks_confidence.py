"""Every check passes the right answer, and fails each known-wrong one with its own hint."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from w2s_tutorial.checks import confidence as checks
from w2s_tutorial.checks._common import CheckError
from w2s_tutorial.confidence.synthetic import two_places


def right(log_p, q):
    return -log_p if q == 0 else -torch.expm1(q * log_p) / q


def test_check_gce_passes_the_exact_form():
    assert "Right" in checks.check_gce(right)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda log_p, q: (1 - log_p.exp() ** q) / q if q else -log_p, "torch.expm1"),
        (lambda log_p, q: (1 - log_p.exp() ** torch.tensor(q)) / torch.tensor(q), "expm1|limit"),
        (lambda log_p, q: -torch.expm1(q * log_p) / torch.tensor(q), "What is its limit"),
        (lambda log_p, q: -right(log_p, q), "lowest, 0, where"),
        (lambda log_p, q: q * right(log_p, q), "Divide by q"),
        (lambda log_p, q: -log_p, "the limit q = 0"),
        (lambda log_p, q: right(log_p, q).sum(), "one loss per label"),
        (lambda log_p, q: torch.full_like(log_p, 3.0), "is right, yours is 3"),
    ],
)
def test_check_gce_hints_at_what_is_wrong(wrong, hint):
    with pytest.raises(CheckError, match=hint):
        checks.check_gce(wrong)


def test_check_gce_cannot_be_fooled_by_changing_its_input():
    def vandal(log_p, q):
        value = right(log_p, q)
        log_p.zero_()
        return value

    assert "Right" in checks.check_gce(vandal)


def by_network(gain, network, *, ddof=1, pairs=False, z=False, root=True):
    means = pd.Series(gain).groupby(np.asarray(network)).mean().to_numpy()
    values = gain if pairs else means
    error = values.std(ddof=ddof) / (len(values) ** 0.5 if root else 1)
    quantile = 1.96 if z else stats.t.ppf(0.975, len(values) - 1)
    return means.mean(), quantile * error


def test_check_by_network_passes_the_right_answer():
    assert "Right" in checks.check_by_network(by_network)


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        (lambda g, n: (g.mean(), 0.0), "counts more often"),
        (lambda g, n: (np.median(g), 0.0), "median of the pairs"),
        (lambda g, n: by_network(g, n, pairs=True), "count networks"),
        (lambda g, n: by_network(g, n, z=True), "wider than 1.96"),
        (lambda g, n: by_network(g, n, ddof=0), "n - 1"),
        (lambda g, n: by_network(g, n, root=False), "root of the number"),
        (lambda g, n: (by_network(g, n)[0], 2 * by_network(g, n)[1]), "Half of the interval"),
        (lambda g, n: by_network(g, n)[0], "Give two numbers"),
        (lambda g, n: (by_network(g, n)[0], 0.0), "is right, yours is 0"),
    ],
)
def test_check_by_network_hints_at_what_is_wrong(wrong, hint):
    with pytest.raises(CheckError, match=hint):
        checks.check_by_network(wrong)


def sets(minority_labeled, minority_pool, heads=20, pool=200, **changes):
    return two_places(
        sizes={"labeled": 200, "pool": pool, "test": 1000},
        minority={"labeled": minority_labeled, "pool": minority_pool, "test": 0.5},
        heads=heads,
        seed=torch.Generator().manual_seed(0),
        **changes,
    )


def test_check_harm():
    assert "Found one" in checks.check_harm(sets(0.5, 0.05, strong_place=2.5))
    with pytest.raises(CheckError, match="it has to harm"):
        checks.check_harm(sets(0.05, 0.5, pool=1000))
    with pytest.raises(CheckError, match="keeping any half has to harm less"):
        checks.check_harm(sets(0.5, 0.0, heads=40, pool=1000))  # no minority: nobody to drop
    with pytest.raises(CheckError, match="at least 10 heads to be sure, got 5"):
        checks.check_harm(sets(0.5, 0.5, heads=5))
    with pytest.raises(CheckError, match="to 4000 examples, got 8000"):
        checks.check_harm(sets(0.5, 0.5, pool=8000))
    with pytest.raises(CheckError, match=r"\['test'\] are missing"):
        checks.check_harm({k: v for k, v in sets(0.5, 0.5).items() if k != "test"})
