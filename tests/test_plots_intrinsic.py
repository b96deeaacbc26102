"""What the chapter's own plots draw and say."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from w2s_tutorial.figures import plots_intrinsic


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


@pytest.mark.parametrize(("degrees", "percent"), [(0, "100"), (60, "25"), (45, "50")])
def test_squares_are_projections_of_circles(ax, degrees, percent):
    errors = np.array([-1.5, 0.5, 2.0])
    plots_intrinsic.canonical_angle(ax, degrees, errors)
    circles, squares = (
        next(line for line in ax.lines if line.get_marker() == marker) for marker in ("o", "s")
    )
    x, y = circles.get_data()
    np.testing.assert_allclose(np.hypot(x, y), abs(errors))
    np.testing.assert_allclose(squares.get_data(), [x, 0 * x])
    assert f"inherits {percent} percent" in ax.get_label()


def curves():
    x = [1, 2, 4]
    theory = pd.DataFrame({"x": x * 2, "kind": [5] * 3 + [9] * 3, "value": [1, 2, 3, 3, 2, 1.0]})
    measured = theory.rename(columns={"value": "mean"})
    measured = measured.assign(low=measured["mean"] - 0.1, high=measured["mean"] + 0.1)
    return measured.sample(frac=1, random_state=0), theory


def test_a_curve_and_points_per_series(ax):
    measured, theory = curves()
    plots_intrinsic.curves_against(
        ax, measured, "x", "PGR", series="kind", theory=theory, level=(1.5, "the teacher")
    )
    drawn = [line.get_ydata().tolist() for line in ax.lines if len(line.get_xdata()) == 3]
    assert drawn == [[1, 2, 3], [1, 2, 3], [3, 2, 1], [3, 2, 1]]
    said = ax.get_label()
    assert "Kind 5 rises from 1 (0.9 to 1.1) at 1 to 3 (2.9 to 3.1) at 4." in said
    assert "Kind 9 falls from 3" in said
    assert "A line marks the teacher at 1.5." in said
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["kind 5", "kind 9"]


def test_published_curves_are_named(ax):
    measured, theory = curves()
    plots_intrinsic.curves_against(
        ax,
        measured,
        "x",
        "PGR",
        series="kind",
        theory=theory,
        published=theory.assign(value=theory["value"] - 1),
    )
    assert "as published" in [text.get_text() for text in ax.get_legend().get_texts()]
    faint = [line.get_ydata().tolist() for line in ax.lines if line.get_color() != "black"]
    assert faint == [[0, 1, 2], [2, 1, 0]]


def test_bad_input_is_refused(ax):
    measured, theory = curves()
    many = pd.DataFrame({"x": [1] * 5, "kind": range(5), "value": [1.0] * 5})
    for call, message in (
        (lambda: plots_intrinsic.canonical_angle(ax, 91, [1.0]), r"degrees must lie in 0\.\.90"),
        (lambda: plots_intrinsic.canonical_angle(ax, 9, []), "errors must be"),
        (lambda: plots_intrinsic.canonical_angle(ax, 9, [np.nan]), "errors must be"),
        (
            lambda: plots_intrinsic.curves_against(
                ax, measured, "x", "y", series="kind", theory=many
            ),
            "kind may have 4 values at most, got 5",
        ),
        (
            lambda: plots_intrinsic.curves_against(
                ax, measured.drop(columns="low"), "x", "y", series="kind", theory=theory
            ),
            "must have columns",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            call()
