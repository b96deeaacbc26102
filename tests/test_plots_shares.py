"""Cells for mixtures and points for pairs: what they draw and say, and what they refuse."""

from __future__ import annotations

from collections.abc import Iterator

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex

from w2s_tutorial.figures import plots_shares
from w2s_tutorial.figures.plots import COLOR


@pytest.fixture
def ax() -> Iterator[Axes]:
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


MIXTURES = pd.DataFrame(
    {
        "minority_labeled": [0.05, 0.05, 0.5, 0.5],
        "minority_pool": [0.05, 0.5, 0.05, 0.5],
        "mean": [15.0, 5.0, -4.0, 0.3],
        "low": [14.0, 4.5, -5.0, -0.2],
        "high": [16.0, 5.5, -3.0, 0.8],
    }
)
PAIRS = pd.DataFrame(
    {
        "order": ["up", "down", "level"],
        "majority": [0.1, 0.2, -0.3],
        "majority_half": [0.02, 0.3, 0.1],
        "minority": [0.6, 0.1, -0.2],
        "minority_half": [0.1, 0.05, 0.3],
    }
)


def test_every_mixture_has_its_number_and_the_tint_of_its_sign(ax: Axes):
    plots_shares.gain_cells(ax, MIXTURES, "gain in points", limit=20)
    shown = {text.get_position(): text.get_text() for text in ax.texts}
    assert shown[0, 0] == "+15.0\n± 1.0"
    assert shown[1, 0] == "-4.0\n± 1.0"
    tints = {
        tuple(p.get_xy()): (to_hex(p.get_facecolor()).upper(), p.get_alpha()) for p in ax.patches
    }
    assert tints[-0.5, -0.5] == (COLOR["student"], pytest.approx(0.45))
    assert tints[0.5, -0.5] == (COLOR["weak"], pytest.approx(0.12))
    assert tints[0.5, 0.5][1] == 0, "an interval that holds 0 stays white"
    assert ax.get_label() == (
        "Gain in points: above 0 in 2 and below 0 in 1 of 4 mixtures. "
        "Highest, 15 (14 to 16), at labelled 0.05 and pool 0.05. "
        "Lowest, -4 (-5 to -3), at labelled 0.5 and pool 0.05."
    )


def test_every_pair_has_its_point_and_the_words_count_them(ax: Axes):
    plots_shares.slopes_by_group(ax, PAIRS, "steepness")
    drawn = [line.get_xydata().tolist() for line in ax.lines if line.get_marker() in "^sv"]
    assert drawn == [[[0.1, 0.6]], [[-0.3, -0.2]], [[0.2, 0.1]]]
    assert ax.get_label() == (
        "Steepness of the minority against that of the majority for 3 pairs. "
        "For the majority above 0 in 1 pairs and below 0 in 1. "
        "For the minority above 0 in 2 pairs and below 0 in 0. "
        "For the minority larger, intervals apart, in 1 pairs."
    )


def test_what_would_be_shown_wrongly_is_refused(ax: Axes):
    with pytest.raises(ValueError, match="table must have 4 mixtures, got 3"):
        plots_shares.gain_cells(ax, MIXTURES[:3], "gain", limit=20)
    with pytest.raises(ValueError, match="limit must exceed 0, got 0"):
        plots_shares.gain_cells(ax, MIXTURES, "gain", limit=0)
    with pytest.raises(ValueError, match="order must be one of up, level, down, got same"):
        plots_shares.slopes_by_group(ax, PAIRS.assign(order="same"), "steepness")
    with pytest.raises(ValueError, match="table must have columns"):
        plots_shares.slopes_by_group(ax, PAIRS.drop(columns="minority"), "steepness")
