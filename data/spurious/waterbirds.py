"""Waterbirds, two backbones at every mixture: python data/spurious/waterbirds.py [weak] [strong]

The names are those of `networks.pretrained.CHECKPOINTS`; default: resnet18 and dinov2. Downloads
Waterbirds into the data folder, and the checkpoints, on first use, and runs each backbone once
over 11,788 photographs (minutes on a GPU, hours without one); features are kept in the data folder.
Writes waterbirds.csv with its provenance into _build/spurious, and prints the gains.

    seen = features_of(["resnet18", "dinov2"], device="cuda")
    table = measure(seen, "resnet18", "dinov2")
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import photographs
import torch

from w2s_tutorial import shares
from w2s_tutorial.datasets import frozen
from w2s_tutorial.datasets.downloads import folder
from w2s_tutorial.networks import features, pretrained
from w2s_tutorial.storage import content_key, describe
from w2s_tutorial.tables import save_result, summarize

OUT = Path(__file__).parents[2] / "_build" / "spurious"
ETAS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5)
"""From Waterbirds' own share, 240 of 4,795 training images, to balance."""
SIZES = {"n_labeled": (200,), "n_pool": (1000,), "n_test": 2000}
"""Training and validation set together show 839 minority images, of which a quarter is set apart
for the labelled sets and the others for the pools: at share .5 the sizes use half and most of
them, so that heads share images and the intervals are narrower than fresh images would make
them."""


def features_of(
    names: Sequence[str],
    *,
    root: Path | None = None,
    make: Callable[[str], features.Backbone] = pretrained.pretrained,
    device: str = "cpu",
    seed: int = 0,
) -> frozen.FrozenFeatures:
    """What the named backbones see of all of Waterbirds, standardised, and its parts.

    Args:
        names: backbones.
        root: folder with metadata.csv and the images; default: downloaded.
        make: name -> backbone.
        device: where it runs.
        seed: of the split of training and validation images into labelled set and pool.
    """
    splits = [photographs.waterbirds("train", root=root)]
    splits += [photographs.waterbirds("validation", root=root)]
    splits += [photographs.waterbirds("test", root=root)]
    kept = (root or folder()) / "features"
    seen = {
        name: torch.cat([_view(name, make(name), s, kept, device) for s in splits])
        for name in names
    }
    group, label, attribute = (
        torch.cat([getattr(found, part) for found in splits])
        for part in ("group", "label", "attribute")
    )
    stock = len(group) - len(splits[-1])
    dealt = deal(group[:stock], labeled=0.25, seed=seed)
    part = torch.full_like(group, frozen.PARTS.index("test"))
    part[:stock] = dealt
    pool = part == frozen.PARTS.index("pool")
    views = {name: standardized(view, pool) for name, view in seen.items()}
    return frozen.FrozenFeatures(views, label, part, attribute)


def deal(group: torch.Tensor, *, labeled: float, seed: int) -> torch.Tensor:
    """Numbers (n,) of parts: of each group (n,) the share `labeled`, rounded, the rest the pool."""
    generator = torch.Generator().manual_seed(seed)
    part = torch.full_like(group, frozen.PARTS.index("pool"))
    for kind in group.unique():
        rows = (group == kind).nonzero().flatten()
        order = torch.randperm(len(rows), generator=generator)
        part[rows[order[: round(labeled * len(rows))]]] = frozen.PARTS.index("labeled")
    return part


def _view(
    name: str, backbone: features.Backbone, found: photographs.Birds, kept: Path, device: str
) -> torch.Tensor:
    files = [[path.name, path.stat().st_size] for path in found.images.files]
    key = content_key(name, files, found.images.resize, found.images.crop, backbone)
    run = partial(features.extract, backbone, found.images, batch_size=128, device=device)
    return features.cached(run, key=f"waterbirds-{key}", folder=kept).float()


def standardized(view: torch.Tensor, pool: torch.Tensor) -> torch.Tensor:
    """Centred on the pool, divided by one number: variances over the pool sum to 64.

    As for the frozen features of the other sets, so that one penalty means the same for all.
    """
    view = view.double()  # in single precision nearly separable heads do not settle
    inside = view[pool]
    return (view - inside.mean(0)) * (64 / inside.var(0).sum()).sqrt()


def measure(seen: frozen.FrozenFeatures, weak: str, strong: str, **changes: Any) -> pd.DataFrame:
    """`shares.grid` of a pair, beside both backbones as their own teachers: the controls."""
    pairs = [(weak, strong), (weak, weak), (strong, strong)]
    settings: dict[str, Any] = {"minority_labeled": ETAS, "minority_pool": ETAS, "heads": 20}
    return shares.grid(seen, pairs, **settings | SIZES | changes)


def gains(table: pd.DataFrame) -> pd.DataFrame:
    """Mean gain in accuracy with 95 % intervals, for each pair, place and mixture."""
    keys = ["weak", "strong", "fit", "minority_labeled", "minority_pool", "where"]
    rows = table[table["measure"] == "accuracy"]
    wide = rows.pivot(index=[*keys, "head"], columns="role", values="value")
    return summarize(wide.eval("student - weak").rename("value").reset_index(), keys)


def main(
    weak: str = "resnet18",
    strong: str = "dinov2",
    out: Path | str = OUT,
    *,
    heads: int = 20,
    **options: Any,
) -> None:
    start = time.process_time()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    seen = features_of([weak, strong], **{"device": device} | options)
    table = gains(measure(seen, weak, strong, heads=heads))
    told = describe(
        f"python data/spurious/waterbirds.py {weak} {strong}",
        processor_seconds=round(time.process_time() - start),
        seed=0,
        heads=heads,
    )
    save_result(table, Path(out) / "waterbirds.csv", told)
    shown = table[(table["strong"] == strong) & (table["weak"] == weak) & (table["where"] == "all")]
    print(shown.pivot(index="minority_labeled", columns="minority_pool", values="mean").round(3))


if __name__ == "__main__":
    main(*sys.argv[1:3])
