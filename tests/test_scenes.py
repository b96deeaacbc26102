"""What the scenes draw to scale, and say."""

import numpy as np
import pytest
from matplotlib.patches import FancyBboxPatch

from w2s_tutorial.figures import looks, scenes


@pytest.fixture
def ax():
    return looks.axes()


def places(ax):
    return [patch.get_edgecolor() for patch in ax.patches if isinstance(patch, FancyBboxPatch)]


@pytest.mark.parametrize("on_beach", [0, 1, 4, 8])
def test_as_many_cows_on_the_beach_as_said(ax, on_beach):
    scenes.herd(ax, [("pool", on_beach)])
    colors = places(ax)
    assert len(colors) == 8
    counts = sorted(colors.count(color) for color in set(colors))
    assert counts == sorted(n for n in (on_beach, 8 - on_beach) if n)
    assert f"in the pool {on_beach} of 8 stand on a beach" in ax.get_label().lower()
    assert f"pool: {on_beach} of 8 on a beach" in [text.get_text() for text in ax.texts]


def test_one_row_per_set_and_beaches_look_alike_in_all(ax):
    scenes.herd(ax, [("labelled set", 1), ("pool", 7)])
    colors = places(ax)
    assert len(colors) == 16
    assert colors.count(colors[0]) == 8  # 7 pastures among the labels, 1 in the pool


@pytest.mark.parametrize("degrees", [0, 30, 90, 150])
def test_the_projection_is_to_scale(ax, degrees):
    scenes.projection(ax, degrees, distance=1.5)
    at = {m: next(x for x in ax.lines if x.get_marker() == m).get_xydata()[0] for m in "*os"}
    weak, student, target = at["o"], at["s"], at["*"]
    assert np.isclose(np.linalg.norm(weak - target), 1.5)
    assert np.isclose((weak - student) @ (target - student), 0), "the angle is a right one"
    assert ax.get_aspect() == 1
    gain = 2.25 - np.sum((student - target) ** 2)
    assert np.isclose(gain, np.sum((weak - student) ** 2))
    assert f"The gain is {round(gain, 2):.3g}." in ax.get_label()


def test_off_the_line_gain_and_misfit_differ(ax):
    scenes.projection(ax, 60, distance=1.0, height=0.5)
    assert "weak error 1, misfit 1.87" in ax.get_label()


@pytest.mark.parametrize(("degrees", "percent"), [(0, "100"), (60, "25"), (45, "50"), (90, "0")])
def test_squares_are_projections_of_circles(ax, degrees, percent):
    errors = np.array([-1.5, 0.5, 2.0])
    scenes.canonical_angle(ax, degrees, errors)
    circles, squares = (
        next(line for line in ax.lines if line.get_marker() == marker) for marker in ("o", "s")
    )
    x, y = circles.get_data()
    np.testing.assert_allclose(np.hypot(x, y), abs(errors))
    np.testing.assert_allclose(squares.get_data(), [x, 0 * x])
    assert f"inherits {percent} percent" in ax.get_label()


N = np.arange(20)
POOL = (N, N, N < 5, N % 2 == 0)  # core, place, wrong, minority


def test_kept_points_counts(ax):
    scenes.kept_points(ax, *POOL, N >= 4)
    drawn = {}
    for points in ax.collections:
        drawn[points.get_alpha()] = drawn.get(points.get_alpha(), 0) + len(points.get_offsets())
    assert drawn == {0.9: 16, 0.15: 4}
    assert "Of 20 examples 16 are kept" in ax.get_label()
    assert "75 percent of all labels are right, 93.8 percent of the kept" in ax.get_label()


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda ax: scenes.herd(ax, []), "sets must list at least 1 set, got 0"),
        (lambda ax: scenes.herd(ax, [("pool", 9)]), "0 to 8 cows on the beach, got 9"),
        (lambda ax: scenes.projection(ax, 200), r"degrees must lie in 0\.\.180"),
        (lambda ax: scenes.projection(ax, 20, height=2), "height in"),
        (lambda ax: scenes.canonical_angle(ax, 91, [1.0]), r"degrees must lie in 0\.\.90"),
        (lambda ax: scenes.canonical_angle(ax, 9, []), "errors must be"),
        (lambda ax: scenes.canonical_angle(ax, 9, [np.nan]), "errors must be"),
        (lambda ax: scenes.kept_points(ax, *POOL, N < 0), "keep must keep an example"),
        (lambda ax: scenes.kept_points(ax, *POOL, N[1:] > 0), "all must be"),
    ],
)
def test_scenes_refuse(ax, draw, message):
    with pytest.raises(ValueError, match=message):
        draw(ax)
