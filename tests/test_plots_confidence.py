"""What the plots of the chapter on confidence draw and say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from w2s_tutorial.figures import plots_confidence


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


@pytest.mark.parametrize("q", [0.0, 0.3, 1.0])
def test_the_gradient_is_that_of_the_loss(ax, q):
    """Against a difference quotient of (1 - p^q) / q in the log-odds."""
    plots_confidence.gce_gradient(ax, q)
    curve = next(line for line in ax.lines if line.get_linewidth() == 3)
    p, pull = curve.get_data()
    inner = slice(1, -1)
    odds, h = np.log(p[inner] / (1 - p[inner])), 1e-6

    def loss(z):
        log_p = -np.log1p(np.exp(-z))
        return -np.expm1(q * log_p) / q if q else -log_p

    slope = (loss(odds - h) - loss(odds + h)) / (2 * h)
    np.testing.assert_allclose(pull[inner], slope, atol=1e-6)
    assert f"probability {q / (1 + q):.3g}" in ax.get_label()


def test_kept_points_counts(ax):
    n = 20
    wrong, few = np.arange(n) < 5, np.arange(n) % 2 == 0
    keep = np.arange(n) >= 4
    plots_confidence.kept_points(ax, np.arange(n), np.arange(n), wrong, few, keep)
    drawn = {}
    for points in ax.collections:
        drawn[points.get_alpha()] = drawn.get(points.get_alpha(), 0) + len(points.get_offsets())
    assert drawn == {0.9: 16, 0.15: 4}
    assert "Of 20 examples 16 are kept" in ax.get_label()
    assert "75 percent of all labels are right, 93.8 percent of the kept" in ax.get_label()
    with pytest.raises(ValueError, match="keep must keep an example"):
        plots_confidence.kept_points(ax, np.arange(n), np.arange(n), wrong, few, keep & ~keep)
    with pytest.raises(ValueError, match=r"all must be \(n,\)"):
        plots_confidence.kept_points(ax, np.arange(3), np.arange(n), wrong, few, keep)


def test_kept_against_says_the_course(ax):
    rows = [
        {"p": p, "kind": kind, "mean": mean, "low": mean - 0.01, "high": mean + 0.01}
        for kind, means in (("labels right", (0.9, 0.7)), ("minority", (0.1, 0.5)))
        for p, mean in zip((0.2, 1.0), means, strict=True)
    ]
    plots_confidence.kept_against(ax, pd.DataFrame(rows))
    assert "Minority rises from 0.1 (0.09 to 0.11) at 0.2 to 0.5" in ax.get_label()
    assert "Labels right falls from 0.9" in ax.get_label()


def grid():
    return pd.DataFrame(
        [{"p": p, "q": q, "gain": p - 0.6 + q / 10} for p in (0.2, 1.0) for q in (0.0, 1.0)]
    )


def test_map_puts_p_to_the_right_and_q_up(ax):
    plots_confidence.grid_map(ax, grid())
    said = {tuple(text.get_position()): text.get_text() for text in ax.texts}
    assert said == {(0, 0): "-40.0", (1, 0): "+40.0", (0, 1): "-30.0", (1, 1): "+50.0"}
    assert "Best at p = 1, q = 1: +50.0 points" in ax.get_label()
    with pytest.raises(ValueError, match="every p and q"):
        plots_confidence.grid_map(ax, grid().iloc[:3])


def test_strips_draw_every_pair_and_count_the_sure_ones(ax):
    rows = [
        {"method": m, "gain": g, "gain_low": g - 0.02, "gain_high": g + 0.02}
        for m, gains in (("a", (0.05, 0.01, 0.03)), ("b", (-0.05, -0.01, 0.1)))
        for g in gains
    ]
    plots_confidence.strips(ax, pd.DataFrame(rows), ["b", "a"], "gain, points")
    assert "A: median +3.0, better in 2 and worse in 0 of 3" in ax.get_label()
    assert "B: median -1.0, better in 1 and worse in 1 of 3" in ax.get_label()
    dots = [line.get_xdata().tolist() for line in ax.lines if line.get_marker() == "o"]
    assert dots == [[-5.0, -1.0, 10.0], [1.0, 3.0, 5.0]]
    assert [text.get_text() for text in ax.get_yticklabels()] == ["b", "a"]
    with pytest.raises(ValueError, match="every method, lacks"):
        plots_confidence.strips(ax, pd.DataFrame(rows), ["c"], "gain")
