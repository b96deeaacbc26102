"""Weak-to-strong, end to end: four fits, one outcome."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from numbers import Real
from typing import Literal

import pandas as pd
import torch
from torch import Tensor

from w2s_tutorial import metrics
from w2s_tutorial.heads import fit_logistic, fit_ridge
from w2s_tutorial.heads.linear import Heads
from w2s_tutorial.sample import Sample, join
from w2s_tutorial.seeds import Seed, generator_of

Fit = Callable[[Tensor, Tensor], Heads]

ROLES = ("weak", "student", "baseline", "ceiling")
FITS: Mapping[str, Callable[..., Heads]] = {"logistic": fit_logistic, "ridge": fit_ridge}


@dataclass(frozen=True)
class Outcome:
    """The four fitted roles. `weak` reads the weak features, the others the strong ones."""

    weak: Heads
    student: Heads
    baseline: Heads
    ceiling: Heads
    _classes: tuple[Hashable, ...] = field(default=(), repr=False)

    @property
    def failed(self) -> dict[str, dict[int, str]]:
        """Role -> head -> why it could not be fitted; empty if all were. Such outputs are NaN."""
        each = {role: dict(getattr(self, role).failed) for role in ROLES}
        return {role: heads for role, heads in each.items() if heads}

    def outputs(self, sample: Sample) -> dict[str, Tensor]:
        """Role -> outputs (h, n, c) on a sample, each on its own view.

        Raises:
            TypeError: if it is no sample.
            ValueError: if its classes, or widths of its features, are not those that were learnt.
        """
        if not isinstance(sample, Sample):
            raise TypeError(f"sample must be a Sample, got {type(sample).__name__}")
        if self._classes and sample.classes != self._classes:
            came = f"{self._classes} (classes= of from_arrays), got {sample.classes}"
            raise ValueError(f"sample must have the classes that were learnt, {came}")
        found = {}
        for role in ROLES:
            view, x = ("weak", sample.weak) if role == "weak" else ("strong", sample.strong)
            heads: Heads = getattr(self, role)
            if x.shape[-1] != heads.weight.shape[1]:
                came = f"{heads.weight.shape[1]} features, got {x.shape[-1]}"
                raise ValueError(f"sample must have {role}'s {view} view of {came}")
            if x.dim() == 3 and len({len(x), len(heads), 1}) > 2:
                raise ValueError(f"sample must have {role}'s {len(heads)} heads, got {len(x)}")
            found[role] = heads(x)
        return found

    def accuracies(self, sample: Sample) -> dict[str, Tensor]:
        """Role -> share of a sample's examples classified correctly (h,); NaN where not fitted."""
        return self._measured(metrics.accuracy, sample)

    def _measured(self, measure: Callable[..., Tensor], sample: Sample) -> dict[str, Tensor]:
        """Role -> a value per head (h,), also where all heads share a role."""
        found = [measure(output, sample.target) for output in self.outputs(sample).values()]
        return dict(zip(ROLES, torch.broadcast_tensors(*found), strict=True))

    def report(self, sample: Sample, *, level: float = 0.95, seed: Seed = 0) -> pd.DataFrame:
        """What to look at first: every role, PGR and OPR on a sample, with intervals over heads.

        Args:
            sample: examples that no role has seen.
            level: coverage of the percentile bootstrap intervals.
            seed: integer or generator, consumed for their draws.

        Returns:
            A row per role, then "PGR" and "OPR"; columns mean, low, high, heads. Roles are
            measured by accuracy, or by squared error where targets are real; OPR is of error
            rates, or squared errors. Only heads fitted in all four roles count. With fewer than
            two, intervals are NaN. Heads that share examples have wider intervals than these:
            see `Split.overlap`.
        """
        generator = generator_of(seed)
        real = self.weak.weight.shape[-1] == 1
        measure = metrics.squared_error if real else metrics.accuracy
        found = torch.stack([*self._measured(measure, sample).values()])
        found = found[:, found.isfinite().all(0)].cpu()
        weak, student, baseline, ceiling = found
        asked: dict[str, tuple[Callable[..., Tensor], tuple[Tensor, ...]]] = {
            role: (lambda value: value.mean(-1), (value,))
            for role, value in zip(ROLES, found, strict=True)
        }
        asked["PGR"] = (metrics.pgr, (weak, student, ceiling))
        asked["OPR"] = (metrics.opr, (student, baseline) if real else (1 - student, 1 - baseline))
        rows = {}
        for name, (statistic, values) in asked.items():
            ends: tuple[float, ...] = (math.nan, math.nan)
            if len(weak) > 1:
                low, high = metrics.bootstrap_interval(
                    statistic, *values, level=level, seed=generator
                )
                ends = float(low), float(high)
            mean = float(statistic(*values)) if len(weak) else math.nan
            rows[name] = [mean, *ends, len(weak)]
        return pd.DataFrame.from_dict(
            rows, orient="index", columns=["mean", "low", "high", "heads"]
        )


def hard(output: Tensor) -> Tensor:
    """Pseudolabels that keep only the largest output: one-hot (h, n, c).

    Raises:
        ValueError: if there is one output only, as in regression.
    """
    _check_classes(output)
    return torch.nn.functional.one_hot(output.argmax(-1), output.shape[-1]).to(output.dtype)


def soft(output: Tensor) -> Tensor:
    """Pseudolabels that keep the teacher's doubt: softmax probabilities (h, n, c).

    Raises:
        ValueError: if there is one output only, as in regression.
    """
    _check_classes(output)
    return output.softmax(-1)


def _check_classes(output: Tensor, name: str = "output") -> None:
    if not isinstance(output, Tensor):
        raise TypeError(f"{name} must be a torch.Tensor, got {type(output).__name__}")
    if output.dim() == 0 or output.shape[-1] < 2:
        came = f"got shape {tuple(output.shape)}"
        raise ValueError(f"{name} must have a column per class, at least 2, {came}")


def random_mistakes(target: Tensor, rate: Tensor, *, seed: Seed) -> Tensor:
    """True labels with mistakes thrown in by dice: the control for a teacher's mistakes.

    A teacher that errs equally often, but in a way its student can see, teaches worse than dice.

    Args:
        target: (h, n, c) one-hot true labels.
        rate: (h,) share of examples to mislabel, in [0, 1]; round(rate * n) of them are.
        seed: integer or generator, consumed for which examples, and for the wrong class of each.

    Returns:
        (h, n, c) one-hot labels.

    Raises:
        ValueError: if a rate leaves [0, 1], target and rate differ in heads, or there is one
            output only, as in regression.
    """
    generator = generator_of(seed)
    _check_classes(target, "target")
    h, n, c = target.shape
    if rate.shape != (h,):
        raise ValueError(f"rate must hold target's {h} heads, got shape {tuple(rate.shape)}")
    if not ((rate >= 0) & (rate <= 1)).all():
        raise ValueError(f"rate must lie in [0, 1], got {rate.min():g} to {rate.max():g}")
    order = torch.rand(h, n, generator=generator).argsort(-1).to(target.device)
    wrong = order < (rate.to(target.device) * n).round()[:, None]
    shift = torch.randint(1, c, (h, n), generator=generator).to(target.device)
    label = target.argmax(-1)
    label = torch.where(wrong, (label + shift) % c, label)
    return torch.nn.functional.one_hot(label, c).to(target.dtype)


def weak_to_strong(
    labeled: Sample,
    pool: Sample,
    *,
    fit: Literal["logistic", "ridge"] | Fit,
    l2: float | Tensor | None = None,
    pseudo_label: Callable[[Tensor], Tensor] | None,
    ceiling_on: Literal["pool", "pool and labeled"] = "pool",
) -> Outcome:
    """Fit all four roles.

    weak: weak features of the labelled set, true labels. student: strong features of the pool,
    labels from `weak`. baseline: strong features of the labelled set, true labels. ceiling:
    strong features, true labels, of the data that `ceiling_on` names.

    Args:
        labeled: examples whose targets the weak model and the baseline learn from.
        pool: examples whose targets only the ceiling sees.
        fit: "logistic" (`fit_logistic`), "ridge" (`fit_ridge`), or a function from features
            (n, d) or (h, n, d) and targets (h, n, c) to Heads.
        l2: the penalty of a named fit, above 0.
        pseudo_label: weak outputs on the pool (h, n, c) -> the student's targets: `hard` or
            `soft`. None leaves them as they are, for regression.
        ceiling_on: published code differs here. "pool" gives student and ceiling the same
            examples; "pool and labeled" gives the ceiling all there are.

    Returns:
        The four roles. A head that cannot be fitted, because it does not see every class, is NaN
        in that role; so is its student, if it is the teacher's. `Outcome.failed` lists them.

    Raises:
        TypeError: if labeled or pool is no sample, pseudo_label no function, l2 no number, or a
            fit of your own returns no Heads.
        ValueError: if an argument is none of those named, the samples disagree in outputs,
            classes, widths or heads, or no head of a role can be fitted: the message says which.
    """
    for name, sample in (("labeled", labeled), ("pool", pool)):
        if not isinstance(sample, Sample):
            raise TypeError(f"{name} must be a Sample, got {type(sample).__name__}")
    if pseudo_label is not None and not callable(pseudo_label):
        raise TypeError(f"pseudo_label must be a function, or None, got {pseudo_label!r}")
    fitted = _named_fit(fit, l2)
    if ceiling_on not in ("pool", "pool and labeled"):
        raise ValueError(f'ceiling_on must be "pool" or "pool and labeled", got {ceiling_on!r}')
    if labeled.target.shape[-1] != pool.target.shape[-1]:
        widths = f"{labeled.target.shape[-1]} and {pool.target.shape[-1]}"
        raise ValueError(f"labeled and pool must have the same outputs, got {widths}")
    if labeled.classes != pool.classes:
        came = f"{labeled.classes} and {pool.classes}"
        raise ValueError(f"labeled and pool must have the same classes, got {came}")
    for view in ("weak", "strong"):
        wide = [getattr(sample, view).shape[-1] for sample in (labeled, pool)]
        if wide[0] != wide[1]:
            raise ValueError(f"labeled and pool must agree in the width of {view}, got {wide}")
    heads = [_heads_of(sample) for sample in (labeled, pool)]
    if len({*heads, 1}) > 2:
        raise ValueError(f"labeled and pool must have the same number of heads, or 1, got {heads}")
    seen = pool if ceiling_on == "pool" else join(pool, labeled)

    fit_role = partial(_fit, fitted, labeled.classes)
    weak = fit_role("weak", labeled.weak, labeled.target)
    said = weak(pool.weak)
    # A teacher that was not fitted says nothing. Its student learns true labels in its place, so
    # that one fit serves all heads, and is then struck out.
    lost = torch.tensor(sorted(weak.failed), dtype=torch.long, device=said.device)
    said[lost] = pool.target.to(said)[lost if len(pool.target) > 1 else lost * 0]
    try:
        label = said if pseudo_label is None else pseudo_label(said)
    except ValueError as error:
        raise ValueError(f"pseudo_label cannot label the pool: {error}") from error
    if not isinstance(label, Tensor) or label.shape != said.shape:
        shape = tuple(label.shape) if isinstance(label, Tensor) else type(label).__name__
        came = f"{shape} from {tuple(said.shape)}"
        raise ValueError(f"pseudo_label must return targets of the outputs' shape, got {came}")
    student = fit_role("student", pool.strong, label)
    why = {head: f"by its teacher's labels: {cause}" for head, cause in student.failed.items()}
    why |= {int(i): f"its teacher was not fitted: {weak.failed[int(i)]}" for i in lost}
    if why:
        weight, bias = student.weight.clone(), student.bias.clone()
        weight[lost], bias[lost] = math.nan, math.nan
        student = replace(student, weight=weight, bias=bias, failed=why)
    return Outcome(
        weak=weak,
        student=student,
        baseline=fit_role("baseline", labeled.strong, labeled.target),
        ceiling=fit_role("ceiling", seen.strong, seen.target),
        _classes=labeled.classes,
    )


def _named_fit(fit: str | Fit, l2: float | Tensor | None) -> Fit:
    if callable(fit):
        if l2 is not None:
            raise ValueError(f"l2 must be left to a fit of your own, got {l2}")
        return fit
    if not isinstance(fit, str) or fit not in FITS:
        raise ValueError(f"fit must be a function or one of {sorted(FITS)}, got {fit!r}")
    if l2 is None:
        raise ValueError(f"l2 must be given with fit={fit!r}: a penalty above 0")
    if isinstance(l2, bool) or not isinstance(l2, Real | Tensor):
        raise TypeError(f"l2 must be a number or a tensor, got {l2!r}")
    if fit == "ridge" and isinstance(l2, Tensor) and l2.dim():
        raise ValueError(f"l2 must be one number with fit='ridge', got shape {tuple(l2.shape)}")
    return partial(FITS[fit], l2=l2)


def _heads_of(sample: Sample) -> int:
    return max(len(v) for v in (sample.target, sample.weak, sample.strong) if v.dim() == 3)


def _fit(fit: Fit, classes: Sequence[Hashable], role: str, x: Tensor, target: Tensor) -> Heads:
    """A role's heads; where some or all cannot be fitted, it is said by the classes' names."""

    def named(why: str) -> str:
        codes = re.compile(r"(?<=no example of class )\d+(, \d+)*")
        return codes.sub(lambda m: ", ".join(str(classes[int(c)]) for c in m[0].split(", ")), why)

    try:
        heads = fit(x, target)
    except ValueError as error:
        raise ValueError(f"{role} cannot be fitted: {named(str(error))}") from error
    if not isinstance(heads, Heads):
        raise TypeError(f"fit must return Heads, got {type(heads).__name__} for {role}")
    return replace(heads, failed={head: named(why) for head, why in heads.failed.items()})
