"""Every public function that takes tensors, on another device than the CPU: equal results there.

The device is `standin`, on which tensors of two devices do not meet. A new public function needs
a line in CASES; what may stay on the CPU stands in AT_HOME with the reason.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from helpers_data import script
from standin import Standin, standin
from torch import Tensor
from training_case import IMAGES, LABELS, SETTINGS, Dropping, Network, loss, noisy, weights

import w2s_tutorial
from w2s_tutorial import mixtures
from w2s_tutorial.heads import Heads, fit_logistic
from w2s_tutorial.networks import backbones
from w2s_tutorial.networks.train import fit
from w2s_tutorial.sample import Sample

DRAWS = torch.Generator().manual_seed(0)
H, N, D, C = 3, 24, 4, 2
X = torch.randn(H, N, D, generator=DRAWS, dtype=torch.float64)
X2 = torch.randn(H, N, D, generator=DRAWS, dtype=torch.float64)
OUT = torch.randn(H, N, C, generator=DRAWS, dtype=torch.float64)
OUT2 = OUT + torch.randn(H, N, C, generator=DRAWS, dtype=torch.float64)
Y = torch.eye(C, dtype=torch.float64)[(X[..., 0] + X2[..., 0] > 0).long()]
SOFT = OUT.softmax(-1)
SCORE = torch.rand(H, N, generator=DRAWS, dtype=torch.float64)
KEEP = SCORE > 0.5
GROUP = torch.arange(N).expand(H, N) % 4
WORSE, MIDDLE, BETTER = (torch.rand(3, H, generator=DRAWS).double() + torch.arange(3)[:, None]) / 4
L2 = torch.tensor([0.1, 0.2], dtype=torch.float64)
EACH = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
PHOTOS = torch.randint(256, (8, 1, 8, 8), generator=DRAWS, dtype=torch.uint8)
SIGNS = 2 * Y[..., 1:] - 1
SAID = torch.stack([SOFT, OUT2.softmax(-1), SOFT.flip(1)])
MIXED = torch.randn(H, 2, N, C, generator=DRAWS).double().softmax(-1)

On = Callable[[Tensor], Tensor]


def heads(on: On) -> Heads:
    return fit_logistic(on(X), on(Y), l2=0.1)


def sample(on: On) -> Sample:
    return Sample(weak=on(X2), strong=on(X), target=on(Y), group=on(GROUP))


def built(name: str, on: On) -> Any:
    network = backbones.build(name, in_channels=1, image_size=(8, 8), tasks=(2,), seed=0)
    return network.to(on(X).device)


def generator(on: On) -> torch.Generator:
    return torch.Generator(on(X).device).manual_seed(0)


# A call takes the function and `on`, which moves a tensor to the device that is asked for.
CASES: dict[str, Callable[[Callable[..., Any], On], Any]] = {}
CASES |= dict.fromkeys(
    ("accuracy", "error_rate", "squared_error", "misfit", "disagreement", "squared"),
    lambda f, on: f(on(SOFT), on(Y)),
)
CASES |= dict.fromkeys(
    ("group_accuracy", "worst_group_accuracy", "group_squared_error"),
    lambda f, on: f(on(OUT), on(Y), on(GROUP), groups=4),
)
CASES |= dict.fromkeys(("hard", "soft", "confidence", "labels_of"), lambda f, on: f(on(OUT)))
CASES["energy_dimension"] = lambda f, on: f(on(X[0]))
CASES |= {
    # heads
    "fit_ridgeless": lambda f, on: f(on(X), on(SIGNS)),
    "fit_ridge": lambda f, on: f(on(X), on(SIGNS), l2=0.1),
    "fit_ridge_validated": lambda f, on: f(
        *(on(X), on(SIGNS), on(X2), on(SIGNS)), l2=[0.01, 0.1, 1.0]
    ),
    "fit_in_ball": lambda f, on: f(on(X), on(SIGNS), radius=0.1),
    "fit_in_ball, radii": lambda f, on: f(on(X), on(SIGNS), radius=EACH),
    "fit_logistic": lambda f, on: f(on(X), on(SOFT), l2=0.1),
    "fit_logistic, own": lambda f, on: f(on(X), on(Y), l2=EACH, example_weight=on(SCORE)),
    "fit_logistic, robust": lambda f, on: f(
        on(X), on(Y), l2=EACH, loss=w2s_tutorial.losses.generalized_cross_entropy(0.5)
    ),
    "fit_gradient": lambda f, on: f(
        on(X), on(Y), w2s_tutorial.losses.cross_entropy, steps=3, lr=0.1, weight_decay=0.1
    ),
    "Heads, called": lambda f, on: heads(on)(on(X2)),
    # four roles
    "Sample": lambda f, on: [sample(on), sample(on).to(on(X).device)],
    "join": lambda f, on: f(sample(on), sample(on)),
    "random_mistakes": lambda f, on: f(on(Y), on(EACH), seed=0),
    "random_mistakes, rate at home": lambda f, on: f(on(Y), EACH, seed=0),
    "weak_to_strong": lambda f, on: f(
        sample(on), sample(on), fit="logistic", l2=0.1, pseudo_label=w2s_tutorial.pipeline.hard
    ).outputs(sample(on)),
    "weak_to_strong, ridge": lambda f, on: f(
        sample(on), sample(on), fit="ridge", l2=0.1, pseudo_label=None
    ).outputs(sample(on)),
    # measures
    "repeated_mistakes": lambda f, on: f(on(OUT), on(OUT2), on(Y)),
    "pgr": lambda f, on: f(on(WORSE), on(MIDDLE), on(BETTER)),
    "opr": lambda f, on: f(on(WORSE), on(BETTER)),
    "bootstrap_interval": lambda f, on: f(
        w2s_tutorial.metrics.pgr, on(WORSE), on(MIDDLE), on(BETTER), repeats=20, seed=0
    ),
    "principal_coordinates": lambda f, on: f(on(X[0]), 2).abs(),
    "shared_dimension": lambda f, on: f(on(X[0]), on(X2[0])),
    "axis_overlap": lambda f, on: f(on(X[0]), on(X2[0]), d_weak=2, d_strong=2, seed=0),
    "jackknife_interval": lambda f, on: f(
        w2s_tutorial.overlap.shared_dimension, on(X[0]), on(X2[0]), groups=6, seed=0
    ),
    "joint_coordinates": lambda f, on: f(on(X[0]), on(X2[0]), on(X[1, :, 0])),
    "measured_problem": lambda f, on: f(
        *(on(X[0]), on(X2[0]), on(X[1, :, 0])), n_labeled=20, n_pool=20, noise=0.1
    ),
    # the remedy and its rivals
    "keep_top": lambda f, on: [f(on(SCORE), 0.5), f(on(SCORE), on(EACH)), f(on(SCORE), EACH)],
    "within_classes": lambda f, on: f(on(SCORE), on(Y)),
    "share_of": lambda f, on: f(on(KEEP), on(SCORE > 0.3)),
    "keep_evenly": lambda f, on: f(on(KEEP), on(GROUP), on(SCORE > 0.2), seed=0),
    "keep_alike": lambda f, on: f(on(KEEP), on(GROUP), seed=0),
    "retrain": lambda f, on: f(
        on(X), on(Y), on(SCORE), p=on(L2 + 0.5), q=on(L2), l2=on(L2), start=heads(on)
    ),
    "kept_by": lambda f, on: f(on(SCORE), on(Y), on(EACH)),
    "pick": lambda f, on: f(heads(on), on(torch.tensor([0, 0, 0]))),
    "doubt": lambda f, on: f(on(X), on(Y), l2=on(EACH)),
    "rule": lambda f, on: f(on(EACH)),
    "vanilla": lambda f, on: [f(on(X), on(Y), on(L2)), f(on(X), on(Y), L2, on(SCORE))],
    "smoothed": lambda f, on: f(on(Y)),
    "hardened": lambda f, on: f(on(OUT), on(EACH)),
    "auxiliary_confidence": lambda f, on: [f(on(OUT), on(SOFT), a) for a in (0.3, on(SCORE))],
    "confidence_loss": lambda f, on: [f(on(X), on(SOFT), l2, steps=4) for l2 in (on(L2), L2)],
    "self_training": lambda f, on: [f(on(X), on(Y), l2) for l2 in (on(L2), L2)],
    "small_loss": lambda f, on: [f(on(X), on(Y), heads(on), l2) for l2 in (on(L2), L2)],
    "co_training": lambda f, on: [
        f((on(X2), on(X)), (on(X2), on(X)), on(Y), l2) for l2 in (on(L2), L2)
    ],
    "group_dro": lambda f, on: [f(on(X), on(Y), on(GROUP), l2, steps=3) for l2 in (on(L2), L2)],
    "just_train_twice": lambda f, on: [
        f(on(X), on(Y), heads(on), l2, upweight=up)
        for l2 in (on(L2), L2)
        for up in (on(L2 * 50), L2 * 50)
    ],
    # several teachers
    "smallest_mixture": lambda f, on: f(on(X[:, :5] @ X[:, :5].mT), cap=0.6),
    "learn": lambda f, on: [
        f(on(X), on(SAID), rule, steps=4, lr=0.1, l2=0.1, batch=8, easy=0.5).weight
        for rule in (None, mixtures.closest(cap=0.7), mixtures.followed(lr=0.1))
    ],
    # theories and what simulates them
    "gain": lambda f, on: f(on(BETTER), on(WORSE)),
    "linear_gain": lambda f, on: f(on(X[0]), on(OUT), on(Y)),
    "deviation_bound": lambda f, on: f(on(WORSE), on(WORSE / 10)),
    "promised_error": lambda f, on: f(on(BETTER), on(WORSE)),
    "choose_teacher": lambda f, on: f(on(BETTER), on(WORSE)),
    "promise_of_mixtures": lambda f, on: f(on(X[0].mT), on(X2[0].mT), on(X[1, :, 0])),
    "mix_teachers": lambda f, on: f(on(X[0].mT @ X[0]), on(X[1, 0])),
    "resampled": lambda f, on: f(on(X[0]))((2, 3), torch.Generator().manual_seed(0)),
    "kl": lambda f, on: f(on(SOFT), on(OUT2.softmax(-1))),
    "negative_entropy": lambda f, on: f(on(SOFT)),
    "divergence": lambda f, on: f(
        w2s_tutorial.theory.misfit_divergence.negative_entropy, on(SOFT), on(OUT2.softmax(-1))
    ),
    "slack": lambda f, on: f(on(SOFT), on(OUT2.softmax(-1)), on(SOFT.flip(1))),
    "mix": lambda f, on: f(on(MIXED), on(SOFT[:, 0])),
    "fit_mixture": lambda f, on: f(on(MIXED), on(SOFT), loss="reverse"),
    "greedy_mixtures": lambda f, on: f(on(MIXED), on(SOFT), most=2),
    # networks
    "extract": lambda f, on: [
        f(Network(), images, batch_size=7, device=on(X).device, dtype=torch.float32)
        for images in (IMAGES, on(IMAGES))
    ],
    "fit": lambda f, on: trained(on),
    "centered": lambda f, on: f(on(PHOTOS)),
    "classification": lambda f, on: f(built("cnn", on), on(PHOTOS), on(LABELS[:8])),
    "contrast": lambda f, on: f(built("simclr", on), on(PHOTOS), on(PHOTOS)),
    "nt_xent": lambda f, on: f(on(X[0]), on(X[1])),
    "reconstruction": lambda f, on: f(
        built("mae", on), on(PHOTOS), on(torch.arange(4).repeat(8, 1))
    ),
    "patches": lambda f, on: f(on(PHOTOS)),
    "zoomed": lambda f, on: f(on(PHOTOS), on(LABELS[:8]), generator=generator(on)),
    "two_views": lambda f, on: f(on(PHOTOS), generator=generator(on)),
    "shuffled_patches": lambda f, on: f(on(PHOTOS), generator=generator(on)),
}

# name or "part.": why no case
AT_HOME = {
    "checks.": "is run by the chapters",
    "datasets.": "makes and stores data sets, on the CPU",
    "molecules.": "reads stored results on the CPU",
    "figures.": "draws",
    "storage.": "writes files",
    "sweeps.": "calls what it is given",
    "settings.": "calls what it is given",
    "ratios.": "reads tables",
    "mismatch.": "fits a law to tables",
    "networks.features.cached": "reads files",
    "networks.many.": "test_many.py runs it there",
    "networks.decoder.": "test_decoder.py runs it there",
    "networks.language.": "test_language.py runs it there",
    "simulation.reasoning.": "test_reasoning.py runs it there",
    "simulation.weak_reasoner.": "test_reasoning.py runs it there",
    "simulation.preferences.": "is run by its chapter",
    "simulation.digit_pairs.": "is run by the chapter on preferences",
    "growing.": "is run by its chapter",
    "heads.linear.apply": "is inside the fits",
    "heads._inputs.check_inputs": "is inside the fits",
    "heads._newton.": "is inside the fits",
    "heads._quasi_newton.": "is inside the fits",
    "shares.": "fits a law to tables",
    "whole.": "is run by its chapter",
    "losses.generalized_cross_entropy": "is inside the fits",
    "networks.chemistry.": "makes data",
    "networks.molecular.": "makes data",
    "networks.smiles.": "makes data",
    "simulation._small_networks.": "makes worlds, on the CPU",
}
TAKES = re.compile(r"\b(Tensor|Sample|Heads|Outcome|Images)\b")


def trained(on: On) -> tuple[Tensor, Tensor]:
    settings = dict(seed=0, augment=noisy, device=on(X).device, micro_batch=3)
    # an optimizer adds in another order on a device; in double precision that is below 1e-12
    found = fit(Network().double(), loss, (IMAGES, on(LABELS).cpu()), **SETTINGS | settings)
    return found.losses, weights(found.network)


def public() -> dict[str, Callable[..., Any]]:
    """Public functions that take tensors, and classes that hold some, by their place."""
    found = {}
    names = [found.name for found in pkgutil.walk_packages(w2s_tutorial.__path__, "w2s_tutorial.")]
    programs = [script("confidence/rivals"), script("confidence/controls")]
    for module in [*map(importlib.import_module, names), *programs]:
        for name, thing in vars(module).items():
            if name.startswith("_") or getattr(thing, "__module__", "") != module.__name__:
                continue
            if inspect.isfunction(thing):
                kinds = [str(p.annotation) for p in inspect.signature(thing).parameters.values()]
                kinds = [re.sub(r"Callable\[.*\]", "", kind) for kind in kinds]
                if any(TAKES.search(kind) for kind in kinds):
                    found[f"{module.__name__.removeprefix('w2s_tutorial.')}.{name}"] = thing
    return found


FOUND = {
    name: thing
    for name, thing in public().items()
    if not any(name.startswith(home) for home in AT_HOME)
}


def test_every_function_that_takes_tensors_has_a_case():
    assert not sorted(name for name in FOUND if name.split(".")[-1] not in CASES)
    known = {name.split(".")[-1] for name in FOUND} | {"Sample", "Heads"}
    assert not {case.split(",")[0] for case in CASES} - known


def leaves(result: Any) -> list[Any]:
    """The tensors and numbers in what a function returned."""
    if isinstance(result, dict):
        return [leaf for value in result.values() for leaf in leaves(value)]
    if isinstance(result, list | tuple):
        return [leaf for value in result for leaf in leaves(value)]
    if dataclasses.is_dataclass(result):
        return leaves([getattr(result, field.name) for field in dataclasses.fields(result)])
    return [result]


# Up to the order of sums; attention takes another path on a CPU that is asked for a gradient.
EXACT = {"rtol": 1e-10, "atol": 1e-12}
CLOSE = {"reconstruction": {"rtol": 1e-5, "atol": 1e-6}}
THINGS = {name.split(".")[-1]: thing for name, thing in FOUND.items()}


@pytest.mark.parametrize("case", CASES)
def test_the_device_gives_what_the_cpu_gives(case):
    function = THINGS.get(case.split(",")[0], lambda: None)
    expected = leaves(CASES[case](function, lambda tensor: tensor))
    with standin() as device:
        found = leaves(CASES[case](function, lambda tensor: tensor.to(device)))
    for one, other in zip(expected, found, strict=True):
        if isinstance(one, Tensor):
            other = other.held if isinstance(other, Standin) else other
            torch.testing.assert_close(one, other, equal_nan=True, **CLOSE.get(case, EXACT))
        else:
            assert one == other


MISTAKES = {
    "two operands": lambda there: there + torch.ones(3),
    "an index": lambda there: torch.ones(3)[there > 0],
    "a joint": lambda there: torch.stack([there[0], torch.ones(())]),
    "a generator of the CPU": lambda there: torch.rand(
        3, generator=torch.Generator(), device=there.device
    ),
    "a generator of the device": lambda there: torch.rand(
        3, generator=torch.Generator(there.device)
    ),
    "a drawing": lambda there: there.numpy(),
    "in place": lambda there: torch.ones(3).mul_(there),
    "a module": lambda there: torch.nn.Linear(3, 1)(there),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_stand_in_refuses_what_cuda_refuses(mistake):
    with (
        standin() as device,
        pytest.raises((RuntimeError, TypeError), match=r"device type|same dev"),
    ):
        MISTAKES[mistake](torch.ones(3, device=device))


def test_the_stand_in_allows_what_cuda_allows():
    with standin() as device:
        there = torch.arange(3.0, device=device)
        assert (there[torch.tensor([2])] + torch.tensor(1.0)).tolist() == [3.0]
        there[torch.tensor([0])] = torch.tensor(5.0)
        there[1:] = torch.tensor([7.0, 8.0])  # a copy
        assert there.cpu().tolist() == [5.0, 7.0, 8.0]
        assert (there.sum().item(), there.device, bool(there.any())) == (20.0, device, True)


def test_checkpoints_go_between_devices_and_continue_there(tmp_path):
    run = partial(fit, Dropping().double(), loss, (IMAGES, LABELS), seed=0, **SETTINGS)
    whole = run()
    with standin() as device:
        run(checkpoint=tmp_path / "c", stop=7, device=device)
        found = run(checkpoint=tmp_path / "c", device=device)
        assert next(found.network.parameters()).device == device
        trained = weights(found.network).cpu()
    torch.testing.assert_close(trained, weights(whole.network), rtol=1e-11, atol=1e-13)
    # losses are kept in single precision
    torch.testing.assert_close(found.losses, whole.losses, rtol=1e-6, atol=0)
