"""Training short of memory: the micro-batch shrinks and the result is the same."""

from __future__ import annotations

import pytest
import torch
from training_case import IMAGES, LABELS, SETTINGS, Network, generator, loss, weights

from w2s_tutorial.networks.train import fit


def limited(most: int):
    """The same loss on a device whose memory holds `most` examples."""
    sizes = []

    def tight(network, images, labels):
        sizes.append(len(images))
        each = loss(network, images, labels)
        if len(images) > most:
            each.sum().backward()  # the failed pass leaves gradients behind
            raise torch.OutOfMemoryError("CUDA out of memory (a pretence)")
        return each

    return tight, sizes


@pytest.mark.parametrize("most", [3, 1])
def test_out_of_memory_halves_the_micro_batch_and_changes_nothing(most):
    plain = fit(Network(), loss, (IMAGES, LABELS), seed=generator(), **SETTINGS)
    tight, sizes = limited(most)
    with pytest.warns(UserWarning, match="out of memory: micro_batch is now") as told:
        result = fit(Network(), tight, (IMAGES, LABELS), seed=generator(), **SETTINGS)
    torch.testing.assert_close(result.losses, plain.losses, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(
        weights(result.network), weights(plain.network), rtol=1e-4, atol=1e-6
    )
    halvings = {3: [8, 4, 2], 1: [8, 4, 2, 1]}[most]
    assert [str(warning.message).split()[-1] for warning in told] == list(map(str, halvings[1:]))
    assert sizes[: len(halvings)] == halvings  # found once, at the first step
    assert set(sizes[len(halvings) :]) == {halvings[-1]}


def test_out_of_memory_for_one_example_is_an_error():
    tight, _ = limited(0)
    with (
        pytest.warns(UserWarning, match="micro_batch is now"),
        pytest.raises(torch.OutOfMemoryError, match="pretence") as error,
    ):
        fit(Network(), tight, (IMAGES, LABELS), seed=generator(), **SETTINGS)
    assert error.value.__notes__ == ["with micro_batch=1: one example is too large for this device"]


@pytest.mark.parametrize("micro_batch", [1, 3, 8, 100])
def test_micro_batches_change_nothing(micro_batch):
    plain = fit(Network(), loss, (IMAGES, LABELS), seed=generator(), **SETTINGS)
    result = fit(
        Network(),
        loss,
        (IMAGES, LABELS),
        seed=generator(),
        micro_batch=micro_batch,
        **SETTINGS,
    )
    torch.testing.assert_close(result.losses, plain.losses, rtol=1e-5, atol=1e-6)


def test_the_micro_batch_that_fitted_is_remembered(tmp_path):
    path = tmp_path / "c"
    settings = SETTINGS | {"checkpoint": path}
    tight, _ = limited(3)
    with pytest.warns(UserWarning, match="micro_batch is now"):
        fit(Network(), tight, (IMAGES, LABELS), seed=generator(), **settings)
    assert torch.load(path, weights_only=True)["state"]["micro_batch"] == 2
