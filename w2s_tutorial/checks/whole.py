"""Checks of the exercises on whole networks; see `common` for what they return and raise."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from w2s_tutorial.checks._common import interval, require
from w2s_tutorial.checks.common import require_number
from w2s_tutorial.losses import auxiliary_confidence, cross_entropy, hardened

_FEWEST = 6


def check_auxiliary(candidate: Callable[[Tensor, Tensor, float], Tensor]) -> str:
    """A function (output (n, 2), target (n, 2), a) -> auxiliary confidence loss of each, (n,).

    Raises:
        CheckError: with the property that fails: the quota, the weight, or the gradient.
    """
    generator = torch.Generator().manual_seed(0)
    output = torch.randn(40, 2, generator=generator, dtype=torch.float64)
    output = output + torch.tensor([0.0, 2.0])  # it says class 1 nearly always
    ones = torch.where(torch.arange(40) < 12, 0.95, 0.01).double()  # soft: they sum to 11.68
    target = torch.stack([1 - ones, ones], -1)
    for weight in (0.0, 1.0, 0.4):
        at = output.clone().requires_grad_()
        got = candidate(at, target.clone(), weight)
        shape = getattr(got, "shape", None)
        require(shape == (40,), f"Give one loss per example, (40,), got {shape}.")
        wanted = auxiliary_confidence(at, target, weight)
        careless = torch.nn.functional.one_hot(output.argmax(-1), 2).double()
        fewer = hardened(output, ones.sum().floor() / 40)
        slips = {
            "With weight 0 it is cross-entropy on the teacher's labels.": weight == 0,
            "Harden by rank, not at one half: as many of class 1 as the target has.": bool(
                torch.allclose(
                    got, cross_entropy(at, (1 - weight) * target + weight * careless), atol=1e-9
                )
            ),
            "Labels may be soft: the quota is their sum, rounded, not cut off.": bool(
                torch.allclose(
                    got, cross_entropy(at, (1 - weight) * target + weight * fewer), atol=1e-9
                )
            ),
            "The two weights add up to 1: (1 - a) and a.": True,
        }
        hint = next(text for text, fits in slips.items() if fits)
        require(
            torch.allclose(got, wanted, atol=1e-9),
            f"At weight {weight}: the mean is {float(wanted.detach().mean()):.4f}, "
            f"yours is {float(got.detach().mean()):.4f}. {hint}",
        )
        (mine,) = torch.autograd.grad(got.sum(), at, retain_graph=True)
        (right,) = torch.autograd.grad(wanted.sum(), at)
        require(
            torch.allclose(mine, right, atol=1e-9),
            f"At weight {weight} the value is right and its gradient is not: no gradient may pass "
            "through the student's own labels. See Tensor.detach.",
        )
    return "Right: value, quota and gradient."


def check_moving_wins(whole: Tensor, frozen: Tensor) -> str:
    """Accuracies (r,) of whole students and of frozen heads on the same draws; the first win.

    Raises:
        CheckError: for too few runs, or if the interval of the difference is not above 0.
    """
    require(whole.shape == frozen.shape and whole.dim() == 1, "Give one accuracy per run each.")
    require(len(whole) >= _FEWEST, f"Train at least {_FEWEST} students, got {len(whole)}.")
    low, high = interval((whole - frozen).double())
    found = f"whole - frozen = {(whole - frozen).mean():+.3f} ({low:+.3f} to {high:+.3f})"
    require(low > 0, f"{found}: it must lie above 0. What can a frozen body lack?")
    return f"Found one: {found}."


def check_oracle(candidate: Callable[[Tensor, Tensor], float]) -> str:
    """A function (choose, report), (r, looks) each -> the mean of report at choose's best looks.

    Raises:
        CheckError: with the slip, such as reporting what was chosen by.
    """
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        choose = torch.rand(9, 5, generator=generator, dtype=torch.float64)
        report = torch.rand(9, 5, generator=generator, dtype=torch.float64)
        best = choose.argmax(1, keepdim=True)
        wanted = float(report.gather(1, best).mean())
        together = int(choose.mean(0).argmax())
        slips = {
            "That is the best of the numbers you chose by: luck counts as skill.": float(
                choose.amax(1).mean()
            ),
            "That is the best of what you report: nobody chose it.": float(report.amax(1).mean()),
            "Each run has a best look of its own.": float(report[:, together].mean()),
            "You report the numbers by which you chose.": float(choose[:, together].mean()),
        }
        require_number(
            candidate(choose.clone(), report.clone()), wanted, "For nine runs of noise", slips
        )
    return "Right: chosen on one half, reported on the other."
