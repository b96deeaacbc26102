"""What the chapter's picture and its own plots draw and say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.patches import FancyBboxPatch

from w2s_tutorial.figures import explore, pictures_spurious, plots_spurious


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


def places(ax):
    return [patch.get_edgecolor() for patch in ax.patches if isinstance(patch, FancyBboxPatch)]


@pytest.mark.parametrize("on_beach", [0, 1, 4, 8])
def test_as_many_cows_on_the_beach_as_said(ax, on_beach):
    pictures_spurious.herd(ax, [("pool", on_beach)])
    colors = places(ax)
    assert len(colors) == 8
    counts = sorted(colors.count(color) for color in set(colors))
    assert counts == sorted(n for n in (on_beach, 8 - on_beach) if n)
    assert f"in the pool {on_beach} of 8 stand on a beach" in ax.get_label().lower()
    assert f"pool: {on_beach} of 8 on a beach" in [text.get_text() for text in ax.texts]


def test_one_row_per_set_and_beaches_look_alike_in_all(ax):
    pictures_spurious.herd(ax, [("labelled set", 1), ("pool", 7)])
    colors = places(ax)
    assert len(colors) == 16
    assert colors.count(colors[0]) == 8  # 7 pastures among the labels, 1 in the pool


def test_herd_refuses(ax):
    with pytest.raises(ValueError, match="sets must list at least 1 set, got 0"):
        pictures_spurious.herd(ax, [])
    with pytest.raises(ValueError, match="0 to 8 cows on the beach, got 9"):
        pictures_spurious.herd(ax, [("pool", 9)])


SHARES = np.linspace(0, 0.5, 6)


def gain(worst=-2.0):
    """Best on the diagonal, losing to the lower right."""
    labeled, pool = np.meshgrid(SHARES, SHARES, indexing="ij")
    return 0.9 - (0.9 - worst) * np.clip(labeled - pool, 0, None) / 0.5 - 0.2 * (pool > labeled)


def test_surface_says_where_the_student_loses_and_marks_the_best_pool(ax):
    plots_spurious.gain_surface(ax, SHARES, SHARES, gain())
    assert "between -200 and 90 percent" in ax.get_label()
    assert "worst at labelled share 0.5 and pool share 0" in ax.get_label()
    assert f"loses on {100 * 10 / 36:.3g} percent" in ax.get_label()
    best = next(line for line in ax.lines if line.get_label() == "best pool")
    np.testing.assert_allclose(best.get_ydata(), SHARES)
    assert "0" in [text.get_text() for text in ax.texts]  # the boundary is labelled


def test_surface_without_a_boundary_draws_none(ax):
    plots_spurious.gain_surface(ax, SHARES, SHARES, gain(worst=0.3))
    assert "loses on 0 percent" in ax.get_label()
    assert "0" not in [text.get_text() for text in ax.texts]


def test_surface_is_not_transposed(ax):
    """The lowest value stands at the right below, not at the left above."""
    plots_spurious.gain_surface(ax, SHARES, SHARES, gain())
    level = next(text for text in ax.texts if text.get_text() == "0")
    x, y = level.get_position()
    assert x > y


def test_surface_refuses(ax):
    with pytest.raises(ValueError, match=r"gain must be \(6, 6\), got shape \(6, 5\)"):
        plots_spurious.gain_surface(ax, SHARES, SHARES, gain()[:, :5])
    with pytest.raises(ValueError, match="gain must be finite and at most 1"):
        plots_spurious.gain_surface(ax, SHARES, SHARES, gain() + 1)


def table(**groups):
    rows = [
        {"x": x, "group": group, "mean": mean, "low": mean - 0.1, "high": mean + 0.1}
        for group, means in groups.items()
        for x, mean in enumerate(means)
    ]
    return pd.DataFrame(rows)


def test_a_line_and_points_per_group_and_the_finding_in_words(ax):
    measured = table(minority=[3, 2, 1], majority=[1, 0, -1])
    plots_spurious.groups_against(ax, measured, "x", "gain", x_label="share", zero="the teacher")
    points = [line.get_ydata().tolist() for line in ax.lines if line.get_linestyle() == "None"]
    assert points == [[1, 0, -1], [3, 2, 1]]
    assert "Majority falls from 1 (0.9 to 1.1) at 0 to -1" in ax.get_label()
    assert "A line marks the teacher at 0" in ax.get_label()
    words = explore.figure(ax.figure).words
    assert words == ax.get_label()


def test_theory_is_drawn_as_given(ax):
    measured = table(majority=[1, 0, -1])
    theory = pd.DataFrame({"x": [0, 2], "group": "majority", "value": [5.0, 7.0]})
    plots_spurious.groups_against(ax, measured, "x", "gain", x_label="share", theory=theory)
    lines = [line.get_ydata().tolist() for line in ax.lines if line.get_linestyle() == "-"]
    assert lines == [[5.0, 7.0]]


def test_unknown_groups_are_refused(ax):
    with pytest.raises(ValueError, match="group must be one of majority, minority, all, got cows"):
        plots_spurious.groups_against(ax, table(cows=[1, 2]), "x", "gain", x_label="share")
