"""The recipe on anyone's data: two feature matrices, labels, and -1 where there is none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from w2s_tutorial.confidence.retrain import doubt, retrain, rule, score_of
from w2s_tutorial.confidence.rivals import vanilla
from w2s_tutorial.confidence.selection import By, keep_top, within_classes
from w2s_tutorial.heads.linear import Heads


@dataclass(frozen=True)
class ConfidentStudent:
    """A student before (`vanilla`) and after (`retrained`) confidence retraining.

    Attributes:
        classes: the class names, sorted; columns of probabilities follow them.
        pseudolabel: (N,) what the teacher says about the pool, in the order of X_strong's rows.
        kept: (N,) bool, what the student was retrained on.
        doubt: share of the pool on which cross-fitted students disagree with the teacher.
        p, q: the settings used.
        vanilla, retrained: the two heads, on standardised features.
        center, scale: (d,) what X_strong is standardised with.
    """

    classes: NDArray[np.generic]
    pseudolabel: NDArray[np.generic]
    kept: NDArray[np.bool_]
    doubt: float
    p: float
    q: float
    vanilla: Heads
    retrained: Heads
    center: Tensor
    scale: Tensor

    def predict_proba(self, X_strong: ArrayLike, *, vanilla: bool = False) -> NDArray[np.float64]:
        """Class probabilities (n, c) of the retrained student, or of the vanilla one."""
        x = (_matrix("X_strong", X_strong) - self.center) / self.scale
        head = self.vanilla if vanilla else self.retrained
        return head(x)[0].softmax(-1).numpy()

    def predict(self, X_strong: ArrayLike, *, vanilla: bool = False) -> NDArray[np.generic]:
        """Classes (n,) named by the retrained student, or by the vanilla one."""
        return self.classes[self.predict_proba(X_strong, vanilla=vanilla).argmax(1)]


def confident_student(
    X_weak: ArrayLike,
    X_strong: ArrayLike,
    y: ArrayLike,
    *,
    p: float | None = None,
    q: float | None = None,
    l2: float = 0.01,
    by: By = "entropy",
    per_class: bool = True,
) -> ConfidentStudent:
    """Teach a student by a teacher's labels, then retrain it on what it is surest of.

    The teacher learns the labelled rows of X_weak and labels the others; the student learns these
    from X_strong, is asked which it is sure of, and learns the surest share p of them again, with
    generalised cross-entropy q. Columns are standardised. No true label of an unlabelled row, and
    no group, is ever needed.

    Args:
        X_weak: (n, d_weak) what the teacher sees.
        X_strong: (n, d_strong) what the student sees, the same rows.
        y: (n,) integers: the class, 0 or above, or -1 for a row without label, as in scikit-learn.
        p, q: share to keep and forgiveness. Default: `retrain.rule` decides, from the
            disagreement of student and teacher alone.
        l2: penalty of all heads, scikit-learn's 1 / (C n). With a large one and q near 1 the
            student may give up a class altogether: the loss lets it.
        by: how confidence is measured, see `selection.confidence`.
        per_class: keep the surest share p of every class, so that the shares of the classes stay
            (ours). False keeps the surest of all, as published, and can upset them.

    Raises:
        ValueError: if shapes disagree, a value is not finite, y is not made of integers of at
            least -1, fewer than two classes are labelled, no row is unlabelled, or the teacher
            gives all of them one label.
    """
    weak, strong = _matrix("X_weak", X_weak), _matrix("X_strong", X_strong)
    labels = np.asarray(y)
    if labels.shape != (len(weak),) or len(strong) != len(weak):
        came = f"{len(weak)}, {len(strong)} and shape {labels.shape}"
        raise ValueError(f"X_weak, X_strong and y must list the same rows, got {came}")
    if not np.issubdtype(labels.dtype, np.integer) or labels.min() < -1:
        raise ValueError(f"y must hold integers of at least -1, got {labels.dtype}")
    labelled = torch.from_numpy(labels >= 0)
    classes = np.unique(labels[labels >= 0])
    if len(classes) < 2 or bool(labelled.all()):
        came = f"{len(classes)} and {int((~labelled).sum())}"
        raise ValueError(f"y must label 2 classes or more and leave a row unlabelled, got {came}")
    code = np.searchsorted(classes, labels[labels >= 0])
    target = one_hot(torch.from_numpy(code), len(classes)).double()[None]
    penalty = torch.tensor([l2], dtype=torch.float64)
    weak, _, _ = _standardised(weak)
    strong, center, scale = _standardised(strong)
    said = vanilla(weak[labelled][None], target, penalty)(weak[~labelled])
    label = one_hot(said.argmax(-1), len(classes)).double()
    if (missing := (label.sum(1) == 0)[0]).any():
        named = classes[missing.numpy()].tolist()
        raise ValueError(f"the teacher's labels must show every class, it never says {named}")
    x = strong[~labelled][None]
    student = vanilla(x, label, penalty)
    score, doubted = score_of(student, x, by), doubt(x, label, l2=penalty)
    score = within_classes(score, label) if per_class else score
    from_rule = rule(doubted)
    kept, forgiving = (
        torch.tensor([float(given if given is not None else suggested)], dtype=torch.float64)
        for given, suggested in zip((p, q), from_rule, strict=True)
    )
    retrained = retrain(x, label, score, p=kept, q=forgiving, l2=penalty)
    return ConfidentStudent(
        classes,
        classes[label[0].argmax(-1).numpy()],
        keep_top(score, kept)[0].numpy(),
        float(doubted),
        float(kept),
        float(forgiving),
        student,
        retrained,
        center,
        scale,
    )


def _matrix(name: str, value: ArrayLike) -> Tensor:
    x = np.asarray(value, dtype=np.float64)
    if x.ndim != 2 or 0 in x.shape:
        raise ValueError(f"{name} must be a matrix (n, d) with n, d > 0, got shape {x.shape}")
    if not np.isfinite(x).all():
        raise ValueError(f"{name} must be finite, got NaN or infinity")
    return torch.from_numpy(x)


def _standardised(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    center, scale = x.mean(0), x.std(0, correction=0)
    scale = torch.where(scale > 0, scale, 1.0)
    return (x - center) / scale, center, scale
