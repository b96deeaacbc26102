"""Curves and points show what the table says, in marks and in words."""

from __future__ import annotations

from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb

from w2s_tutorial.figures import explore, looks, plots


@pytest.fixture
def ax():
    before = dict(mpl.rcParams)
    yield looks.axes(6, 4)
    assert dict(mpl.rcParams) == before


def course(role, means, x="n_pool", settings=(50, 100, 400), half=0.02):
    means = np.array(means)
    rows = {x: settings, "role": role, "mean": means, "low": means - half, "high": means + half}
    return pd.DataFrame(rows)


TABLE = pd.concat(
    [course("student", [0.71, 0.75, 0.82]), course("weak", [0.7, 0.7, 0.7])], ignore_index=True
)
THEORY = pd.DataFrame({"n_pool": [50, 400], "role": "student", "value": [0.7, 0.83]})


def lines(ax, color):
    """Lines of a colour: (points, lines)."""
    mine = [line for line in ax.lines if line.get_color() == color and len(line.get_xdata())]
    points = [m for m in mine if m.get_linestyle() == "None"]
    return points, [m for m in mine if m not in points]


def legend(ax):
    return [t.get_text() for t in ax.get_legend().get_texts()]


def test_points_and_intervals_are_the_table(ax):
    assert (
        plots.curves(ax, TABLE, "n_pool", "accuracy", theory=THEORY, levels={"chance": 0.5}) is ax
    )
    rows = TABLE[TABLE["role"] == "student"]
    (points,), (theory,) = lines(ax, looks.COLOR["student"])
    np.testing.assert_array_equal(points.get_xydata(), rows[["n_pool", "mean"]])
    np.testing.assert_array_equal(theory.get_xydata(), THEORY[["n_pool", "value"]])
    bars = next(
        c
        for c in ax.collections
        if isinstance(c, LineCollection)
        and (c.get_color()[0][:3] == to_rgb(points.get_color())).all()
    )
    np.testing.assert_allclose(
        [s.ravel() for s in bars.get_segments()], rows[["n_pool", "low", "n_pool", "high"]]
    )
    assert theory.get_zorder() < bars.get_zorder() < points.get_zorder()
    (chance,) = (m for m in ax.lines if m.get_label() == "chance")
    assert set(chance.get_ydata()) == {0.5}
    assert legend(ax) == ["weak", "student", "theory", "chance"]


def test_theory_without_a_measurement_has_a_key(ax):
    more = pd.concat([THEORY, THEORY.assign(role="ceiling")])
    plots.curves(ax, TABLE, "n_pool", "accuracy", theory=more)
    assert legend(ax) == ["weak", "student", "ceiling", "theory"]
    assert not lines(ax, looks.COLOR["ceiling"])[0]


def test_the_label_states_the_finding_from_the_table(ax):
    more = {"x_label": "pool size", "theory": THEORY, "levels": {"chance": 0.5}}
    plots.curves(ax, TABLE, "n_pool", "accuracy", **more)
    assert ax.get_label() == (
        "Accuracy against pool size. Weak goes from 0.7 (0.68 to 0.72) at 50 to 0.7 (0.68 to 0.72) "
        "at 400. Student rises from 0.71 (0.69 to 0.73) at 50 to 0.82 (0.8 to 0.84) at 400. "
        "Lines show theory for student. A line marks chance at 0.5."
    )
    assert explore.figure(ax.figure).words == ax.get_label()


def test_a_single_head_has_no_interval(ax):
    lone = TABLE.assign(low=np.nan, high=np.nan)
    plots.curves(ax, lone, "n_pool", "accuracy")
    assert "Student rises from 0.71 at 50 to 0.82 at 400." in ax.get_label()


def test_logarithmic_ticks_stand_at_the_settings_or_where_they_were_set(ax):
    ax.set_xscale("log")
    plots.curves(ax, TABLE.assign(n_pool=TABLE["n_pool"] * 10), "n_pool", "accuracy")
    assert [t.get_text() for t in ax.get_xticklabels()] == ["500", "1,000", "4,000"]
    assert len(ax.get_xticks(minor=True)) == 0
    other = looks.axes()
    other.set_xscale("log")
    other.set_xticks([60, 300], ["a", "b"])
    plots.curves(other, TABLE, "n_pool", "accuracy")
    assert [t.get_text() for t in other.get_xticklabels()] == ["a", "b"]


SERIES = pd.concat([course("none", [1, 2, 3]), course("all", [3, 2, 1])]).rename(
    columns={"role": "kind"}
)


def test_other_series_are_black_and_differ_in_marker_and_dashes(ax):
    theory = SERIES.rename(columns={"mean": "value"})
    shuffled = SERIES.sample(frac=1, random_state=0)
    plots.curves(ax, shuffled, "n_pool", "gain", series="kind", theory=theory, name="sees")
    points, curves = lines(ax, "black")
    assert [p.get_ydata().tolist() for p in points] == [[1, 2, 3], [3, 2, 1]]
    assert [c.get_ydata().tolist() for c in curves] == [[1, 2, 3], [3, 2, 1]]
    assert len({p.get_marker() for p in points}) == len({c.get_linestyle() for c in curves}) == 2
    assert legend(ax) == ["sees none", "sees all"]
    assert "Sees none rises from 1 (0.98 to 1.02) at 50 to 3 (2.98 to 3.02)" in ax.get_label()


def test_a_control_beside_roles_is_grey_and_joined(ax):
    dice = course("dice", [0.6, 0.7, 0.8])
    plots.curves(ax, pd.concat([dice, TABLE]), "n_pool", "accuracy")
    (points,), (line,) = lines(ax, looks.GREY)
    assert points.get_marker() not in looks.MARKER.values()
    assert line.get_ydata().tolist() == points.get_ydata().tolist() == [0.6, 0.7, 0.8]
    assert legend(ax) == ["weak", "student", "dice"], "roles come first"


def test_another_prediction_is_dashed_named_and_said(ax):
    other = THEORY.assign(value=[0.5, 0.6])
    plots.curves(ax, TABLE, "n_pool", "risk", theory=THEORY, other=("theorem", other))
    _, (theory, theorem) = lines(ax, looks.COLOR["student"])
    assert (theory.get_linestyle(), theorem.get_linestyle()) == ("-", "--")
    assert theorem.get_ydata().tolist() == [0.5, 0.6]
    assert legend(ax)[-2:] == ["theory", "theorem"]
    assert "Theorem: student goes from 0.5 at 50 to 0.6 at 400." in ax.get_label()
    grey = looks.axes()
    published = SERIES.rename(columns={"mean": "value"})
    words = {"series": "kind", "theory": published, "other": ("published", published)}
    plots.curves(grey, SERIES, "n_pool", "gain", **words)
    assert len(lines(grey, looks.GREY)[1]) == 2


def test_names_at_the_ends_replace_the_legend_and_do_not_overlap(ax):
    ax.set(xlim=(0, 500), ylim=(0.5, 1))
    close = pd.concat([course(r, [0.7, 0.7, 0.7 + 0.001 * i]) for i, r in enumerate(looks.ROLES)])
    plots.curves(ax, close, "n_pool", "accuracy", direct=True, levels={"chance": 0.55})
    assert legend(ax) == ["chance"]
    named = {t.get_text(): t for t in ax.texts}
    assert set(named) == set(looks.ROLES)
    ax.figure.canvas.draw()
    boxes = sorted((t.get_window_extent() for t in named.values()), key=lambda box: box.y0)
    assert all(low.y1 <= high.y0 + 1 for low, high in pairwise(boxes))


def test_panels_share_scales_and_one_legend_and_say_their_titles():
    both = looks.panels(["few", "many"])
    for i, panel in enumerate(both):
        plots.curves(panel, TABLE.assign(mean=TABLE["mean"] + i), "n_pool", "accuracy")
    assert both[0].get_ylim() == both[1].get_ylim()
    (shared,) = both[0].figure.legends
    assert [t.get_text() for t in shared.get_texts()] == ["weak", "student"]
    assert not both[0].get_legend()
    words = explore.figure(both[0].figure).words
    assert "Few: accuracy against n_pool. Weak goes" in words
    assert "Many: accuracy against n_pool. Weak goes" in words
    assert both[0].get_ylabel() == "accuracy"
    assert not both[1].get_ylabel()


BROKEN = {
    "columns": (TABLE.drop(columns="low"), r"must have columns \['low'\]"),
    "empty": (TABLE.iloc[:0], "at least 1 row, got 0"),
    "twice": (pd.concat([TABLE, TABLE.iloc[:1]]), "1 row per n_pool and role, got several for"),
    "many": (TABLE.assign(role=list("abcdef")).assign(n_pool=1)[:6], None),
    "nan": (TABLE.assign(mean=np.nan), "must be finite in mean, got nan"),
    "infinite": (TABLE.assign(high=np.inf), "must be finite in high, got inf"),
    "words": (TABLE.assign(n_pool="many"), "must hold numbers in n_pool"),
    "crossed": (TABLE.assign(low=0.9), "low must not exceed high, got low 0.9 and high 0.73"),
}


@pytest.mark.parametrize(("table", "message"), BROKEN.values(), ids=BROKEN)
def test_a_wrong_table_is_refused(ax, table, message):
    if message is None:
        plots.curves(ax, table, "n_pool", "accuracy")  # six series are drawn
        table = pd.concat([table, table[:1].assign(role="g")])
        message = "series may have 6 values at most, got 7"
    with pytest.raises(ValueError, match=message):
        plots.curves(ax, table, "n_pool", "accuracy")


def test_other_wrong_arguments_are_refused(ax):
    with pytest.raises(ValueError, match="theory must have columns"):
        plots.curves(ax, TABLE, "n_pool", "accuracy", theory=THEORY[["n_pool"]])
    none = THEORY.assign(value=np.nan)
    with pytest.raises(ValueError, match="other must be finite in value"):
        plots.curves(ax, TABLE, "n_pool", "accuracy", other=("published", none))
    with pytest.raises(ValueError, match="levels must be finite, got nan for chance"):
        plots.curves(ax, TABLE, "n_pool", "accuracy", levels={"chance": np.nan})
    with pytest.raises(ValueError, match="titles must be different and not empty"):
        looks.panels(["a", "a"])
    with pytest.raises(ValueError, match="columns must be at least 1, got 0"):
        looks.panels(["a"], columns=0)


def scatter(ax: Axes, table: pd.DataFrame, *columns: str, **more) -> Axes:
    x, y = columns or ("predicted", "mean")
    return plots.scatter(ax, table, x, y, **{"x_label": "predicted", "y_label": "measured"} | more)


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_predictions_meet_the_identity_line(ax, scale):
    table = TABLE.assign(predicted=[0.72, 0.75, 0.9, 0.7, 0.75, 0.69])
    ax.set(xscale=scale, yscale=scale)
    assert scatter(ax, table, series="role", line="equal") is ax
    (identity,) = (m for m in ax.lines if m.get_label() == "equal")
    np.testing.assert_array_equal(identity.get_xdata(), identity.get_ydata())
    np.testing.assert_array_equal(ax.get_xlim(), identity.get_xdata())
    assert ax.get_xlim() == ax.get_ylim()
    assert ax.get_aspect() == 1
    assert identity.get_zorder() < min(m.get_zorder() for m in ax.lines if m is not identity)
    assert ax.get_label() == (
        "Measured against predicted for 6 points. Weak: 0.69 to 0.75 across, 0.7 to 0.7 upwards. "
        "2 of 3 intervals meet the line, 1 lie below, 0 above. Student: 0.72 to 0.9 across, 0.71 "
        "to 0.82 upwards. 2 of 3 intervals meet the line, 1 lie below, 0 above. Farthest from the "
        "line equal: student with predicted 0.9, measured 0.82."
    )


def test_points_beyond_the_limits_stand_at_the_edge_and_are_counted(ax):
    table = pd.DataFrame({"misfit": [0.1, 0.2, 0.9], "gain": [0.1, -0.1, 0.3]})
    more = {"limits": ((0, 0.5), (-0.125, 0.5)), "line": "gain = misfit", "points": "tasks"}
    scatter(ax, table, "misfit", "gain", **more)
    line, points = (m for m in ax.lines if len(m.get_xdata()))
    assert line.get_xydata().tolist() == [[0, 0], [0.5, 0.5]]
    np.testing.assert_allclose(points.get_xydata(), [[0.1, 0.1], [0.2, -0.1], [0.5, 0.3]])
    assert "Upwards, 2 are above 0 and 1 below." in ax.get_label()
    assert "On average they are 0.3 from the line gain = misfit." in ax.get_label()
    assert "1 tasks lie beyond the edge" in ax.get_label()


def test_both_intervals_are_drawn_and_the_words_count_them(ax):
    pairs = pd.DataFrame(
        {
            "who": ["a", "b", "a"],
            "x": [0.1, 0.2, -0.3],
            "x_low": [0.08, -0.1, -0.4],
            "x_high": [0.12, 0.5, -0.2],
            "y": [0.6, 0.1, -0.2],
            "y_low": [0.5, 0.05, -0.5],
            "y_high": [0.7, 0.15, 0.1],
        }
    )
    scatter(ax, pairs, "x", "y", series="who", zero=True, name="who", symlog=0.1)
    segments = [s.tolist() for c in ax.collections for s in c.get_segments()]
    assert [[0.08, 0.6], [0.12, 0.6]] in segments
    assert [[0.1, 0.5], [0.1, 0.7]] in segments
    assert [text.get_text() for text in ax.texts] == ["a", "b", "a"]
    assert ax.get_xscale() == ax.get_yscale() == "symlog"
    assert (
        "A: -0.3 to 0.1 across, -0.2 to 0.6 upwards. Across, 1 are above 0 and 1 below. Upwards, "
        "1 are above 0 and 0 below." in ax.get_label()
    )
    colors = {m.get_color() for m in ax.lines if m.get_linestyle() == "None"}
    assert len(colors) == 2
    assert not colors & set(looks.COLOR.values())


def test_correlation_is_said_within_each_series(ax):
    rows = pd.DataFrame(
        {"who": list("aaabbb"), "x": [0, 1, 2, 10, 11, 12], "y": [2, 1, 0, 9, 8, 7]}
    )
    assert rows["x"].corr(rows["y"]) > 0.9
    said = scatter(ax, rows, "x", "y", series="who").get_label()
    assert "A: the two correlate at -1." in said
    assert "B: the two correlate at -1." in said


@pytest.mark.parametrize(
    ("change", "more", "message"),
    [
        ({"mean": np.nan}, {}, "finite in mean"),
        ({}, {"series": "data"}, "must have a column data"),
        ({}, {"limits": ((1, 0), (0, 1))}, "limits must be two rising pairs"),
        ({}, {"symlog": 0.0}, "symlog must exceed 0, got 0"),
        ({"predicted": -0.1}, {"log": True}, "must be above 0 on logarithmic axes, got -0.1"),
    ],
)
def test_wrong_points_are_refused(ax, change, more, message):
    if more.pop("log", False):
        ax.set(xscale="log", yscale="log")
    table = TABLE.assign(**{"predicted": 0.7} | change)
    with pytest.raises(ValueError, match=message):
        scatter(ax, table, **more)


def test_one_point_is_drawn(ax):
    lone = pd.DataFrame({"n_pool": [5], "role": "weak", "mean": 0.5, "low": 0.4, "high": 0.6})
    plots.curves(ax, lone, "n_pool", "accuracy", direct=True)
    assert "Weak is 0.5 (0.4 to 0.6) at 5." in explore.figure(ax.figure).words
    two = looks.axes()
    scatter(two, lone, "n_pool", "mean", line="equal")
    assert "1 points" in explore.figure(two.figure).words
