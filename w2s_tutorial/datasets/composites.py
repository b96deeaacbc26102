"""Group-imbalanced sets built from real images: Dominoes and coloured MNIST.

A label that takes some reading is paired with an attribute that is easy to see, and a chosen
share of the examples, the minority, breaks the pairing. Groups are 2 x label + attribute, so that
groups 1 and 2 are the minority. No image appears twice, neither within a set nor in two sets.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import interpolate, one_hot

from w2s_tutorial.datasets.imbalance import Classes, dealt, planned
from w2s_tutorial.seeds import Seed, generator_of

MINORITY = (1, 2)
"""The groups in which attribute and label differ."""

RED, GREEN = (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)


@dataclass(frozen=True)
class Composite:
    """n images with a label and a spurious attribute.

    Attributes:
        images: (n, channels, height, width), in the dtype of the images they are made of.
        label: (n,) int64, 0 or 1: what is to be learnt.
        attribute: (n,) int64, 0 or 1: what is easy to see instead.
        core: (n,) int64, row of the image that shows the label.
        spurious: (n,) int64, row of the image that shows the attribute; equal to `core` where
            one image shows both.
    """

    images: Tensor
    label: Tensor
    attribute: Tensor
    core: Tensor
    spurious: Tensor

    def __len__(self) -> int:
        return len(self.images)

    @property
    def group(self) -> Tensor:
        """(n,) int64 in 0..3: 2 x label + attribute."""
        return 2 * self.label + self.attribute

    @property
    def target(self) -> Tensor:
        """(1, n, 2) float32: one-hot labels, as a `Sample` takes them."""
        return one_hot(self.label, 2).float()[None]


def dominoes(
    core_images: Tensor,
    core_labels: Tensor,
    digit_images: Tensor,
    digit_labels: Tensor,
    *,
    sizes: Mapping[str, int],
    minority: Mapping[str, float],
    classes: Classes = (4, 3),
    digits: Classes = (0, 1),
    seed: Seed,
) -> dict[str, Composite]:
    """Sets of dominoes: a digit, the attribute, above an image that shows the label.

    With MNIST above Fashion-MNIST images are (n, 1, 56, 28). Above wider or coloured images the
    digit is resized (bilinear) and given their channels: above CIFAR-10, (n, 3, 64, 32). Labels
    are balanced to within one example, in the minority as in the rest. After Shah et al. (2020),
    arXiv:2006.07710.

    Args:
        core_images, core_labels: (n, channels, height, width), square, and (n,) integers.
        digit_images, digit_labels: (m, 1, height, width), square, of the same dtype, and (m,).
        sizes: examples in each set, by name, such as {"labeled": 1000, "pool": 4000}.
        minority: share of each set, in [0, 1], whose digit does not go with its label; the count
            is round(share x size) exactly.
        classes: which core label, or labels, count as label 0 and as label 1; the default is
            coat and dress of Fashion-MNIST.
        digits: which digit, or digits, count as attribute 0 and as attribute 1.
        seed: integer or generator, consumed.

    Raises:
        ValueError: if shapes, dtypes, names or classes disagree, a share leaves [0, 1], a value is
            not finite, or there are too few images of a class (the message says how many).
    """
    generator = generator_of(seed)
    _check_images("core", core_images, core_labels)
    _check_images("digit", digit_images, digit_labels)
    if digit_images.shape[1] != 1 or digit_images.dtype != core_images.dtype:
        raise ValueError(
            f"digit_images must have 1 channel and dtype {core_images.dtype}, "
            f"got {digit_images.shape[1]} and {digit_images.dtype}"
        )
    label, attribute = planned(sizes, minority, generator)
    core = dealt("classes", classes, core_labels, label, generator)
    digit = dealt("digits", digits, digit_labels, attribute, generator)
    size = core_images.shape[-2:]

    def stack(rows: slice) -> Tensor:
        top, bottom = digit_images[digit[rows]], core_images[core[rows]]
        if top.shape[-2:] != size:
            resized = interpolate(top.float(), size, mode="bilinear", align_corners=False)
            top = resized.to(bottom.dtype)
        return torch.cat([top.expand_as(bottom), bottom], dim=-2)

    return _cut(sizes, stack, label, attribute, core, digit)


def colored_digits(
    images: Tensor,
    labels: Tensor,
    *,
    sizes: Mapping[str, int],
    minority: Mapping[str, float],
    classes: Classes = ((0, 1, 2, 3, 4), (5, 6, 7, 8, 9)),
    colors: tuple[Sequence[float], Sequence[float]] = (RED, GREEN),
    seed: Seed,
) -> dict[str, Composite]:
    """Sets of coloured digits (n, 3, height, width): the colour is the attribute.

    Balanced as `dominoes`. Without the label noise of Arjovsky et al. (2019), arXiv:1907.02893.

    Args:
        images, labels: (n, 1, height, width), square, and (n,) integers.
        sizes, minority: as in `dominoes`.
        classes: which digits count as label 0 and as label 1.
        colors: red, green and blue in [0, 1] of attribute 0 and of attribute 1.
        seed: integer or generator, consumed.

    Raises:
        ValueError: as `dominoes`.
    """
    generator = generator_of(seed)
    _check_images("", images, labels)
    tint = torch.tensor([list(color) for color in colors])
    if images.shape[1] != 1 or tint.shape != (2, 3) or not ((tint >= 0) & (tint <= 1)).all():
        raise ValueError(
            f"images must have 1 channel and colors be 2 times 3 numbers in [0, 1], "
            f"got {images.shape[1]} and {colors}"
        )
    label, attribute = planned(sizes, minority, generator)
    core = dealt("classes", classes, labels, label, generator)
    tint = tint.to(images.device)

    def color(rows: slice) -> Tensor:
        return (images[core[rows]] * tint[attribute[rows], :, None, None]).to(images.dtype)

    return _cut(sizes, color, label, attribute, core, core)


def _check_images(kind: str, images: Tensor, labels: Tensor) -> None:
    prefix = f"{kind}_" if kind else ""
    if images.dim() != 4 or images.shape[-1] != images.shape[-2]:
        raise ValueError(
            f"{prefix}images must be (n, channels, height, width) and square, "
            f"got shape {tuple(images.shape)}"
        )
    if labels.shape != images.shape[:1] or labels.is_floating_point():
        raise ValueError(
            f"{prefix}labels must be {len(images)} integers, "
            f"got shape {tuple(labels.shape)} of {labels.dtype}"
        )
    if not images.isfinite().all():
        raise ValueError(f"{prefix}images must be finite, got NaN or infinity")


def _cut(
    sizes: Mapping[str, int], draw: Callable[[slice], Tensor], *parts: Tensor
) -> dict[str, Composite]:
    """The sets, from what all of them have one after the other; images are on their device."""
    sets, start = {}, 0
    for name, n in sizes.items():
        rows = slice(start, start + n)
        images = draw(rows)
        sets[name] = Composite(images, *(part[rows].to(images.device) for part in parts))
        start += n
    return sets
