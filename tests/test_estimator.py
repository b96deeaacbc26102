"""The scikit-learn classifier: its contract, its known ends, its invariances, its refusals."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pandas as pd
import pytest
import sklearn
import torch
from scipy import sparse
from scipy.stats import binomtest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.exceptions import SkipTestWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_estimator

from w2s_tutorial.confidence.estimator import WeakToStrongClassifier
from w2s_tutorial.heads import fit_logistic
from w2s_tutorial.losses import generalized_cross_entropy

DATA = load_breast_cancer()
WEAK, STRONG = DATA.data[:, 10:20], DATA.data[:, 20:]


def split(seed=0, labelled=30, pool=300):
    order = np.random.default_rng(seed).permutation(569)
    rows, test = order[: labelled + pool], order[labelled + pool :]
    y = np.where(np.arange(len(rows)) < labelled, DATA.target[rows], -1)
    return rows, test, y


def fitted(rows, y, **options):
    return WeakToStrongClassifier(**{"folds": 0, **options}).fit(STRONG[rows], y, WEAK[rows])


def test_it_keeps_the_contract_of_scikit_learn():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)  # of array libraries that are not here
        check_estimator(WeakToStrongClassifier())


def test_everything_kept_is_the_student_and_the_student_is_scikit_learns():
    rows, test, y = split()
    model = fitted(rows, y, p=1.0, q=0.0)
    student = clone(model).set_params(predicts="student").fit(STRONG[rows], y, WEAK[rows])
    probability = student.predict_proba(STRONG[test])
    # The same objective, solved to the same tolerance: gradients of 1e-8 at a penalty of .01.
    np.testing.assert_allclose(model.predict_proba(STRONG[test]), probability, atol=1e-5)
    assert model.kept_.all()
    weak = (WEAK[rows] - WEAK[rows].mean(0)) / WEAK[rows].std(0)
    strong = (STRONG - STRONG[rows].mean(0)) / STRONG[rows].std(0)
    teacher = LogisticRegression(C=1 / (0.01 * 30), tol=1e-8, max_iter=5000)
    said = teacher.fit(weak[:30], y[:30]).predict(weak[30:])
    assert (model.pseudolabel_ == said).all()
    theirs = LogisticRegression(C=1 / (0.01 * 300), tol=1e-8, max_iter=5000)
    theirs.fit(strong[rows][30:], said)
    np.testing.assert_allclose(probability, theirs.predict_proba(strong[test]), atol=1e-5)
    baseline = LogisticRegression(C=1 / (0.01 * 30), tol=1e-8, max_iter=5000)
    expected = baseline.fit(strong[rows][:30], y[:30]).predict_proba(strong[test])
    model.set_params(predicts="baseline")
    np.testing.assert_allclose(model.predict_proba(STRONG[test]), expected, atol=1e-5)
    retrained = fitted(rows, y, p=0.5, q=0.7)
    assert np.abs(retrained.predict_proba(STRONG[test]) - probability).max() > 0.05


def test_student_and_retrained_are_solved_alike_under_a_small_penalty():
    rows, test, y = split()
    model = fitted(rows, y, p=1.0, q=0.0, l2=1e-4)
    retrained = model.predict_proba(STRONG[test])
    student = model.set_params(predicts="student").predict_proba(STRONG[test])
    np.testing.assert_allclose(retrained, student, atol=1e-4)


def test_units_of_columns_and_names_of_classes_do_not_matter():
    rows, test, y = split()
    first = fitted(rows, y)
    renamed = np.where(y < 0, -1, np.where(y == 1, 7, 3))
    second = WeakToStrongClassifier(folds=0)
    second.fit(STRONG[rows] / 7, renamed, WEAK[rows] * 1000 + 5)
    assert second.classes_.tolist() == [3, 7]
    said = np.where(first.predict(STRONG[test]) == 1, 7, 3)
    assert (said == second.predict(STRONG[test] / 7)).all()
    assert (first.p_, first.q_) == pytest.approx((second.p_, second.q_))


WORDS = np.array(["malignant", "benign"])


@pytest.mark.parametrize(
    "missing",
    [
        lambda y: np.where(y < 0, math.nan, y),
        lambda y: np.array([None if v < 0 else v for v in y.tolist()], dtype=object),
        lambda y: [None if v < 0 else v for v in y.tolist()],
        lambda y: pd.Series(y).mask(y < 0),
        lambda y: pd.Series([pd.NA if v < 0 else v for v in y.tolist()], dtype="Int64"),
        lambda y: [None if v < 0 else str(WORDS[v]) for v in y.tolist()],
        lambda y: pd.Series([None if v < 0 else WORDS[v] for v in y.tolist()], dtype="string"),
        lambda y: pd.Series([None if v < 0 else WORDS[v] for v in y.tolist()], dtype="category"),
        lambda y: [None if v < 0 else bool(v) for v in y.tolist()],
        lambda y: [math.nan if v < 0 else str(WORDS[v]) for v in y.tolist()],
        lambda y: tuple(-1 if v < 0 else str(WORDS[v]) for v in y.tolist()),
        lambda y: pd.Series([*y], dtype=object),
    ],
    ids=[
        *("nan", "object", "list", "series", "Int64", "words", "string", "category", "bool"),
        *("nan among words", "-1 among words", "-1 as an object"),
    ],
)
def test_a_missing_label_is_a_missing_label(missing):
    rows, test, y = split()
    expected, found = fitted(rows, y), fitted(rows, missing(y))
    assert (found.unlabeled_ == (y < 0)).all()
    position = {str(WORDS[0]): 0, str(WORDS[1]): 1}
    said = [position.get(v, v) for v in found.predict(STRONG[test]).tolist()]
    assert said == expected.predict(STRONG[test]).tolist()
    assert found.score(STRONG[rows], missing(y)) == expected.score(STRONG[rows], y)


def test_a_label_of_minus_one_is_a_class_where_there_is_no_teacher():
    y = np.where(DATA.target == 1, 1, -1)
    alone = WeakToStrongClassifier().fit(STRONG, y)
    assert alone.classes_.tolist() == [-1, 1]
    assert not alone.unlabeled_.any()
    assert "no pool" in alone.advice_
    assert alone.score(STRONG, y) > 0.9
    with pytest.raises(ValueError, match=r"y must label at least 2 classes, got 1 class: \[1\]"):
        WeakToStrongClassifier().fit(STRONG, y, WEAK)


def test_by_default_the_rule_decides_and_the_classes_keep_their_shares():
    rows, _, y = split()
    model = fitted(rows, y)
    assert model.p_ == pytest.approx(1 - 2 * model.doubt_)
    assert model.q_ == pytest.approx(min(1.0, 4 * model.doubt_))
    share = (model.pseudolabel_ == 1).mean()
    assert (model.pseudolabel_[model.kept_] == 1).mean() == pytest.approx(share, abs=0.01)
    plain = fitted(rows, y, per_class=False)
    assert (plain.pseudolabel_[plain.kept_] == 1).mean() > share + 0.02
    right = model.pseudolabel_ == DATA.target[rows][30:]
    assert right[model.kept_].mean() > right.mean() + 0.03


def test_kept_is_what_retraining_used():
    """A rare class of which the surest share holds nothing is kept by its surest example."""
    g = np.random.default_rng(0)
    label = np.arange(440) % 20 == 0
    strong = np.c_[3.0 * label + g.normal(size=440), g.normal(size=440)]
    y = np.where(np.arange(440) < 220, label, -1).astype(int)
    model = WeakToStrongClassifier(per_class=False, p=0.3, folds=0).fit(strong, y, strong)
    kept, said = model.kept_, model.pseudolabel_
    assert sorted(set(said[kept].tolist())) == [0, 1]
    # A fit of the kept rows alone, at the settings it reports, is the retrained student.
    x = torch.tensor((strong[model.unlabeled_] - model.center_.numpy()) / model.scale_.numpy())
    target = torch.nn.functional.one_hot(torch.tensor(said).long(), 2).double()[None]
    loss = generalized_cross_entropy(model.q_)
    again = fit_logistic(x[kept], target[:, kept], loss=loss, l2=0.01, max_steps=300)
    torch.testing.assert_close(again.weight, model.retrained_.weight, rtol=1e-4, atol=1e-5)


def test_three_classes():
    g = np.random.default_rng(0)
    label = np.arange(300) % 3
    center = np.array([[2.0, 0], [-2, 0], [0, 2]])[label]
    weak, strong = center + g.normal(size=(300, 2)) * 1.5, center + g.normal(size=(300, 2))
    y = np.where(np.arange(300) < 60, label, -1)
    model = WeakToStrongClassifier(folds=0).fit(strong, y, weak)
    after = model.score(strong, label)
    assert after > model.set_params(predicts="student").score(strong, label) + 0.02
    np.testing.assert_allclose(model.predict_proba(strong).sum(1), 1)
    stiff = WeakToStrongClassifier(p=0.3, q=1.0, l2=0.1, folds=0).fit(strong, y, weak)
    assert set(stiff.predict(strong)) == {0, 1}  # as documented: it gives up a class


def test_roles_are_measured_on_labels_they_did_not_learn():
    rows, _, y = split(labelled=60)
    model = fitted(rows, y, folds=4, level=0.9)
    labelled = np.flatnonzero(y >= 0)
    hits = {role: [] for role in ("weak", "student", "retrained", "baseline")}
    folds = StratifiedKFold(4, shuffle=True, random_state=0)
    for _, test in folds.split(labelled[:, None], y[labelled]):
        hidden = y.copy()
        hidden[labelled[test]] = -1
        # The held-out rows must not swell the pool either: they are left out altogether.
        stay = np.setdiff1d(np.arange(len(y)), labelled[test])
        scale = STRONG[rows].mean(0), STRONG[rows].std(0)
        z = (STRONG[rows] - scale[0]) / scale[1]
        w = (WEAK[rows] - WEAK[rows].mean(0)) / WEAK[rows].std(0)
        known, pool = stay[y[stay] >= 0], stay[y[stay] < 0]
        lr = lambda n: LogisticRegression(C=1 / (0.01 * n), tol=1e-9, max_iter=9000)
        teacher = lr(len(known)).fit(w[known], y[known])
        said = teacher.predict(w[pool])
        heads = {
            "weak": (teacher, w),
            "baseline": (lr(len(known)).fit(z[known], y[known]), z),
            "student": (lr(len(pool)).fit(z[pool], said), z),
        }
        for role, (head, x) in heads.items():
            hits[role] += (head.predict(x[labelled[test]]) == y[labelled[test]]).tolist()
    for role in ("weak", "student", "baseline"):
        found = model.roles_.loc[role]
        assert found["accuracy"] == pytest.approx(np.mean(hits[role]))
        ends = binomtest(sum(hits[role]), 60).proportion_ci(0.9, method="wilson")
        assert (found["low"], found["high"]) == pytest.approx(tuple(ends))
        assert found["n"] == 60
    assert model.roles_["accuracy"]["retrained"] > 0.8


def blobs(seed, *, weak_noise, labelled, n=1200, d=1):
    """Two classes that both views show; the strong view among d - 1 columns of noise."""
    g = np.random.default_rng(seed)
    label = g.integers(2, size=n)
    strong = np.c_[3.0 * label + g.normal(size=n), g.normal(size=(n, d - 1))]
    weak = (label + weak_noise * g.normal(size=n))[:, None]
    return strong, np.where(np.arange(n) < labelled, label, -1), weak


def test_searches_pass_the_weak_view_along():
    strong, y, weak = blobs(0, weak_noise=0.5, labelled=300, d=3)
    rows = np.arange(len(y))
    known = (rows[:150], rows[150:300])
    folds = [(np.concatenate([a, rows[300:]]), b) for a, b in (known, known[::-1])]
    with sklearn.config_context(enable_metadata_routing=True):
        model = WeakToStrongClassifier(folds=0).set_fit_request(X_weak=True)
        pipe = make_pipeline(StandardScaler(), model)
        grid = {"weaktostrongclassifier__p": [0.3, 1.0]}
        search = GridSearchCV(pipe, grid, cv=folds, error_score="raise").fit(strong, y, X_weak=weak)
    assert len(search.cv_results_["mean_test_score"]) == 2
    for p, score in zip([0.3, 1.0], search.cv_results_["split0_test_score"], strict=True):
        train, test = folds[0]
        scale = StandardScaler().fit(strong[train])
        alone = WeakToStrongClassifier(p=p, folds=0)
        alone.fit(scale.transform(strong[train]), y[train], weak[train])
        assert alone.score(scale.transform(strong[test]), y[test]) == pytest.approx(score)


@pytest.mark.parametrize("missing", [None, math.nan])
@pytest.mark.parametrize("names", [np.array([0, 1], object), WORDS.astype(object)])
def test_searches_take_missing_labels_if_they_are_given_folds(names, missing):
    """As the page on one's own data has it."""
    strong, y, _ = blobs(0, weak_noise=0.5, labelled=200, n=300)
    marked = pd.Series(np.where(y < 0, missing, names[y.clip(0)])).tolist()
    model = WeakToStrongClassifier(folds=0)
    folds = KFold(2, shuffle=True, random_state=0)
    search = GridSearchCV(model, {"p": [0.5]}, cv=folds, error_score="raise").fit(strong, marked)
    assert search.best_score_ > 0.8


BASE = {"X_weak": np.eye(6), "X": np.eye(6), "y": np.array([0, 1, 0, 1, -1, -1])}
REFUSED = [
    ({"X_weak": np.zeros(6)}, {}, ValueError, "Expected 2D array, got 1D array"),
    ({"X": np.full((6, 2), np.nan)}, {}, ValueError, "Input X contains NaN"),
    ({"X_weak": np.full((6, 2), np.inf)}, {}, ValueError, "Input X_weak contains infinity"),
    ({"X": np.eye(5)}, {}, ValueError, "inconsistent numbers of samples"),
    ({"X": sparse.eye(6).tocsr()}, {}, TypeError, "Sparse data was passed"),
    ({"y": np.array([0.5, 1, 0, 1.5, -1, -1])}, {}, ValueError, "Unknown label type: continuous"),
    ({"y": np.array([0, 0, 0, 0, -1, -1])}, {}, ValueError, "at least 2 classes, got 1 class"),
    (
        {"y": np.array([0, 1, 0, 1, -1, np.nan])},
        {},
        ValueError,
        "by None and NaN or by -1, got both",
    ),
    (
        {"y": ["a", "b", 0, None, "b", None]},
        {},
        TypeError,
        r"y must hold strings or numbers, got both",
    ),
    ({"y": np.full(6, -1)}, {}, ValueError, "at least 2 classes, got 0 classes"),
    ({}, {"p": 0.0}, ValueError, r"p must lie in \(0, 1\], got 0.0"),
    ({}, {"q": 2.0}, ValueError, r"q must lie in \[0, 1\], got 2.0"),
    ({}, {"q": -0.5}, ValueError, r"q must lie in \[0, 1\], got -0.5"),
    ({}, {"l2": 0.0}, ValueError, "l2 must be finite and exceed 0"),
    ({}, {"p": "half"}, TypeError, "p must be a number, got 'half'"),
    ({}, {"l2": None}, TypeError, "l2 must be a number, got None"),
    ({}, {"level": np.ones(2)}, TypeError, "level must be a number, got array"),
    ({}, {"folds": 2.5}, TypeError, "folds must be an integer, got 2.5"),
    ({}, {"per_class": "no"}, TypeError, "per_class must be True or False, got 'no'"),
    ({}, {"folds": 1}, ValueError, "folds must be 0, or at least 2, got 1"),
    ({}, {"level": 1.0}, ValueError, r"level must lie in \(0, 1\), got 1.0"),
    ({}, {"predicts": "weak"}, ValueError, "predicts must be 'retrained', 'student' or 'baseline'"),
    ({"X_weak": np.arange(6.0)[:, None]}, {}, ValueError, "teacher's labels must show every class"),
]


@pytest.mark.parametrize(("change", "options", "error", "message"), REFUSED)
def test_refusals(change, options, error, message):
    with pytest.raises(error, match=message):
        WeakToStrongClassifier(**options).fit(**{**BASE, **change})


def test_scoring_needs_a_label():
    rows, _, y = split()
    with pytest.raises(ValueError, match="y must label at least 1 row to score, got none"):
        fitted(rows, y).score(STRONG[rows], np.full(len(rows), -1))


def test_every_kind_of_array_gives_the_same_model():
    rows, test, y = split()
    expected = fitted(rows, y).predict_proba(STRONG[test])
    leaf = torch.tensor(STRONG, requires_grad=True)
    for kind, strong, weak in (
        ("leaf", leaf, torch.tensor(WEAK)),
        ("turned", STRONG[::-1][::-1], np.asfortranarray(WEAK)),
        ("table", STRONG, pd.DataFrame(WEAK).to_numpy()[::-1][::-1]),
    ):
        model = WeakToStrongClassifier(folds=0).fit(strong[rows], y, weak[rows])
        np.testing.assert_allclose(
            model.predict_proba(strong[test]), expected, rtol=0, atol=1e-9, err_msg=kind
        )
    half = WeakToStrongClassifier(folds=0).fit(leaf[rows].bfloat16(), y, WEAK[rows][::-1][::-1])
    assert (half.predict(leaf[test].bfloat16()) == expected.argmax(1)).mean() > 0.9


def test_rows_in_another_order_are_refused():
    rows, _, y = split()
    strong, weak = pd.DataFrame(STRONG[rows]), pd.DataFrame(WEAK[rows])
    with pytest.raises(ValueError, match="X_weak must have its rows in the order of X"):
        WeakToStrongClassifier().fit(strong, y, weak[::-1])
    with pytest.raises(ValueError, match="y must have its rows in the order of X"):
        WeakToStrongClassifier().fit(strong, pd.Series(y)[::-1], weak)
