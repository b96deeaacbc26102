"""Feature extraction: images per second, and the share of the device's matrix-product rate.

The rate is what a large square matrix product reaches on this device in the same dtype, measured
in turns with the extraction. Arithmetic of the networks is counted by torch's own counter
(convolutions and matrix products, a multiplication and an addition being two operations).

    python benchmarks/features.py [--save data/benchmarks/features.csv]    (about half a minute)
"""

from __future__ import annotations

import statistics

import pandas as pd
import torch
from common import run, seconds
from torch.utils.flop_counter import FlopCounterMode

from w2s_tutorial import FAST
from w2s_tutorial.networks.backbones import BACKBONES, build
from w2s_tutorial.networks.features import extract

ROUNDS = 2 if FAST else 5


def measure(name: str, device: str) -> dict:
    """A row of the table, rates in operations per second."""
    generator = torch.Generator().manual_seed(0)
    n, side = (1_000, 1024) if device == "cpu" else (100_000, 8192)
    n, side = (32, 256) if FAST else (n, side)
    dtype = torch.float16 if device == "cuda" else torch.float32
    images = torch.randint(256, (n, 1, 28, 28), generator=generator, dtype=torch.uint8).to(device)
    network = build(name, in_channels=1, image_size=(28, 28), tasks=(10,), seed=generator)
    network = network.to(device)
    with FlopCounterMode(display=False) as counter:
        network(images[:8])  # with gradients: without, attention is one call that goes uncounted
    per_image = counter.get_total_flops() / 8
    square = torch.randn(side, side, generator=generator).to(device, dtype)
    spent, product = [], []
    for _ in range(ROUNDS + 1):
        spent.append(seconds(lambda: extract(network, images, device=device, dtype=dtype), device))
        product.append(seconds(lambda: square @ square, device))
    images_per_second = n / statistics.median(spent[1:])
    rate = 2 * side**3 / statistics.median(product[1:])
    return {
        "network": name,
        "operations_per_image": per_image,
        "images_per_second": images_per_second,
        "product_rate": rate,
        "share": per_image * images_per_second / rate,
    }


def compare(device: str) -> pd.DataFrame:
    print(f"on {device}, {torch.get_num_threads()} threads; 28 x 28 images, 1 channel")
    return pd.DataFrame([measure(name, device) for name in BACKBONES])


def show(table: pd.DataFrame) -> None:
    print("network   operations/image   images/s   share of the matrix-product rate")
    for row in table.itertuples():
        print(
            f"{row.network:9s} {row.operations_per_image / 1e6:14.1f} M"
            f" {row.images_per_second:10.0f} {row.share:12.0%} of {row.product_rate / 1e9:.0f} G/s"
        )


if __name__ == "__main__":
    run(__file__, compare, show)
