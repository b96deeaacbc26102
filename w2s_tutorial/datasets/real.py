"""What networks that others trained see of photographs and sentences, read from data/.

    seen = photograph_features()
    sets = frozen.draw(
        seen, "hog", "lite0", sizes={"labeled": 300, "pool": 1200, "test": 1000},
        minority={"labeled": 0.05, "pool": 0.3, "test": 0.5}, heads=20, seed=0,
    )

How they were made is told in data/photographs, with the rule that chose the pictures, and in
data/sentences.
"""

from __future__ import annotations

from collections.abc import Sequence

from w2s_tutorial.datasets.downloads import in_clone
from w2s_tutorial.datasets.frozen import DATA, FrozenFeatures, load

PHOTOGRAPHS = {
    pair: DATA / "photographs" / f"{'_'.join(pair)}.npz"
    for pair in (("automobile", "ship"), ("truck", "ship"))
}
"""Pair of classes -> file. The border is blue more often around the second of them."""
SENTENCES = DATA / "sentences" / "features.npz"


def photograph_features(
    first: str = "automobile",
    second: str = "ship",
    names: Sequence[str] = ("pixels", "stage1", "hog", "lite0"),
) -> FrozenFeatures:
    """Photographs of two classes (0, 1), half of them with a blue border, which is no accident.

    6,000 pictures of 32 x 32 pixels, each with the border that it has (attribute 1: blue): 1,000
    labelled, 2,800 in the pool, 200 for validation, 2,000 in the test set.

    Args:
        first, second: one of the pairs in PHOTOGRAPHS.
        names: "lite0", an EfficientNet-Lite0 that others trained on ImageNet; "stage1", one of its
            first layers, and "pixels", which see colour; "hog", gradients, which do not.

    Raises:
        ValueError: if there is no such pair, or a name is none of them.
        FileNotFoundError: if the file is neither in a clone nor in the data folder.
    """
    if (first, second) not in PHOTOGRAPHS:
        raise ValueError(f"the pair must be one of {list(PHOTOGRAPHS)}, got {(first, second)}")
    return load(in_clone(PHOTOGRAPHS[first, second], "a pair of photographs (1 MB)"), names)


def sentence_features(
    names: Sequence[str] = ("vader", "bag_of_words", "glove", "minilm"),
) -> FrozenFeatures:
    """Film reviews of SST-2: 0 negative, 1 positive; phrases that are part of no other.

    7,756 phrases: 1,500 labelled, 3,000 in the pool, 300 for validation, 2,956 in the test set.
    Their attribute is what a list of words with moods says of them (1: positive), so that the
    minority, groups 1 and 2, are those that it gets wrong.

    Args:
        names: "minilm", layer 5 of an encoder that others trained; "glove", means of word vectors;
            "bag_of_words"; "vader", the score of that list, one number, 0 where it knows no word.

    Raises:
        ValueError: if a name is none of them.
        FileNotFoundError: if the file is neither in a clone nor in the data folder.
    """
    return load(in_clone(SENTENCES, "film reviews (1 MB)"), names)
