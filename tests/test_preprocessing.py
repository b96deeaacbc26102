"""Preprocessing of the published backbones against that of transformers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pretrained_case import FILES, file_of, photographs

from w2s_tutorial.networks.pretrained import CHECKPOINTS, Preprocessing

transformers = pytest.importorskip("transformers", reason="needs the extra 'pretrained'")


def their_pixels(name: str, images: torch.Tensor) -> torch.Tensor:
    settings = file_of(name)
    if isinstance(settings["size"], int):
        key = "shortest_edge" if name != "mae" else None
        side = settings["size"]
        settings["size"] = {key: side} if key else {"height": side, "width": side}
    processor = getattr(transformers, FILES[name][0], None)
    if processor is None:
        pytest.skip("this version of transformers has no image processors on PIL")
    arrays = [image.permute(1, 2, 0).numpy() for image in images]
    return torch.from_numpy(
        np.stack(processor(**settings)(arrays, return_tensors="np")["pixel_values"])
    )


@pytest.mark.parametrize("name", CHECKPOINTS)
@pytest.mark.parametrize("size", [(256, 256), (300, 451), (97, 64), (224, 224)])
def test_preprocessing_is_that_of_transformers(name, size):
    pytest.importorskip("PIL")
    images = photographs(*size)
    preprocessing = CHECKPOINTS[name].preprocessing
    difference = (preprocessing(images) - their_pixels(name, images)).abs()
    level = 1 / 255 / min(preprocessing.std)  # one of 256 grey levels, normalised
    # PIL's weights are integers, so that a tie in either of its two passes can fall the other way:
    # seen in up to 4.7 % of the pixels. A wrong setting moves the mean by over a level (below).
    assert difference.max() < 2.01 * level
    assert difference.mean() < 0.1 * level


@pytest.mark.parametrize(
    "other",
    [
        Preprocessing(256, 224, mode="bilinear"),
        Preprocessing(224, 224),
        Preprocessing(None, 224),
        Preprocessing(256, 224, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)),
    ],
    ids=["mode", "side", "squeezed", "mean"],
)
def test_the_comparison_sees_each_setting(other):
    """The control of the test above."""
    pytest.importorskip("PIL")
    images = photographs(300, 451)
    difference = (other(images) - their_pixels("dinov2", images)).abs()
    assert difference.mean() > 1 / 255 / 0.225


def test_preprocessing_takes_floats_and_leaves_them_alone():
    images = photographs(60, 80)
    preprocessing = CHECKPOINTS["clip"].preprocessing
    floats = images / 255
    kept = floats.clone()
    assert torch.equal(preprocessing(floats), preprocessing(images))
    assert torch.equal(floats, kept)


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (3, 8, 8)])
def test_preprocessing_refuses_what_is_not_colour(shape):
    with pytest.raises(ValueError, match=r"images must be \(n, 3, height, width\), got"):
        CHECKPOINTS["mae"].preprocessing(torch.zeros(shape))
