"""Every function of the face on every kind of input: a right answer, or an error that names it.

Each drawn case has two forms of the same numbers: the plain one (double precision, contiguous, an
axis of heads everywhere) and one of another precision, layout or sharing. Both must give the same
answer. What is refused must be refused by a ValueError or TypeError that names an argument, and
the plain form may be refused only if the other one is.
"""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor
from torch.nn.functional import one_hot

import w2s_tutorial as w2s
from w2s_tutorial import losses, pipeline

DEVICES = ["cpu"]  # a stand-in accelerator is one more name
DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
LAYOUTS = ["plain", "transposed", "every second", "reversed twice"]


@dataclass(frozen=True)
class Case:
    """Numbers that every precision holds exactly, and how the other form presents them."""

    weak: Tensor  # (h, n, 2) double
    strong: Tensor  # (h, n, d)
    label: Tensor  # (h, n)
    group: Tensor  # (h, n)
    classes: int
    dtype: torch.dtype
    target: torch.dtype
    layout: str
    shared: bool
    device: str

    def other(self, value: Tensor, dtype: torch.dtype | None = None) -> Tensor:
        value = laid_out(value.to(self.device, dtype or value.dtype), self.layout)
        return value[0] if self.shared else value

    def onehot(self, dtype: torch.dtype = torch.float64) -> Tensor:
        if self.classes == 1:
            return self.label[..., None].to(dtype)
        return one_hot(self.label, self.classes).to(dtype)

    def targets(self) -> Tensor:
        return laid_out(self.onehot(self.target).to(self.device), self.layout)


def laid_out(value: Tensor, layout: str) -> Tensor:
    if layout == "transposed" and value.dim() > 1:
        return value.mT.contiguous().mT
    if layout == "every second":
        return value.repeat_interleave(2, -1)[..., ::2]
    if layout == "reversed twice":
        return value.flip(-1).contiguous().flip(-1)
    return value


@st.composite
def cases(draw: st.DrawFn) -> Case:
    h, n = draw(st.integers(1, 3)), draw(st.sampled_from([0, 1, 2, 3, 8, 12]))
    d, classes = draw(st.integers(1, 4)), draw(st.sampled_from([1, 2, 2, 3]))
    shared = draw(st.booleans())
    g = torch.Generator().manual_seed(draw(st.integers(0, 10**6)))
    # Eight bits, which is what the shortest of the precisions holds.
    exact = lambda *shape: torch.randint(-255, 256, shape, generator=g).double() / 64
    weak, strong = exact(1 if shared else h, n, 2), exact(1 if shared else h, n, d)
    return Case(
        weak.expand(h, n, 2).contiguous(),
        strong.expand(h, n, d).contiguous(),
        torch.randint(max(classes, 2), (h, n), generator=g),
        torch.randint(3, (h, n), generator=g)[:1].expand(h, n).contiguous(),
        classes,
        draw(st.sampled_from(DTYPES)),
        draw(st.sampled_from([torch.int64, torch.bool, torch.int32, *DTYPES])),
        draw(st.sampled_from(LAYOUTS)),
        shared,
        draw(st.sampled_from(DEVICES)),
    )


REFUSED = object()


def answer(call: Callable[[], Any], names: set[str]) -> Any:
    """What a call returns, or REFUSED if it was refused as promised."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return call()
    except (ValueError, TypeError) as error:
        words = str(error)
    assert set(re.findall(r"\w+", words)) & names, f"names no argument: {words!r}"
    return REFUSED


def arguments(function: Callable[..., Any]) -> set[str]:
    return set(inspect.signature(function).parameters)


def agree(plain: Any, other: Any, *, tolerance: float = 1e-4) -> None:
    if other is REFUSED or plain is REFUSED:
        assert plain is other, f"one form is refused, the other gives {plain} or {other}"
        return
    torch.testing.assert_close(
        other.cpu().double(), plain.double(), rtol=tolerance, atol=tolerance, equal_nan=True
    )


FITS: dict[str, Callable[..., Any]] = {
    "fit_logistic": lambda x, t: w2s.fit_logistic(x, t, l2=0.5),
    "fit_ridge": lambda x, t: w2s.fit_ridge(x, t, l2=0.5),
    "fit_ridgeless": lambda x, t: w2s.fit_ridgeless(x, t),
    "fit_in_ball": lambda x, t: w2s.fit_in_ball(x, t, radius=0.5),
    "fit_gradient": lambda x, t: w2s.fit_gradient(x, t, losses.squared, steps=5, lr=0.1),
}


@pytest.mark.parametrize("name", FITS)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(case=cases())
def test_fits(name: str, case: Case) -> None:
    names = arguments(getattr(w2s, name)) | {"head"}
    plain = answer(lambda: FITS[name](case.strong, case.onehot())(case.strong), names)
    x = case.other(case.strong, case.dtype)
    agree(plain, answer(lambda: FITS[name](x, case.targets())(x), names))


MEASURES: dict[str, Callable[..., Tensor]] = {
    "accuracy": lambda o, t, g: w2s.accuracy(o, t),
    "error_rate": lambda o, t, g: w2s.error_rate(o, t),
    "group_accuracy": lambda o, t, g: w2s.group_accuracy(o, t, g, groups=3),
    "squared_error": lambda o, t, g: w2s.squared_error(o, t),
    "misfit": lambda o, t, g: w2s.misfit(o, t),
}


@pytest.mark.parametrize("name", MEASURES)
@settings(max_examples=60, deadline=None, derandomize=True)
@given(case=cases())
def test_measures(name: str, case: Case) -> None:
    measure, names = MEASURES[name], arguments(getattr(w2s, name)) | {"output", "target"}
    output = case.strong[..., :1].repeat(1, 1, case.classes)
    output = output + torch.arange(case.classes) * (1 - 2 * case.label[..., None])
    plain = answer(lambda: measure(output, case.onehot(), case.group), names)
    found = laid_out(output.to(case.device, case.dtype), case.layout)
    group = case.other(case.group)
    tolerance = 0.02 if name in ("squared_error", "misfit") else 1e-6  # a mean in half precision
    agree(plain, answer(lambda: measure(found, case.targets(), group), names), tolerance=tolerance)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(case=cases(), name=st.sampled_from(["hard", "soft", "random_mistakes"]))
def test_pseudolabels(case: Case, name: str) -> None:
    output = case.onehot() if name == "random_mistakes" else case.strong
    rate = torch.full((len(output),), 0.5, dtype=torch.float64)
    calls: dict[str, Callable[[Tensor], Tensor]] = {
        "hard": w2s.hard,
        "soft": w2s.soft,
        "random_mistakes": lambda t: pipeline.random_mistakes(t, rate, seed=0),
    }
    names = {"output", "target", "rate"}
    plain = answer(lambda: calls[name](output), names)
    found = laid_out(output.to(case.device, case.dtype), case.layout)
    agree(plain, answer(lambda: calls[name](found), names), tolerance=0.01)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    case=cases(),
    values=st.lists(st.integers(0, 8), min_size=0, max_size=5),
    measure=st.sampled_from([(w2s.pgr, 3), (w2s.opr, 2)]),
)
def test_ratios(case: Case, values: list[int], measure: tuple[Any, int]) -> None:
    ratio, roles = measure
    risk = torch.tensor(values, dtype=torch.float64) / 8
    forms = (risk, risk / 2, risk / 4)
    names = {"weak", "student", "ceiling", "student_risk", "baseline_risk", "samples"}
    plain = answer(lambda: ratio(*forms[:roles]), names)
    other = [laid_out(form.to(case.dtype), case.layout) for form in forms[:roles]]
    agree(plain, answer(lambda: ratio(*other), names), tolerance=0.02)
    ends = answer(lambda: w2s.bootstrap_interval(ratio, *other, repeats=20, seed=0), names)
    assert ends is REFUSED or ends[0].isnan() or ends[0] <= ends[1]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(case=cases(), fit=st.sampled_from(["logistic", "ridge"]), named=st.booleans())
def test_the_pipeline(case: Case, fit: str, named: bool) -> None:
    """From arrays through a split, where heads share, to the outputs of all four roles."""
    names = arguments(w2s.weak_to_strong) | {field.name for field in fields(w2s.Sample)}
    names |= {"sample", "student", "baseline", "ceiling", "y", "n_labeled", "n_pool", "n_test"}

    def run(whole: Callable[[], w2s.Sample], device: str = "cpu") -> Tensor:
        made = whole()
        labeled, pool = made[: len(made) // 2], made[len(made) // 2 :]
        how = None if fit == "ridge" else w2s.hard
        outcome = w2s.weak_to_strong(labeled, pool, fit=fit, l2=0.5, pseudo_label=how)
        return torch.cat(list(outcome.outputs(made).values()), -1)

    plain = answer(
        lambda: run(lambda: w2s.Sample(case.weak, case.strong, case.onehot(), case.group)), names
    )
    weak, strong = (case.other(view, case.dtype) for view in (case.weak, case.strong))
    if named and case.classes > 1 and case.dtype != torch.bfloat16:  # which numpy does not have
        label = case.label.numpy().astype(str)
        classes = [str(code) for code in range(case.classes)]
        make = lambda: w2s.Sample.from_arrays(
            weak=weak.numpy(), strong=strong, y=label, group=case.group.numpy(), classes=classes
        )
    else:
        group = case.other(case.group)
        make = lambda: w2s.Sample(weak, strong, case.targets(), group)
    agree(plain, answer(lambda: run(make), names), tolerance=2e-3)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    n=st.sampled_from([1, 2, 3, 9, 20]),
    sizes=st.tuples(*[st.integers(-1, 8)] * 3),
    draws=st.integers(0, 3),
    seed=st.sampled_from([0, torch.Generator().manual_seed(1), None, 0.5, -1]),
    minority=st.sampled_from([None, "a", ["a", "b"], "none of them"]),
    share=st.sampled_from([None, 0.5, {"pool": 0.25}, 2.0, {"train": 0.5}]),
)
def test_splits(n, sizes, draws, seed, minority, share) -> None:
    g = torch.Generator().manual_seed(n)
    x, y = torch.randn(n, 2, generator=g), torch.arange(n) % 2
    group = ["ab"[i % 3 == 0] for i in range(n)]
    names = arguments(w2s.Sample.split) | {"labeled", "pool", "test", "y"}

    def run() -> Any:
        whole = w2s.Sample.from_arrays(weak=x, strong=x, y=y, group=group)
        return whole.split(*sizes, draws=draws, seed=seed, minority=minority, share=share)

    split = answer(run, names)
    if split is not REFUSED:
        for name, rows in split.rows.items():
            assert rows.shape == (draws, sizes[["labeled", "pool", "test"].index(name)])
        for row in torch.cat(list(split.rows.values()), 1):
            assert len(set(row.tolist())) == sum(sizes)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(case=cases(), p=st.sampled_from([0.0, 0.3, 1.0]), q=st.sampled_from([0.0, 0.5, 1.5]))
def test_retraining(case: Case, p: float, q: float) -> None:
    names = arguments(w2s.retrain) | {"target", "example_weight", "head", "losses", "loss"}
    value = lambda number: torch.tensor([number], dtype=torch.float64)

    def run(x: Tensor, label: Tensor, score: Tensor) -> Tensor:
        heads = w2s.retrain(x, label, score, p=value(p), q=value(q), l2=value(0.5))
        return heads(x)

    plain = answer(lambda: run(case.strong, case.onehot(), case.weak[..., 0]), names)
    x = laid_out(case.strong.to(case.dtype), case.layout)
    score = laid_out(case.weak.to(case.dtype)[..., 0], case.layout)
    agree(plain, answer(lambda: run(x, case.targets(), score), names), tolerance=0.02)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(case=cases(), known=st.integers(0, 12))
def test_the_classifier(case: Case, known: int) -> None:
    names = {"X", "X_weak", "y", "samples", "sample", "teacher"}
    y = [int(v) if i < known else None for i, v in enumerate(case.label[0].tolist())]

    def run(x: Any, weak: Any) -> Tensor:
        model = w2s.WeakToStrongClassifier(folds=0, l2=0.5).fit(x, y, X_weak=weak)
        return torch.tensor(model.predict_proba(x))

    plain = answer(lambda: run(case.strong[0].numpy(), case.weak[0].numpy()), names)
    dtype = torch.float32 if case.dtype == torch.bfloat16 else case.dtype  # numpy has no other
    x, weak = (laid_out(v[0].to(dtype), case.layout) for v in (case.strong, case.weak))
    agree(plain, answer(lambda: run(x.numpy(), weak.numpy()), names))
