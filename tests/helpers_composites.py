"""Small composites of made-up images, each of which tells by its first pixel which it is."""

from __future__ import annotations

import torch

from w2s_tutorial.datasets.composites import colored_digits, dominoes

SIZES = {"labeled": 20, "pool": 31, "validation": 7, "test": 40}
MINORITY_SHARES = {"labeled": 0.1, "pool": 0.25, "validation": 0.5, "test": 0.5}


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def images(n, channels=1, size=4, seed=0):
    """n different images, the first pixel of each of which tells its row."""
    found = torch.rand(n, channels, size, size, generator=generator(seed))
    found[:, 0, 0, 0] = torch.arange(n) / n
    return found


CORE, DIGIT = images(400), images(300, seed=1)
CORE_LABELS, DIGIT_LABELS = torch.arange(400) % 5, torch.arange(300) % 3


def build(**changed):
    given = {"sizes": SIZES, "minority": MINORITY_SHARES, "seed": generator()}
    return dominoes(CORE, CORE_LABELS, DIGIT, DIGIT_LABELS, **(given | changed))


def build_colored(**changed):
    given = {"sizes": SIZES, "minority": MINORITY_SHARES, "seed": generator()}
    kinds = {"classes": ((0, 1), (2, 3, 4))}
    return colored_digits(CORE, CORE_LABELS, **(given | kinds | changed))
