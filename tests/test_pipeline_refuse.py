"""What the pipeline refuses, and that the message names it."""

import re

import numpy as np
import pytest
import torch
from test_pipeline import regression, two_classes

from w2s_tutorial.heads.least_squares import fit_ridgeless
from w2s_tutorial.pipeline import hard, random_mistakes, soft, weak_to_strong
from w2s_tutorial.sample import Sample


@pytest.mark.parametrize("classes", [["b", "a"], ["b", "c"], None])
def test_a_sample_of_other_classes_is_not_judged(classes):
    x = np.arange(24.0).reshape(12, 2)
    y = ["a", "b"] * 6
    learnt = Sample.from_arrays(weak=x, strong=x, y=y)
    outcome = weak_to_strong(learnt, learnt, fit="ridge", l2=0.1, pseudo_label=hard)
    same = Sample.from_arrays(weak=x, strong=x, y=y, classes=["a", "b"])
    assert torch.equal(outcome.accuracies(same)["weak"], outcome.accuracies(learnt)["weak"])
    other = Sample(learnt.weak, learnt.strong, learnt.target, classes=tuple(classes or ()))
    for ask in (outcome.outputs, outcome.accuracies, outcome.report):
        with pytest.raises(ValueError, match=r"sample must have the classes that were learnt, .'a"):
            ask(other)


REFUSED = [
    ({"fit": "tree"}, r"fit must be a function or one of \['logistic', 'ridge'\], got 'tree'"),
    ({"l2": None}, "l2 must be given with fit='logistic'"),
    ({"l2": -1.0}, "weak cannot be fitted: l2 must be finite and exceed 0, got -1.0"),
    ({"fit": fit_ridgeless}, "l2 must be left to a fit of your own, got 0.1"),
    ({"pseudo_label": lambda o: o.argmax(-1)}, r"pseudo_label must return .*\(6, 60\) from"),
    ({"pseudo_label": lambda o: None}, r"pseudo_label must return .*, got NoneType from \(6, 60"),
    ({"fit": ["ridge"]}, r"fit must be a function or one of .*, got \['ridge'\]"),
    ({"fit": "ridge", "l2": torch.ones(6)}, r"l2 must be one number with fit='ridge', got shape"),
    ({"l2": torch.ones(4)}, r"weak cannot be fitted: l2 must be a number or \(6,\), got .*\(4,\)"),
    ({"pool": two_classes(60, heads=4)}, r"labeled and pool must have the same .*, got \[6, 4\]"),
    ({"pseudo_label": None}, "student cannot be fitted: target must hold label distributions"),
]


@pytest.mark.parametrize(("change", "message"), REFUSED)
def test_what_the_pipeline_refuses_is_named(change, message):
    how = {"fit": "logistic", "l2": 0.1, "pseudo_label": hard, **change}
    with pytest.raises(ValueError, match=message):
        weak_to_strong(two_classes(40), **{"pool": two_classes(60, seed=1), **how})


def test_labels_need_classes_and_samples_must_fit():
    labeled, pool = regression(30), regression(50, seed=1)
    for pseudo_label in (hard, soft):
        with pytest.raises(ValueError, match=r"pseudo_label cannot .*: output must have a column"):
            weak_to_strong(labeled, pool, fit="ridge", l2=0.1, pseudo_label=pseudo_label)
    with pytest.raises(ValueError, match="target must have a column per class"):
        random_mistakes(pool.target, torch.zeros(4), seed=0)
    how = {"fit": "logistic", "l2": 0.1, "pseudo_label": hard}
    mine, theirs = two_classes(40), two_classes(60, seed=1)
    with pytest.raises(ValueError, match=r"agree in the width of weak, got \[2, 4\]"):
        weak_to_strong(mine, Sample(theirs.strong, theirs.strong, theirs.target), **how)
    named = Sample(theirs.weak, theirs.strong, theirs.target, classes=("no", "yes"))
    with pytest.raises(ValueError, match="labeled and pool must have the same classes"):
        weak_to_strong(mine, named, **how)
    outcome = weak_to_strong(mine, theirs, **how)
    with pytest.raises(ValueError, match="sample must have weak's weak view of 2 features, got 4"):
        outcome.outputs(Sample(theirs.strong, theirs.strong, theirs.target))
    with pytest.raises(ValueError, match="sample must have weak's 6 heads, got 2"):
        outcome.outputs(two_classes(9, heads=2))
    for ask in (outcome.outputs, outcome.accuracies, outcome.report):
        with pytest.raises(TypeError, match="sample must be a Sample, got Tensor"):
            ask(theirs.strong)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pool": None}, "pool must be a Sample, got NoneType"),
        ({"labeled": [1]}, "labeled must be a Sample, got list"),
        ({"pseudo_label": "hard"}, "pseudo_label must be a function, or None, got 'hard'"),
        ({"l2": "1"}, "l2 must be a number or a tensor, got '1'"),
        ({"l2": True}, "l2 must be a number or a tensor, got True"),
        ({"l2": [1.0]}, "l2 must be a number or a tensor, got [1.0]"),
        ({"fit": lambda x, t: None, "l2": None}, "fit must return Heads, got NoneType for weak"),
    ],
)
def test_what_is_of_another_kind_is_named(change, message):
    x = torch.arange(12.0).view(6, 2)
    sample = Sample.from_arrays(weak=x, strong=x, y=[0, 1] * 3)
    given = {"labeled": sample, "pool": sample, "fit": "ridge", "l2": 0.1, "pseudo_label": hard}
    weak_to_strong(**given)
    with pytest.raises(TypeError, match=re.escape(message)):
        weak_to_strong(**given | change)
