"""What four views see of film reviews: python data/sentences/make.py

About two minutes of one core; reads SST-2 (downloaded once) and three packages, see README.md.
Writes features.npz, map.npz (from the encoder's 384 features to the 64 that are stored, so that one
sentence can be looked at again) and make.json. No text is kept, only the number of its line in
SST-2's training set, or -1 less its line in the validation set.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from phrases import GLOVE, LEXICON, bag_of_words, encoded, lexicon, sentences, word_vectors
from torch import Tensor

from w2s_tutorial.datasets import frozen, public
from w2s_tutorial.datasets.frozen import PARTS
from w2s_tutorial.networks import minilm
from w2s_tutorial.storage import describe, save_arrays, save_json

HERE = Path(__file__).parent
SIZES = {"labeled": 1500, "pool": 3000, "validation": 300}  # the rest is for testing
LAYER, DIRECTIONS = 5, 64


def parts(held: Tensor) -> Tensor:
    """Part of each sentence (n,); GLUE's validation set is in the test set."""
    generator = torch.Generator().manual_seed(0)
    free = (~held).nonzero().flatten()
    free = free[torch.randperm(len(free), generator=generator)]
    part = torch.full((len(held),), PARTS.index("test"))
    first = 0
    for name, size in SIZES.items():
        part[free[first : first + size]] = PARTS.index(name)
        first += size
    return part


def turned(view: Tensor, pool: Tensor) -> tuple[Tensor, Tensor]:
    """A view in the pool's leading directions (n, k), and the map (1 + d, k) that turns it there.

    Row 0 of the map is where the origin goes.
    """
    found, d = view.double(), view.shape[1]
    corners = torch.cat([found.new_zeros(1, d), torch.eye(d, dtype=found.dtype)])
    rows, outside = torch.cat([found, corners]), torch.zeros(1 + d, dtype=torch.bool)
    led = frozen.leading(rows[:, None], torch.cat([pool, outside]), DIRECTIONS)[:, 0]
    origin, others = led[len(found)], led[len(found) + 1 :]
    return led[: len(found)], torch.cat([origin[None], others - origin])


def main(folder: Path) -> None:
    start = time.process_time()
    texts, label, held, line = sentences()
    part = parts(held)
    pool = part == PARTS.index("pool")
    raw = {
        "minilm": encoded(texts, LAYER),
        "glove": word_vectors(texts),
        "bag_of_words": bag_of_words(texts, pool, DIRECTIONS),
    }
    led = {name: turned(view, pool) for name, view in raw.items()}
    views = {name: view for name, (view, _) in led.items()}
    score = lexicon(texts)
    # In eight bits what is nearly 0 would become 0, which says that VADER knows no word.
    views["vader"] = score.sign() * score.abs().clamp(min=0.01)
    attribute = (score[:, 0] > 0).long()
    found = frozen.FrozenFeatures(views, label, part, attribute)
    frozen.save(folder / "features.npz", found, eight_bits=True, line=line.int())
    save_arrays(folder / "map.npz", {"minilm": led["minilm"][1].half().numpy()}, compressed=True)
    facts = describe(
        "python data/sentences/make.py",
        code=[HERE / "phrases.py", HERE / "make.py", minilm, frozen],
        files={name: folder / name for name in ("features.npz", "map.npz")},
        processor_seconds=round(time.process_time() - start),
        seed=0,
        layer=LAYER,
        directions=DIRECTIONS,
        sizes=torch.bincount(part).tolist(),
        weights=dict(minilm.SHA256),
        glove=GLOVE,
        lexicon=LEXICON,
        data={role: file.hash for role, file in public.CATALOG["sst2"].files.items()},
    )
    save_json(folder / "make.json", facts)


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=HERE, help="where to write")
    main(parser.parse_args().folder)
