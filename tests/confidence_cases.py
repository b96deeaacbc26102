"""A pool that a weak teacher has labelled, for the tests of confidence retraining."""

import torch
from torch.nn.functional import one_hot

from w2s_tutorial.confidence.compare import vanilla
from w2s_tutorial.confidence.synthetic import two_places


def pool(heads=3, n=200, **changes):
    sizes = {"labeled": 80, "pool": n}
    shares = {"labeled": 0.1, "pool": 0.5}
    generator = torch.Generator().manual_seed(0)
    sets = two_places(sizes=sizes, minority=shares, heads=heads, seed=generator, **changes)
    weak = vanilla(sets["labeled"].weak, sets["labeled"].target, torch.tensor([0.1]))
    label = one_hot(weak(sets["pool"].weak).argmax(-1), 2).double()
    return sets["pool"], sets["pool"].strong.double(), label
