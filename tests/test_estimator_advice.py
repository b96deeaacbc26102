"""What the classifier advises: only what held-out labels show."""

import numpy as np
import pytest
from test_estimator import blobs, fitted, split

from w2s_tutorial.confidence.estimator import WeakToStrongClassifier, _advice


def test_advice_says_who_wins_only_when_labels_show_it():
    bad = WeakToStrongClassifier().fit(*blobs(0, weak_noise=3.0, labelled=400, d=1))
    assert bad.advice_.startswith("The baseline wins")
    good = WeakToStrongClassifier(l2=1e-3).fit(*blobs(0, weak_noise=0.4, labelled=100, d=200))
    assert "student beats the baseline" in good.advice_
    same = WeakToStrongClassifier().fit(*blobs(0, weak_noise=0.3, labelled=60, d=2))
    assert same.advice_.startswith("The held-out labels do not decide")
    few = fitted(*(lambda s: (s[0], s[2]))(split(labelled=30)))
    assert few.advice_.startswith("Too few labels")
    assert few.roles_["accuracy"].isna().all()


@pytest.mark.parametrize(
    ("won", "lost", "same", "said"),
    [
        (4, 0, 0, "The held-out labels do not decide"),  # although their spread is 0
        (0, 5, 0, "The held-out labels do not decide"),
        (0, 0, 60, "The held-out labels do not decide"),
        (6, 0, 10, "The retrained student beats the baseline"),  # p = 2 / 2^6 = .03
        (1, 9, 0, "The baseline wins"),
    ],
)
def test_few_labels_decide_nothing(won, lost, same, said):
    baseline = np.r_[np.zeros(won), np.ones(lost + same)]
    student = np.r_[np.ones(won), np.zeros(lost), np.ones(same)]
    n = len(baseline)
    right = {"baseline": baseline, "student": student, "retrained": student}
    advice = _advice(right, 0.95, 100, n)
    assert advice.startswith(said)
    assert f"points on {n} held-out labels, {won} won and {lost} lost)" in advice


def test_labels_whose_teacher_gave_up_a_class_are_counted():
    x = 0.01 * np.random.default_rng(0).normal(size=(100, 2))
    x[[11, 12, *range(40, 60)]] += 9  # one of two folds holds both labels that tell class 1 apart
    y = np.repeat([0, 1, -1], (10, 4, 86))
    model = WeakToStrongClassifier(folds=2).fit(x, y, x)
    assert model.roles_["n"].tolist() == [7] * 4
    assert "; 7 left out, without which the teacher did not name every class twice" in model.advice_
