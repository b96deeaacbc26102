"""What the chapter's picture and plots draw and say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from w2s_tutorial.figures import pictures_misfit, plots_misfit


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


@pytest.mark.parametrize("degrees", [0, 30, 90, 150])
def test_the_projection_is_to_scale(ax, degrees):
    pictures_misfit.projection(ax, degrees, distance=1.5)
    at = {m: next(x for x in ax.lines if x.get_marker() == m).get_xydata()[0] for m in "*os"}
    weak, student, target = at["o"], at["s"], at["*"]
    assert np.isclose(np.linalg.norm(weak - target), 1.5)
    assert np.isclose((weak - student) @ (target - student), 0), "the angle is a right one"
    assert ax.get_aspect() == 1
    gain = 2.25 - np.sum((student - target) ** 2)
    assert np.isclose(gain, np.sum((weak - student) ** 2))
    assert f"The gain is {round(gain, 2):.3g}." in ax.get_label()


def test_off_the_line_gain_and_misfit_differ(ax):
    pictures_misfit.projection(ax, 60, distance=1.0, height=0.5)
    assert "weak error 1, misfit 1.87" in ax.get_label()


def test_a_point_per_task_and_the_line_of_theory(ax):
    table = pd.DataFrame({"misfit": [0.1, 0.2, 0.9], "gain": [0.1, -0.1, 0.3]})
    plots_misfit.gain_per_task(ax, table, limit=0.5)
    line, _, points = ax.lines
    assert line.get_xydata().tolist() == [[0, 0], [0.5, 0.5]]
    np.testing.assert_allclose(points.get_xydata(), [[0.1, 0.1], [0.2, -0.1], [0.5, 0.3]])
    assert "2 gains are above 0" in ax.get_label()
    assert "1 points lie beyond the edge" in ax.get_label()


def test_a_curve_per_series(ax):
    table = pd.DataFrame(
        {"x": [10, 100] * 2, "kind": ["a b"] * 2 + ["c d"] * 2, "mean": [1, 2, 4, 3]}
    )
    table = table.assign(low=table["mean"] - 0.1, high=table["mean"] + 0.1)
    ax.set_xscale("log")
    plots_misfit.series_against(ax, table, "x", "gain", series="kind", zero="the teacher")
    assert "A b rises from 1" in ax.get_label()
    assert "C d falls from 4" in ax.get_label()
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["10", "100"]


def test_counts_below_zero_are_said(ax):
    plots_misfit.slack_counts(ax, {"one": [0.1, 0.2], "other": [-0.1, 0.3, 0.4]})
    assert "One: 0 of 2 below 0" in ax.get_label()
    assert "Other: 1 of 3 below 0, the lowest -0.1" in ax.get_label()
    drawn = [
        int(patch.get_data().values.sum()) for patch in ax.patches if hasattr(patch, "get_data")
    ]
    assert drawn == [2, 3]


def test_bad_input_is_refused(ax):
    table = pd.DataFrame({"misfit": [0.1], "gain": [np.nan]})
    many = pd.DataFrame({"x": 1, "k": list("abcde"), "mean": 1.0, "low": 0.0, "high": 2.0})
    for call, message in (
        (lambda: pictures_misfit.projection(ax, 200), r"degrees must lie in 0\.\.180"),
        (lambda: pictures_misfit.projection(ax, 20, height=2), "height in"),
        (lambda: plots_misfit.gain_per_task(ax, table, limit=1), "finite in gain"),
        (lambda: plots_misfit.gain_per_task(ax, table.fillna(0), limit=0), "limit must exceed 0"),
        (lambda: plots_misfit.slack_counts(ax, {}), "1 to 4 losses"),
        (lambda: plots_misfit.slack_counts(ax, {"a": [np.inf]}), "slack must be finite"),
        (lambda: plots_misfit.series_against(ax, many, "x", "y", series="k"), "4 values at most"),
    ):
        with pytest.raises(ValueError, match=message):
            call()
