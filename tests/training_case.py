"""A small training problem, shared by the tests of the training loop."""

from __future__ import annotations

import torch
from torch import nn

N = 40


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


IMAGES = torch.randint(256, (N, 1, 6, 6), generator=generator(1), dtype=torch.uint8)
LABELS = (IMAGES[:, 0, :3].float().mean((1, 2)) > IMAGES[:, 0, 3:].float().mean((1, 2))).long()


class Network(nn.Module):
    """A convolution and a linear layer, with weights that depend on nothing outside."""

    def __init__(self, shift: float = 0.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)
        self.linear = nn.Linear(64, 2)
        draws = generator(2)
        with torch.no_grad():
            for weight in self.parameters():
                weight.copy_(0.1 * torch.randn(weight.shape, generator=draws))
            self.linear.bias += shift

    def forward(self, images):
        seen = images.to(self.conv.weight.dtype) / 255 - 0.5
        return self.linear(self.conv(seen).relu().flatten(1))


class Dropping(Network):
    """The same with dropout."""

    def forward(self, images):
        return super().forward(
            nn.functional.dropout(images.to(self.conv.weight.dtype), 0.5, self.training)
        )


class Spare(Network):
    """The same with a layer that nobody uses."""

    def __init__(self) -> None:
        super().__init__()
        self.spare = nn.Linear(3, 3)
        nn.init.ones_(self.spare.weight)
        nn.init.ones_(self.spare.bias)


def loss(network, images, labels):
    return nn.functional.cross_entropy(network(images), labels, reduction="none")


def noisy(images, labels, *, generator):
    options = {"generator": generator, "dtype": torch.uint8, "device": images.device}
    noise = torch.randint(0, 20, images.shape, **options)
    return images // 2 + noise, labels


SETTINGS = dict(steps=12, batch_size=8, lr=0.01)


def weights(network: nn.Module) -> torch.Tensor:
    return nn.utils.parameters_to_vector(network.parameters()).detach()
