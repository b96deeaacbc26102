"""The recipe for two feature matrices: its known end, its invariances, its refusals."""

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer
from sklearn.linear_model import LogisticRegression

from w2s_tutorial.confidence.estimator import confident_student

DATA = load_breast_cancer()
WEAK, STRONG = DATA.data[:, 10:20], DATA.data[:, 20:]


def split(seed=0, labelled=30, pool=300):
    order = np.random.default_rng(seed).permutation(569)
    rows, test = order[: labelled + pool], order[labelled + pool :]
    y = np.where(np.arange(len(rows)) < labelled, DATA.target[rows], -1)
    return rows, test, y


def test_everything_kept_is_vanilla_and_vanilla_is_scikit_learns():
    rows, test, y = split()
    model = confident_student(WEAK[rows], STRONG[rows], y, p=1.0, q=0.0)
    vanilla = model.predict_proba(STRONG[test], vanilla=True)
    np.testing.assert_allclose(model.predict_proba(STRONG[test]), vanilla, atol=1e-3)
    assert model.kept.all()
    weak = (WEAK[rows] - WEAK[rows].mean(0)) / WEAK[rows].std(0)
    strong = (STRONG - STRONG[rows].mean(0)) / STRONG[rows].std(0)
    teacher = LogisticRegression(C=1 / (0.01 * 30), tol=1e-8, max_iter=5000)
    said = teacher.fit(weak[:30], y[:30]).predict(weak[30:])
    assert (model.pseudolabel == said).all()
    student = LogisticRegression(C=1 / (0.01 * 300), tol=1e-8, max_iter=5000)
    student.fit(strong[rows][30:], said)
    np.testing.assert_allclose(vanilla, student.predict_proba(strong[test]), atol=1e-3)
    retrained = confident_student(WEAK[rows], STRONG[rows], y, p=0.5, q=0.7)
    assert np.abs(retrained.predict_proba(STRONG[test]) - vanilla).max() > 0.05


def test_units_of_columns_and_names_of_classes_do_not_matter():
    rows, test, y = split()
    first = confident_student(WEAK[rows], STRONG[rows], y)
    renamed = np.where(y < 0, -1, np.where(y == 1, 7, 3))
    second = confident_student(WEAK[rows] * 1000 + 5, STRONG[rows] / 7, renamed)
    assert second.classes.tolist() == [3, 7]
    assert (np.where(first.predict(STRONG[test]) == 1, 7, 3)
            == second.predict(STRONG[test] / 7)).all()  # fmt: skip
    assert (first.p, first.q) == pytest.approx((second.p, second.q))


def test_by_default_the_rule_decides_and_the_classes_keep_their_shares():
    rows, _, y = split()
    model = confident_student(WEAK[rows], STRONG[rows], y)
    assert model.p == pytest.approx(1 - 2 * model.doubt)
    assert model.q == pytest.approx(min(1.0, 4 * model.doubt))
    share = (model.pseudolabel == 1).mean()
    assert (model.pseudolabel[model.kept] == 1).mean() == pytest.approx(share, abs=0.01)
    plain = confident_student(WEAK[rows], STRONG[rows], y, per_class=False)
    assert (plain.pseudolabel[plain.kept] == 1).mean() > share + 0.02
    right = model.pseudolabel == DATA.target[rows][30:]
    assert right[model.kept].mean() > right.mean() + 0.03


def test_three_classes():
    g = np.random.default_rng(0)
    label = np.arange(300) % 3
    center = np.array([[2.0, 0], [-2, 0], [0, 2]])[label]
    weak, strong = center + g.normal(size=(300, 2)) * 1.5, center + g.normal(size=(300, 2))
    y = np.where(np.arange(300) < 60, label, -1)
    model = confident_student(weak, strong, y)
    before, after = ((model.predict(strong, vanilla=v) == label).mean() for v in (True, False))
    assert after > before + 0.02
    np.testing.assert_allclose(model.predict_proba(strong).sum(1), 1)
    stiff = confident_student(weak, strong, y, p=0.3, q=1.0, l2=0.1)
    assert set(stiff.predict(strong)) == {0, 1}  # as documented: it gives up a class


BASE = {"X_weak": np.eye(6), "X_strong": np.eye(6), "y": np.array([0, 1, 0, 1, -1, -1])}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"X_weak": np.zeros(6)}, r"X_weak must be a matrix .*got shape \(6,\)"),
        ({"X_strong": np.full((6, 2), np.nan)}, "X_strong must be finite"),
        ({"X_strong": np.eye(5)}, "must list the same rows, got 6, 5"),
        ({"y": np.array([0.0, 1, 0, 1, -1, -1])}, "y must hold integers of at least -1"),
        ({"y": np.array([0, 1, 0, 1, -2, -1])}, "y must hold integers of at least -1"),
        ({"y": np.array([0, 0, 0, 0, -1, -1])}, "got 1 and 2"),
        ({"y": np.array([0, 1, 0, 1, 1, 1])}, "got 2 and 0"),
        ({"p": 0.0}, r"p must lie in \(0, 1\]"),
        ({"q": 2.0}, r"q must lie in \[0, 1\]"),
        ({"l2": 0.0}, "l2 must be finite and exceed 0"),
        ({"X_weak": np.arange(6.0)[:, None]}, "teacher's labels must show every class"),
    ],
)
def test_refusals(change, message):
    if "p" in change or "q" in change:
        rows, _, y = split()
        given = {"X_weak": WEAK[rows], "X_strong": STRONG[rows], "y": y, **change}
    else:
        given = {**BASE, **change}
    with pytest.raises(ValueError, match=message):
        confident_student(**given)
