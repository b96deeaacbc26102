"""Pairs over minority shares: against scikit-learn, at known ends, and where nothing can be won."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from w2s_tutorial import shares
from w2s_tutorial.datasets import frozen
from w2s_tutorial.storage import generator_for

SMALL: dict[str, Any] = {
    "minority_labeled": (0.1, 0.5),
    "minority_pool": (0.1, 0.3, 0.5),
    "n_labeled": (60,),
    "n_pool": (100,),
    "n_test": 80,
    "heads": 3,
    "fit": shares.FITS,
}


@pytest.fixture(scope="module")
def seen() -> frozen.FrozenFeatures:
    return frozen.waterdigits_features(["cnn", "resnet"])


@pytest.fixture(scope="module")
def table(seen: frozen.FrozenFeatures) -> pd.DataFrame:
    return shares.grid(seen, [("cnn", "resnet"), ("resnet", "resnet")], **SMALL)


def cell(table: pd.DataFrame, **where: Any) -> np.ndarray:
    for name, value in where.items():
        table = table[table[name] == value]
    return table.sort_values("head")["value"].to_numpy()


def test_the_table_is_tidy(table: pd.DataFrame):
    keys = [name for name in table if name != "value"]
    assert not table.duplicated(keys).any()
    places = {"accuracy": 6, "error_rate": 6, "squared_error": 5}  # no worst group of the last
    for fit, count in (("logistic", 2), ("ridge", 3)):
        assert table[table["fit"] == fit]["measure"].nunique() == count
    values = 2 * (places["accuracy"] + places["error_rate"]) + places["squared_error"]
    assert len(table) == 2 * 6 * 4 * 3 * values  # pairs, mixtures, roles, heads
    assert np.isfinite(table["value"]).all()


def samples(seen: Any, pair: tuple[str, str], part: str, share: float) -> Any:
    n = {"labeled": 60, "pool": 100, "test": 80}[part]
    drawing = generator_for({"part": part, "n": n}, seed=0)
    sizes = {"sizes": {part: n}, "minority": {part: share}}
    return frozen.draw(seen, *pair, **sizes, heads=3, seed=drawing)[part]


@pytest.mark.parametrize("fit", shares.FITS)
def test_one_cell_as_scikit_learn_has_it(
    seen: frozen.FrozenFeatures, table: pd.DataFrame, fit: str
):
    pair = ("cnn", "resnet")
    labeled, pool, test = (
        samples(seen, pair, *asked) for asked in (("labeled", 0.1), ("pool", 0.3), ("test", 0.5))
    )

    def learn(x: Any, y: Any) -> Callable[[Any], np.ndarray]:
        x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
        if fit == "logistic":
            model = LogisticRegression(C=1 / (0.01 * len(x)), tol=1e-10, max_iter=10_000)
            model.fit(x, y.argmax(1))
            return lambda z: np.eye(2)[model.predict(np.asarray(z, dtype=float))]
        ridge = Ridge(alpha=0.01 / 2 * len(x)).fit(x, y)
        return lambda z: ridge.predict(np.asarray(z, dtype=float))

    for head in range(3):
        known, truth = labeled.target[head], np.asarray(test.target[head], dtype=float)
        weak = learn(labeled.weak[head], known)
        views = {"weak": test.weak[head]}
        models = {
            "weak": weak,
            "student": learn(pool.strong[head], weak(pool.weak[head])),
            "baseline": learn(labeled.strong[head], known),
            "ceiling": learn(pool.strong[head], pool.target[head]),
        }
        for role, model in models.items():
            output = model(views.get(role, test.strong[head]))
            right = output.argmax(1) == truth.argmax(1)
            group = np.asarray(test.group[head])
            found = {"all": right.mean(), "worst": min(right[group == g].mean() for g in range(4))}
            found |= {str(g): right[group == g].mean() for g in range(4)}
            at = dict(weak="cnn", strong="resnet", fit=fit, role=role)
            at |= dict(minority_labeled=0.1, minority_pool=0.3)
            for where, value in found.items():
                ours = cell(table, **at, measure="accuracy", where=where)[head]
                assert ours == pytest.approx(value, abs=1e-6), (role, where, head)
                wrong = cell(table, **at, measure="error_rate", where=where)[head]
                assert wrong == pytest.approx(1 - value, abs=1e-6), (role, where, head)
            if fit == "ridge":
                error = np.square(output - truth).sum(1)
                ours = cell(table, **at, measure="squared_error", where="all")[head]
                assert ours == pytest.approx(error.mean(), rel=1e-3), (role, head)


def test_what_never_sees_the_pool_does_not_move_with_it(table: pd.DataFrame):
    for pair_of in (dict(weak="cnn"), dict(weak="resnet")):
        for role in ("weak", "baseline", "ceiling", "student"):
            at = dict(**pair_of, fit="logistic", role=role, measure="accuracy", where="all")
            by_pool = [cell(table, **at, minority_labeled=0.1, minority_pool=u) for u in (0.1, 0.5)]
            by_label = [
                cell(table, **at, minority_labeled=e, minority_pool=0.1) for e in (0.1, 0.5)
            ]
            assert np.array_equal(*by_pool) == (role in ("weak", "baseline")), role
            assert np.array_equal(*by_label) == (role == "ceiling"), role


def test_a_student_with_its_teachers_eyes_learns_it_word_for_word(seen: frozen.FrozenFeatures):
    # Hardly any penalty and more examples than features: least squares finds the teacher's map.
    asked = SMALL | {"fit": ("ridge",), "l2": 1e-9, "n_labeled": (120,), "n_pool": (400,)}
    found = shares.grid(seen, [("resnet", "resnet"), ("cnn", "resnet")], **asked)
    for weak, alike in (("resnet", True), ("cnn", False)):
        at = dict(weak=weak, measure="squared_error")
        teacher, student = (cell(found, **at, role=role) for role in ("weak", "student"))
        assert np.allclose(student, teacher, rtol=1e-3) == alike, weak
        baseline = cell(found, **at, role="baseline")
        assert np.array_equal(teacher, baseline) == alike, weak


def test_what_cannot_be_measured_is_refused(seen: frozen.FrozenFeatures):
    for change, message in (
        ({"fit": ("lasso",)}, "fit must be one of logistic, ridge, got lasso"),
        ({"n_pool": (5000,)}, "sizes must sum to at most"),
        ({"minority_pool": (1.5,)}, "minority must lie in"),
    ):
        with pytest.raises(ValueError, match=message):
            shares.grid(seen, [("cnn", "resnet")], **SMALL | change)
    with pytest.raises(ValueError, match="backbone must be one of cnn, resnet, got 'mae'"):
        shares.grid(seen, [("cnn", "mae")], **SMALL)


def test_a_stored_grid_is_not_measured_again(
    seen: frozen.FrozenFeatures, table: pd.DataFrame, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
):
    stored = {"store": tmp_path, "version": "1"}
    first = shares.grid(seen, [("cnn", "resnet")], **SMALL, **stored)
    monkeypatch.setattr(shares, "weak_to_strong", lambda *a, **k: pytest.fail("measured again"))
    pd.testing.assert_frame_equal(shares.grid(seen, [("cnn", "resnet")], **SMALL, **stored), first)
    same = table[table["weak"] == "cnn"].reset_index(drop=True)
    pd.testing.assert_frame_equal(first, same)
