"""The four roles on molecules: a slow reference, what may not leak, and how rules pick."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from helpers_data import script
from sklearn.linear_model import Ridge

roles, measure = script("molecules/roles"), script("molecules/measure")
deal, errors, outcome = roles.deal, roles.errors, roles.outcome
DATA = Path(__file__).parents[1] / "data" / "molecules"


def example(n: int = 300) -> tuple[Any, Any]:
    """A label that twelve features tell, of which the weak views see 2 and 5, bent."""
    draw = torch.Generator().manual_seed(0)
    z = torch.randn(n, 12, generator=draw)
    label = z.sum(-1) + 0.5 * torch.randn(n, generator=draw) + 7
    weak = {width: (z[:, :width] + 0.3 * z[:, :width].square()) for width in (2, 5)}
    strong = torch.cat([z, torch.randn(n, 20, generator=draw)], 1)
    return roles.Views(strong, weak, label.double()), deal("example", 3, "halves", n)


def reference(seen: Any, parts: Any) -> dict[str, np.ndarray]:
    """The same by scikit-learn, one head at a time."""
    labels = seen.label[parts.labeled]
    y = ((seen.label - labels.mean()) / labels.std()).numpy()

    def fit(x: torch.Tensor, targets: np.ndarray, rows: torch.Tensor) -> np.ndarray:
        features, held = x.double().numpy(), parts.validation.numpy()
        best, told = np.inf, None
        for penalty in roles.PENALTIES:
            head = Ridge(alpha=len(rows) * penalty, solver="svd")
            output = head.fit(features[rows], targets[rows]).predict(features)
            error = np.square(output[held] - targets[held]).mean()
            if error < best:
                best, told = error, output
        return np.asarray(told)

    weak = np.stack([fit(x, y, parts.labeled) for x in seen.weak.values()], 1)
    student = fit(seen.strong, weak, parts.pool)
    baseline, ceiling = (fit(seen.strong, y, rows) for rows in (parts.labeled, parts.pool))
    at = parts.test.numpy()
    return {
        "weak": np.square(weak - y[:, None])[at].mean(0),
        "misfit": np.square(student - weak)[at].mean(0),
        "student": np.square(student - y[:, None])[at].mean(0),
        "baseline": np.square(baseline - y)[at].mean(),
        "ceiling": np.square(ceiling - y)[at].mean(),
    }


def test_all_roles_are_those_of_scikit_learn():
    seen, parts = example()
    found = errors(outcome(seen, parts), parts.test)
    for name, expected in reference(seen, parts).items():
        assert np.abs(found[name].numpy() - expected).max() < 1e-9, name


def test_labels_reach_only_those_who_may_see_them():
    seen, parts = example()
    plain = outcome(seen, parts)

    def changed(rows: torch.Tensor) -> tuple[bool, ...]:
        label = seen.label.clone()
        label[rows] = label[rows.roll(1)]
        other = outcome(seen._replace(label=label), parts)
        pairs = zip(plain[:4], other[:4], strict=True)
        return tuple(not torch.equal(a, b) for a, b in pairs)  # weak, student, baseline, ceiling

    assert changed(parts.test) == (False, False, False, False)
    assert changed(parts.pool) == (False, False, False, True)
    assert changed(parts.labeled) == (True, True, True, False)


def test_the_student_of_a_mixture_is_the_mixture_of_students():
    seen, parts = example()
    found = outcome(seen, parts)
    mixed = 0.3 * found.weak[0] + 0.7 * found.weak[1]
    penalty = float(found.penalty_student)
    x = seen.strong.double().numpy()
    head = Ridge(alpha=len(parts.pool) * penalty, solver="svd")
    told = head.fit(x[parts.pool], mixed[parts.pool].numpy()).predict(x)
    expected = (0.3 * found.student[0] + 0.7 * found.student[1]).numpy()
    assert np.abs(told - expected).max() < 1e-9


@pytest.mark.parametrize("protocol", roles.PROTOCOLS)
def test_a_deal_keeps_judging_apart_from_learning(protocol):
    parts = deal("esol", 122, protocol, 1128)
    learning = torch.cat([parts.labeled, parts.pool]).unique()
    judging = torch.cat([parts.validation, parts.test])
    assert torch.cat([learning, judging]).sort().values.tolist() == list(range(1128))
    same = torch.equal(parts.labeled, parts.pool)
    assert same == (protocol == "whole")
    if protocol == "halves":
        assert len(torch.cat([parts.labeled, parts.pool])) == len(learning)
        other = deal("esol", 123, protocol, 1128)
        assert not torch.equal(other.labeled, parts.labeled)
        assert torch.equal(deal("esol", 122, protocol, 1128).labeled, parts.labeled)


def test_rules_pick_what_they_say():
    table = pd.DataFrame(
        {
            "dataset": "d",
            "seed": 1,
            "protocol": "whole",
            "target": "measured",
            "width": [8, 12, 16],
            "weak_validation": [0.5, 0.4, 0.3],
            "misfit_validation": [0.3, 0.15, 0.0],
            "student_validation": [0.2, 0.1, 0.4],
            "student_test": [0.25, 0.2, 0.3],
        }
    )
    picked = measure.picks(table).set_index("rule")
    expected = {"weak error - misfit": 8, "weak error": 16, "largest misfit": 8}
    for rule, width in {**expected, "error of the student": 12}.items():
        row = picked.loc[rule]
        assert row["width"] == width
        assert row["rank"] == {8: 2, 12: 1, 16: 3}[width]
        assert row["student"] == {8: 0.25, 12: 0.2, 16: 0.3}[width]
        assert row["best"] == 0.2
        assert row["mean"] == pytest.approx(0.25)


def test_an_unknown_protocol_is_refused():
    with pytest.raises(ValueError, match=r"protocol must be one of .*got 'thirds'"):
        deal("esol", 122, "thirds", 1128)
