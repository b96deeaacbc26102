"""Two classes in two places, seen through two views, with every number known."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from w2s_tutorial.sample import Sample
from w2s_tutorial.seeds import Seed, generator_of

CORE, WEAK_NOISE, STRONG_NOISE, WEAK_PLACE = 1.8, 1.2, 0.3, 1.5
"""Half the distance of the classes, what blurs it for either model, half that of the places."""


def two_places(
    *,
    sizes: Mapping[str, int],
    minority: Mapping[str, float],
    heads: int,
    strong_place: float = 0.8,
    seed: Seed,
) -> dict[str, Sample]:
    """Examples whose class shows in a core feature, and whose place goes with the class.

    The core is +-CORE by class plus N(0, 1). Weak sees it blurred by N(0, WEAK_NOISE^2), the place
    as +-WEAK_PLACE plus N(0, 1), and 6 columns of noise; strong sees the core blurred less, the
    place as +-strong_place plus N(0, 1), and 28 columns of noise.

    Args:
        sizes: part -> examples, a multiple of 4.
        minority: part -> share of examples whose place is not that of their class.
        heads: draws.
        strong_place: how clearly strong sees the place.
        seed: integer or generator, consumed.

    Returns:
        One Sample per part, the h axis in all its parts; group = 2 label + place.

    Raises:
        ValueError: if the parts differ, a size is no multiple of 4, or a share leaves [0, 1].
    """
    generator = generator_of(seed)
    if set(sizes) != set(minority):
        came = f"{list(sizes)} and {list(minority)}"
        raise ValueError(f"sizes and minority must name the same parts, got {came}")
    if any(n % 4 or n < 4 for n in sizes.values()):
        raise ValueError(f"sizes must be multiples of 4, got {tuple(sizes.values())}")
    if not all(0 <= share <= 1 for share in minority.values()):
        raise ValueError(f"minority must lie in [0, 1], got {tuple(minority.values())}")

    def normal(*shape: int) -> Tensor:
        return torch.randn(heads, *shape, generator=generator)

    samples = {}
    for part, n in sizes.items():
        order = torch.rand(heads, n, generator=generator).argsort(-1)
        label = order % 2
        few = order // 2 < round(minority[part] * n / 2)  # as many of either class
        place = torch.where(few, 1 - label, label)
        side, where = 2.0 * label - 1, 2.0 * place - 1
        core = CORE * side + normal(n)
        weak, strong = (
            torch.cat(
                [
                    (core + blur * normal(n))[..., None],
                    (seen * where + normal(n))[..., None],
                    normal(n, columns),
                ],
                -1,
            )
            for blur, seen, columns in (
                (WEAK_NOISE, WEAK_PLACE, 6),
                (STRONG_NOISE, strong_place, 28),
            )
        )
        samples[part] = Sample(weak, strong, one_hot(label, 2).float(), 2 * label + place)
    return samples
