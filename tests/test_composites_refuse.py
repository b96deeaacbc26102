from __future__ import annotations

import pytest
import torch
from helpers_composites import (
    CORE,
    CORE_LABELS,
    DIGIT,
    DIGIT_LABELS,
    MINORITY_SHARES,
    SIZES,
    build,
    build_colored,
    generator,
)

from w2s_tutorial.datasets.composites import GREEN, RED, dominoes


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"sizes": {}}, r"must name the same sets, got \[\] and"),
        ({"sizes": {"pool": 5}}, "must name the same sets"),
        (
            {"sizes": SIZES | {"pool": 0}},
            r"sizes\['pool'\] must be an integer of at least 1, got 0",
        ),
        ({"sizes": SIZES | {"pool": 1.5}}, "must be an integer of at least 1, got 1.5"),
        ({"minority": MINORITY_SHARES | {"pool": 1.1}}, r"minority\['pool'\] must lie in .*1.1"),
        ({"minority": MINORITY_SHARES | {"pool": -0.1}}, "must lie in .*-0.1"),
        ({"minority": MINORITY_SHARES | {"pool": float("nan")}}, "must lie in .*nan"),
        ({"sizes": SIZES | {"test": 400}}, r"classes\[0\] = 4: 230 images .* there are 80"),
        ({"classes": (1, 1)}, "classes must be 2 kinds that share no label"),
        ({"classes": ((0, 1), (1, 2))}, "classes must be 2 kinds that share no label"),
        ({"classes": (0, 1, 2)}, "classes must be 2 kinds"),
        ({"classes": (0, 7)}, r"classes\[1\] = 7: 48 images are asked for, there are 0"),
        ({"classes": (0, ())}, r"classes\[1\] = \(\): 48 images .* there are 0"),
        ({"digits": (0, 9)}, r"digits\[1\] = 9: \d+ images are asked for, there are 0"),
    ],
)
def test_what_cannot_be_built_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        build(**changed)


def test_unfit_images_are_refused():
    def attempt(message, core=CORE, core_labels=CORE_LABELS, digit=DIGIT):
        rest = {"sizes": SIZES, "minority": MINORITY_SHARES, "seed": generator()}
        with pytest.raises(ValueError, match=message):
            dominoes(core, core_labels, digit, DIGIT_LABELS, **rest)

    attempt(r"core_images must be \(n, channels, height, width\) and square", core=CORE[:, 0])
    attempt(r"core_images must be .* got shape \(400, 1, 4, 3\)", core=CORE[..., :3])
    attempt("core_images must be finite", core=CORE.where(CORE < 0.99, torch.nan))
    attempt("core_labels must be 400 integers, got shape", core_labels=CORE_LABELS[1:])
    attempt("core_labels must be 400 integers, got .*float32", core_labels=CORE_LABELS.float())
    attempt("digit_images must have 1 channel", digit=DIGIT.expand(-1, 3, -1, -1))
    attempt("digit_images must have 1 channel and dtype torch.float32", digit=DIGIT.double())


@pytest.mark.parametrize("colors", [(RED,), (RED, (0, 2, 0)), (RED, (0, float("nan"), 0))])
def test_unfit_colors_are_refused(colors):
    with pytest.raises(ValueError, match=r"colors be 2 times 3 numbers in \[0, 1\]"):
        build_colored(colors=colors)
    assert build_colored(colors=(RED, GREEN))
