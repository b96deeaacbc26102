"""The figures show what the table says, in marks and in words."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb

from w2s_tutorial.figures import plots


@pytest.fixture
def ax():
    before = dict(mpl.rcParams)
    fig, ax = plt.subplots(figsize=(6, 4))
    yield ax
    plt.close(fig)
    assert dict(mpl.rcParams) == before


def course(role, means, x="n_pool", settings=(50, 100, 400), half=0.02):
    return pd.DataFrame(
        {
            x: settings,
            "role": role,
            "mean": means,
            "low": np.array(means) - half,
            "high": np.array(means) + half,
            "heads": 32,
        }
    )


TABLE = pd.concat(
    [course("student", [0.71, 0.75, 0.82]), course("weak", [0.7, 0.7, 0.7])], ignore_index=True
)
THEORY = pd.DataFrame({"n_pool": [50, 400], "student": [0.7, 0.83]})


def lines(ax, color):
    """Lines of a colour by whether they are points: (points, lines)."""
    mine = [line for line in ax.lines if line.get_color() == color]
    return [m for m in mine if m.get_marker() != "None"], [
        m for m in mine if m.get_marker() == "None"
    ]


def test_points_and_intervals_are_the_table(ax):
    assert plots.roles_against(ax, TABLE, "n_pool", "accuracy", theory=THEORY, chance=0.5) is ax
    rows = TABLE[TABLE["role"] == "student"]
    (points,), (theory,) = lines(ax, plots.COLOR["student"])
    np.testing.assert_array_equal(points.get_xydata(), rows[["n_pool", "mean"]])
    np.testing.assert_array_equal(theory.get_xydata(), THEORY)
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
    assert ax.lines[0] is theory
    (chance,) = (m for m in ax.lines if m.get_label() == "chance")
    assert set(chance.get_ydata()) == {0.5}
    legend = [t.get_text() for t in ax.get_legend().get_texts()]
    assert legend == ["weak", "student", "theory", "chance"]


def test_theory_without_a_measurement_has_a_key(ax):
    plots.roles_against(ax, TABLE, "n_pool", "accuracy", theory=THEORY.assign(ceiling=0.9))
    legend = [t.get_text() for t in ax.get_legend().get_texts()]
    assert legend == ["ceiling", "weak", "student", "theory"]


def test_the_label_states_the_finding_from_the_table(ax):
    plots.roles_against(
        ax, TABLE, "n_pool", "accuracy", x_label="pool size", theory=THEORY, chance=0.5
    )
    assert ax.get_label() == (
        "Accuracy against pool size. Weak goes from 0.7 (0.68 to 0.72) at 50 to 0.7 (0.68 to 0.72) "
        "at 400. Student rises from 0.71 (0.69 to 0.73) at 50 to 0.82 (0.8 to 0.84) at 400. "
        "Lines show theory for student. Chance is 0.5."
    )


def test_a_single_head_has_no_interval(ax):
    lone = TABLE.assign(low=np.nan, high=np.nan)
    plots.roles_against(ax, lone, "n_pool", "accuracy")
    assert "Student rises from 0.71 at 50 to 0.82 at 400." in ax.get_label()


def test_logarithmic_ticks_stand_at_the_settings(ax):
    ax.set_xscale("log")
    plots.roles_against(ax, TABLE.assign(n_pool=TABLE["n_pool"] * 10), "n_pool", "accuracy")
    assert [t.get_text() for t in ax.get_xticklabels()] == ["500", "1,000", "4,000"]
    assert len(ax.get_xticks(minor=True)) == 0


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_predictions_meet_the_identity_line(ax, scale):
    table = TABLE.assign(predicted=[0.72, 0.75, 0.9, 0.7, 0.75, 0.69])
    ax.set(xscale=scale, yscale=scale)
    assert plots.predicted_against_measured(ax, table, "risk") is ax
    (identity,) = (m for m in ax.lines if m.get_label() == "measured = predicted")
    np.testing.assert_array_equal(identity.get_xdata(), identity.get_ydata())
    np.testing.assert_array_equal(ax.get_xlim(), identity.get_xdata())
    assert ax.get_xlim() == ax.get_ylim()
    assert ax.get_aspect() == 1
    assert identity.get_zorder() < min(m.get_zorder() for m in ax.lines if m is not identity)
    assert ax.get_label() == (
        "Measured against predicted risk for weak, student, with the identity line. 4 of 6 "
        "intervals contain the prediction. Farthest from it is student: predicted 0.9, measured "
        "0.82 (0.8 to 0.84)."
    )


def group_table():
    table = pd.concat([course(r, [0.6, 0.7], "group", (0, 1)) for r in ("weak", "student")])
    table.loc[(table["role"] == "weak") & (table["group"] == 0), ["mean", "low", "high"]] = np.nan
    return table.reset_index(drop=True)


def test_an_empty_group_is_marked_not_drawn_as_zero(ax):
    plots.group_bars(ax, group_table(), names={0: "land", 1: "water"})
    assert ax.get_label() == (
        "Accuracy by group. Land: weak empty, student 0.6 (0.58 to 0.62). "
        "Water: weak 0.7 (0.68 to 0.72), student 0.7 (0.68 to 0.72)."
    )
    heights = [bar.get_height() for bar in ax.patches]
    np.testing.assert_array_equal(heights, [np.nan, 0.7, 0.6, 0.7])
    (empty,) = (t for t in ax.texts if "empty" in t.get_text())
    missing = ax.patches[0]
    assert empty.get_position()[0] == pytest.approx(missing.get_x() + missing.get_width() / 2)
    assert ax.get_xlim()[0] < missing.get_x()


def test_a_full_table_has_no_mark(ax):
    plots.group_bars(ax, group_table().fillna(0.5))
    assert not ax.texts


BROKEN = {
    "columns": (TABLE.drop(columns="low"), r"must have columns \['low'\]"),
    "empty": (TABLE.iloc[:0], "at least 1 row, got 0"),
    "twice": (pd.concat([TABLE, TABLE.iloc[:1]]), "1 row per n_pool and role, got several for"),
    "role": (TABLE.replace("weak", "teacher"), "role must be one of weak, .*, got teacher"),
    "nan": (TABLE.assign(mean=np.nan), "must be finite in mean, got nan"),
    "infinite": (TABLE.assign(high=np.inf), "must be finite in high, got inf"),
    "words": (TABLE.assign(n_pool="many"), "must hold numbers in n_pool"),
    "crossed": (TABLE.assign(low=0.9), "low must not exceed high, got low 0.9 and high 0.73"),
}


@pytest.mark.parametrize(("table", "message"), BROKEN.values(), ids=BROKEN)
def test_a_wrong_table_is_refused(ax, table, message):
    with pytest.raises(ValueError, match=message):
        plots.roles_against(ax, table, "n_pool", "accuracy")


def test_other_wrong_arguments_are_refused(ax):
    with pytest.raises(ValueError, match="theory must have columns"):
        plots.roles_against(ax, TABLE, "n_pool", "accuracy", theory=THEORY[["n_pool"]])
    with pytest.raises(ValueError, match="chance must be finite, got nan"):
        plots.roles_against(ax, TABLE, "n_pool", "accuracy", chance=np.nan)
    with pytest.raises(ValueError, match=r"names must name every group of the table, lacks \[1\]"):
        plots.group_bars(ax, group_table(), names={0: "land"})
    ax.set(xscale="log", yscale="log")
    with pytest.raises(ValueError, match="must be above 0 on logarithmic axes"):
        plots.predicted_against_measured(ax, TABLE.assign(predicted=-0.1), "risk")
