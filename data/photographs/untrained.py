"""What the student was told before: python data/photographs/untrained.py

One minute of one core. The same pictures, teachers, draws and heads as in measure.py, for a student
of the same architecture whose weights were drawn at random: what it lacks, ImageNet's labels gave.
Writes untrained.csv.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch
from make import HERE, STORE, VIEWS
from measure import HEADS, L2, MAIN, SEED, SIZES, measured, probes
from pictures import CIFAR10_CLASSES, source
from torch import Tensor, nn
from views import STUDENT

from w2s_tutorial.datasets import frozen
from w2s_tutorial.datasets.frozen import PARTS
from w2s_tutorial.datasets.real import PHOTOGRAPHS, photograph_features
from w2s_tutorial.networks.efficientnet_lite import efficientnet_lite0
from w2s_tutorial.networks.features import cached, extract
from w2s_tutorial.storage import content_key, describe
from w2s_tutorial.tables import save_result

NETWORK = 0  # seed of its weights


def seen_by(images: Tensor, store: Path) -> Tensor:
    """Features (n, 1280) of the network before it was trained on anything."""
    network = efficientnet_lite0(STUDENT, untrained=NETWORK)
    for part in network.modules():
        if isinstance(getattr(part, "norm", None), nn.BatchNorm2d):
            part.norm = nn.Identity()  # with means of 0 and variances of 1 they do nothing

    def look() -> Tensor:
        return extract(network, images, batch_size=50, dtype=torch.float32)

    return cached(look, key=content_key(network, images), folder=store)


def main(folder: Path = HERE, store: Path = STORE, heads: int = HEADS) -> None:
    start = time.process_time()
    known = photograph_features(*MAIN)
    images, kind = source()
    raw = [seen_by(images[kind == CIFAR10_CLASSES.index(name)], store) for name in MAIN]
    pool = known.part == PARTS.index("pool")
    led = frozen.leading(torch.cat(raw)[:, None], pool, VIEWS["lite0"])[:, 0].float()
    seen = replace(known, features={**known.features, "lite0": led})
    gains, _ = measured(seen, heads, minority_pool=(0.05, 0.5))
    probed = probes(replace(seen, features={"lite0": led}), heads)
    rows = probed.rename(columns={"view": "weak", "what": "role"})
    told = describe(
        "python data/photographs/untrained.py",
        files={"automobile_ship.npz": PHOTOGRAPHS[MAIN]},
        processor_seconds=round(time.process_time() - start),
        seed=SEED,
        network_seed=NETWORK,
        heads=heads,
        l2=L2,
        sizes=SIZES,
    )
    save_result(pd.concat([gains, rows]).round(4), folder / "untrained.csv", told)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
