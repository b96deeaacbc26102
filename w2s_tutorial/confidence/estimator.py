"""The recipe on anyone's data, as a scikit-learn classifier: fit, predict, and what it is worth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest, norm
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.model_selection import StratifiedKFold
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    assert_all_finite,
    check_array,
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)
from torch import Tensor
from torch.nn.functional import one_hot

from w2s_tutorial._arrays import check_rows, of_one_kind, plain, unmerged
from w2s_tutorial.confidence.retrain import doubt, retrain, rule
from w2s_tutorial.confidence.selection import By, confidence, kept_by, within_classes
from w2s_tutorial.heads import fit_logistic
from w2s_tutorial.heads.linear import Heads
from w2s_tutorial.progress import progress

Predicts = Literal["retrained", "student", "baseline"]


@dataclass(frozen=True)
class _Taught:
    """One run of the recipe. Without a pool the baseline stands for both students."""

    weak: Heads
    student: Heads
    retrained: Heads
    baseline: Heads
    label: NDArray[np.intp]
    kept: NDArray[np.bool_]
    doubt: float = math.nan
    p: float = math.nan
    q: float = math.nan


class WeakToStrongClassifier(ClassifierMixin, BaseEstimator):
    """Teach a student by a teacher's labels, then retrain it on what it is surest of.

    The teacher learns the labelled rows of X_weak and labels the others; the student learns these
    from X, is asked which it is sure of, and learns the surest share p of them again, with
    generalised cross-entropy q (Liu, Dong and Lei 2026, arXiv 2509.24005). The baseline learns the
    labelled rows of X. No true label of an unlabelled row, and no group, is ever needed. All of
    them are linear heads on standardised columns, solved to the same tolerance.

    Args:
        p, q: share to keep and forgiveness. Default: `retrain.rule` decides, from the
            disagreement of student and teacher alone.
        l2: penalty of all heads, scikit-learn's 1 / (C n). With a large one and q near 1 the
            student may give up a class altogether: the loss lets it.
        by: how confidence is measured, see `selection.confidence`.
        per_class: keep the surest share p of every class, so that the shares of the classes stay
            (ours). False keeps the surest of all, as published, and can upset them.
        folds: of the labelled rows, to measure roles on labels that they did not learn; as many as
            the rarest class allows. 0 measures nothing and is folds + 1 times faster.
        level: coverage of the intervals of `roles_`.
        predicts: the role that answers. It may be changed after the fit, by `set_params`.

    Attributes:
        classes_: (c,) names of the classes, sorted.
        weak_, student_, retrained_, baseline_: the heads, on standardised features. `student_` is
            vanilla weak-to-strong, `retrained_` the remedy.
        unlabeled_: (n,) bool, rows without a label: the pool.
        pseudolabel_: (N,) what the teacher says about the pool, in the order of X's rows.
        kept_: (N,) bool, what `retrained_` was trained on.
        doubt_: share of the pool on which cross-fitted students disagree with the teacher.
        p_, q_: the settings used.
        roles_: table with a row per role and the columns accuracy, low, high, n: of labelled rows
            that were held out (cross-validated), with Wilson intervals; NaN if there were none.
            Folds whose teacher did not name every class twice are left out; `advice_` counts them.
        advice_: what the recipe says of this fit, first of all whether the baseline wins.
        n_features_in_, feature_names_in_: of X, as in scikit-learn.
    """

    def __init__(
        self,
        *,
        p: float | None = None,
        q: float | None = None,
        l2: float = 0.01,
        by: By = "entropy",
        per_class: bool = True,
        folds: int = 5,
        level: float = 0.95,
        predicts: Predicts = "retrained",
    ) -> None:
        self.p = p
        self.q = q
        self.l2 = l2
        self.by = by
        self.per_class = per_class
        self.folds = folds
        self.level = level
        self.predicts = predicts

    def fit(self, X: Any, y: Any, X_weak: Any = None) -> WeakToStrongClassifier:
        """Fit all roles.

        Args:
            X: (n, d) what the student sees.
            y: (n,) strings, integers or booleans; missing (None, NaN) for a row without label,
                or, where X_weak is given, -1 as in scikit-learn's semi-supervised module. Of the
                two marks y may hold one; without X_weak, -1 is a class.
            X_weak: (n, d_weak) what the teacher sees. Default: X, which is self-training. Pass it
                through pipelines and searches by `set_fit_request(X_weak=True)`.

        Raises:
            TypeError: if y holds strings beside numbers, or a parameter is of another kind.
            ValueError: if shapes disagree, a value is not finite, fewer than two classes are
                labelled, y marks rows without label in two ways, a parameter is out of range, or
                the teacher names a class less than twice in the pool.
        """
        if y is None:
            name = type(self).__name__
            raise ValueError(f"{name} requires y to be passed, but the target y is None")
        check_rows(X=X, X_weak=X_weak, y=y)
        X, X_weak, y = plain(X), plain(X_weak), plain(y)
        strong = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        weak = strong
        if X_weak is not None:
            weak = check_array(X_weak, dtype=np.float64, input_name="X_weak", estimator=self)
        needed = "at least 2 classes, got 0 classes"
        labels, missing = _labels(y, needed, minus_one=X_weak is not None)
        check_consistent_length(strong, weak, labels)
        known = labels[~missing]
        assert_all_finite(known, input_name="y")
        check_classification_targets(known)
        self.classes_, code = np.unique(known, return_inverse=True)
        if len(self.classes_) < 2:
            came = f"{len(self.classes_)} class: {self.classes_.tolist()}"
            raise ValueError(f"y must label at least 2 classes, got {came}")
        self._check_parameters()
        rows, pool = (torch.from_numpy(m.nonzero()[0]) for m in (~missing, missing))
        views = [_standardised(torch.tensor(np.ascontiguousarray(x))) for x in (weak, strong)]
        _, self.center_, self.scale_ = views[1]
        seen = (views[0][0], views[1][0], torch.from_numpy(code), pool)

        found = self._teach(*seen, rows, torch.arange(len(rows)))
        self.unlabeled_ = missing
        self.weak_, self.student_ = found.weak, found.student
        self.retrained_, self.baseline_ = found.retrained, found.baseline
        self.pseudolabel_, self.kept_ = self.classes_[found.label], found.kept
        self.doubt_, self.p_, self.q_ = found.doubt, found.p, found.q
        right = self._held_out(*seen, rows)
        self.roles_ = _table(right, self.level)
        self.advice_ = _advice(right, self.level, len(pool), len(rows))
        return self

    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """Probabilities (n, c) of the classes, by the role that `predicts` names."""
        check_is_fitted(self)
        given = validate_data(self, plain(X), reset=False, dtype=np.float64)
        x = torch.tensor(np.ascontiguousarray(given))
        self._check_parameters()
        heads: Heads = getattr(self, f"{self.predicts}_")
        return heads((x - self.center_) / self.scale_)[0].softmax(-1).numpy()

    def predict(self, X: Any) -> NDArray[Any]:
        """Classes (n,), by the role that `predicts` names."""
        probability = self.predict_proba(X)
        return self.classes_[probability.argmax(1)]

    def score(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> float:
        """Accuracy on the rows that have a label.

        Raises:
            ValueError: if no row has one.
        """
        check_is_fitted(self)
        needed = "at least 1 row to score, got none"
        labels, missing = _labels(y, needed, minus_one=-1 not in self.classes_.tolist())
        weight = None if sample_weight is None else np.asarray(sample_weight)[~missing]
        said = self.predict(X)[~missing]
        return float(accuracy_score(labels[~missing], said, sample_weight=weight))

    def _check_parameters(self) -> None:
        if self.predicts not in ("retrained", "student", "baseline"):
            named = "'retrained', 'student' or 'baseline'"
            raise ValueError(f"predicts must be {named}, got {self.predicts!r}")
        given = {name: getattr(self, name) for name in ("p", "q", "l2", "level", "folds")}
        for name, value in given.items():
            kind = Integral if name == "folds" else Real
            free = value is None and name in ("p", "q")
            if not free and (isinstance(value, bool) or not isinstance(value, kind)):
                wanted = "an integer" if kind is Integral else "a number"
                raise TypeError(f"{name} must be {wanted}, got {value!r}")
        if not isinstance(self.per_class, bool | np.bool_):
            raise TypeError(f"per_class must be True or False, got {self.per_class!r}")
        for name, value, low in (("p", self.p, 0.0), ("q", self.q, -1.0)):
            if value is not None and not (low < value <= 1 and value >= 0):
                ends = "(0, 1]" if name == "p" else "[0, 1]"
                raise ValueError(f"{name} must lie in {ends}, got {value}")
        if not 0 < self.level < 1:
            raise ValueError(f"level must lie in (0, 1), got {self.level}")
        if self.folds < 0 or self.folds == 1:
            raise ValueError(f"folds must be 0, or at least 2, got {self.folds}")

    def _teach(
        self, weak: Tensor, strong: Tensor, code: Tensor, pool: Tensor, rows: Tensor, use: Tensor
    ) -> _Taught:
        """The recipe with the labels of rows[use] alone."""
        target = one_hot(code[use], len(self.classes_)).double()[None]
        teacher = fit_logistic(weak[rows[use]], target, l2=self.l2)
        baseline = fit_logistic(strong[rows[use]], target, l2=self.l2)
        if len(pool) == 0:
            nothing = np.zeros(0, np.intp), np.zeros(0, np.bool_)
            return _Taught(teacher, baseline, baseline, baseline, *nothing)
        label = one_hot(teacher(weak[pool]).argmax(-1), target.shape[-1]).double()
        if (rare := (label.sum(1) < 2)[0]).any():  # one for each of the students that are compared
            named = self.classes_[rare.numpy()].tolist()
            said = "it says these less than twice"
            raise ValueError(f"the teacher's labels must show every class, {said}: {named}")
        x = strong[pool][None]
        penalty = torch.tensor([self.l2], dtype=torch.float64)
        student = fit_logistic(x[0], label, l2=self.l2)
        score, doubted = confidence(student(x), self.by), doubt(x, label, l2=penalty)
        score = within_classes(score, label) if self.per_class else score
        p, q = (
            torch.tensor([float(suggested if given is None else given)], dtype=torch.float64)
            for given, suggested in zip((self.p, self.q), rule(doubted), strict=True)
        )
        again = retrain(x, label, score, p=p, q=q, l2=penalty)
        kept = kept_by(score, label, p)[0].numpy()
        names = label[0].argmax(-1).numpy()
        return _Taught(
            teacher, student, again, baseline, names, kept, float(doubted), float(p), float(q)
        )

    def _held_out(
        self, weak: Tensor, strong: Tensor, code: Tensor, pool: Tensor, rows: Tensor
    ) -> dict[str, NDArray[np.float64]]:
        """Role -> whether it classified each labelled row rightly that it did not learn."""
        folds = min(self.folds, int(code.bincount().min()))
        right: dict[str, list[NDArray[np.float64]]] = {role: [] for role in _ROLES}
        if folds >= 2:
            parts = StratifiedKFold(folds, shuffle=True, random_state=0)
            dealt = list(parts.split(np.zeros(len(code)), code.numpy()))
            for use, test in progress(dealt, of="folds", total=folds):
                try:
                    taught = self._teach(weak, strong, code, pool, rows, torch.from_numpy(use))
                except ValueError:  # a teacher of fewer labels that names not every class
                    continue
                for role in _ROLES:
                    x = weak if role == "weak" else strong
                    said = getattr(taught, role)(x[rows[test]])[0].argmax(-1)
                    right[role].append((said == code[test]).double().numpy())
        return {role: np.concatenate([np.zeros(0), *each]) for role, each in right.items()}


_ROLES = ("weak", "student", "retrained", "baseline")


def _labels(y: Any, needed: str, *, minus_one: bool) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """y as one column, and which rows have no label."""
    y = unmerged(y) if hasattr(y, "isna") or isinstance(y, list | tuple) else y
    labels = column_or_1d(y, warn=True)
    missing = np.asarray(pd.isna(labels), dtype=bool)
    if minus_one and labels.dtype.kind in "ifO":
        marked = np.array([isinstance(v, Real) and v == -1 for v in labels.tolist()], bool)
        if missing.any() and marked.any():
            raise ValueError("y must mark rows without label by None and NaN or by -1, got both")
        missing |= marked
    if missing.all():
        raise ValueError(f"y must label {needed}")
    if labels.dtype == object:  # numbers among None are numbers
        natural = of_one_kind("y", labels[~missing])
        natural = natural if natural.dtype.kind in "biu" else labels[~missing]
        filled = np.empty(labels.shape, natural.dtype)
        filled[~missing], filled[missing] = natural, natural[0]
        labels = filled
    return labels, missing


def _table(right: dict[str, NDArray[np.float64]], level: float) -> pd.DataFrame:
    """Accuracy with Wilson's interval; exact enough from a handful of rows on."""
    z = float(norm.ppf(0.5 + level / 2))
    rows = {}
    for role, hits in right.items():
        n, mean = len(hits), float(hits.mean()) if len(hits) else math.nan
        if n == 0:
            rows[role] = [mean, math.nan, math.nan, 0]
            continue
        middle = (mean + z * z / (2 * n)) / (1 + z * z / n)
        half = z * math.sqrt(mean * (1 - mean) / n + z * z / (4 * n * n)) / (1 + z * z / n)
        rows[role] = [mean, middle - half, middle + half, n]
    return pd.DataFrame.from_dict(rows, orient="index", columns=["accuracy", "low", "high", "n"])


def _advice(right: dict[str, NDArray[np.float64]], level: float, pool: int, labels: int) -> str:
    if pool == 0:
        return "No row is unlabelled: there is no pool to learn from, and the baseline answers."
    n = len(right["baseline"])
    if n < 2:
        return (
            "Too few labels to hold any out: nobody knows whether the baseline wins. "
            "Label at least two rows of each class."
        )
    best = max(("retrained", "student"), key=lambda role: right[role].mean())
    gain = right[best] - right["baseline"]  # on the same rows, so what is hard for both cancels
    wins, losses = int((gain > 0).sum()), int((gain < 0).sum())
    seen = f"{100 * gain.mean():+.1f} points on {n} held-out labels, {wins} won and {losses} lost"
    if n < labels:
        seen += f"; {labels - n} left out, without which the teacher did not name every class twice"
    # The exact sign test: an interval from the spread would have no width where all rows agree.
    if wins == losses or binomtest(wins, wins + losses).pvalue > 1 - level:
        return (
            f"The held-out labels do not decide between baseline and {best} student ({seen}): "
            "label more rows, or stay with the baseline, the simpler of the two."
        )
    if losses > wins:
        return f"The baseline wins ({best} {seen}): stop here, predict with predicts='baseline'."
    return f"The {best} student beats the baseline ({seen}): predict with predicts='{best}'."


def _standardised(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    center, scale = x.mean(0), x.std(0, correction=0)
    # A column is constant if its spread is rounding of its mean: dividing by that would blow it up.
    floor = 1e-13 * x.abs().amax(0)
    scale = torch.where(scale > floor, scale, 1.0)
    return (x - center) / scale, center, scale
