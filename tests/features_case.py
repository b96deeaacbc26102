"""Images and a network for the tests of features, keys and their cache."""

from __future__ import annotations

import torch
from torch import nn

IMAGES = torch.rand(10, 3, 6, 5, generator=torch.Generator().manual_seed(0))


def small_network() -> nn.Sequential:
    generator = torch.Generator().manual_seed(1)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(), nn.Linear(48, 7)
    )
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return network
