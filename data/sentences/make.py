"""What five views see of film reviews: python data/sentences/make.py

About two minutes of one core; reads SST-2 (downloaded once) and three packages, see README.md.
Writes features.npz and make.json. No text is kept, only the number of its line in SST-2's order.
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
from w2s_tutorial.storage import describe, save_json

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


def main(folder: Path) -> None:
    start = time.process_time()
    texts, label, held = sentences()
    part = parts(held)
    pool = part == PARTS.index("pool")
    raw = {
        "minilm": encoded(texts, LAYER),
        "minilm_words": encoded(texts, 0),
        "glove": word_vectors(texts),
        "bag_of_words": bag_of_words(texts, pool, DIRECTIONS),
    }
    views = {
        name: frozen.leading(view[:, None], pool, DIRECTIONS)[:, 0] for name, view in raw.items()
    }
    score = lexicon(texts)
    views["vader"] = score
    attribute = (score[:, 0] > 0).long()
    found = frozen.FrozenFeatures(views, label, part, attribute)
    frozen.save(folder / "features.npz", found, eight_bits=True, held=held.byte())
    facts = describe(
        "python data/sentences/make.py",
        code=[HERE / "phrases.py", HERE / "make.py", minilm, frozen],
        files={"features.npz": folder / "features.npz"},
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
