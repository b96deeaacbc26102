"""Dots, cells, counts and the surface: what they draw and say, and what they refuse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from w2s_tutorial.figures import grids, looks


@pytest.fixture
def ax():
    return looks.axes()


def by_group():
    rows = [
        (group, role, mean, mean - 0.02, mean + 0.02)
        for role in ("student", "weak")
        for group, mean in ((0, 0.6), (1, 0.7))
    ]
    table = pd.DataFrame(rows, columns=["group", "role", "mean", "low", "high"])
    lost = (table["role"] == "weak") & (table["group"] == 0)
    table.loc[lost, ["mean", "low", "high"]] = np.nan
    return table


def drawn(ax):
    return [m for m in ax.lines if m.get_linestyle() == "None" and m.get_marker() != "|"]


def test_an_empty_group_is_marked_not_drawn_as_zero(ax):
    names = {0: "land", 1: "water"}
    more = {"series": "role", "names": names, "levels": {"chance": 0.5}}
    assert grids.dots(ax, by_group(), "accuracy", rows="group", **more) is ax
    assert ax.get_label() == (
        "Accuracy. A line marks chance at 0.5. Land: weak empty, student 0.6 (0.58 to 0.62). "
        "Water: weak 0.7 (0.68 to 0.72), student 0.7 (0.68 to 0.72)."
    )
    points = [(m.get_color(), *m.get_xydata()[0].round(2).tolist()) for m in drawn(ax)]
    weak, student = looks.COLOR["weak"], looks.COLOR["student"]
    assert points == [(student, 0.6, 0.27), (weak, 0.7, 0.73), (student, 0.7, 1.27)]
    (empty,) = ax.texts
    assert empty.get_text() == "empty"
    assert empty.get_position()[1] == pytest.approx(-0.27)
    assert [t.get_text() for t in ax.get_yticklabels()] == ["land", "water"]
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "the first row is on top"


def pairs():
    rows = [
        (method, net, gain, gain - 2, gain + 2)
        for method, gains in (("b", (-5, -1, 10, 3, 4)), ("a", (5, 1, 3, 7, 9)))
        for net, gain in zip(("cnn", "cnn", "mae", "mae", "mae"), gains, strict=True)
    ]
    return pd.DataFrame(rows, columns=["method", "student", "mean", "low", "high"])


def test_many_entries_are_all_drawn_and_counted(ax):
    more = {"rows": "method", "levels": {"vanilla": 0.0}, "middle": True}
    grids.dots(ax, pairs(), "gain, points", **more)
    assert ax.get_label() == (
        "Gain, points. A line marks vanilla at 0. "
        "B: median 3, -5 to 10, above vanilla in 3 and below in 1 of 5. "
        "A: median 5, 1 to 9, above vanilla in 4 and below in 0 of 5."
    )
    assert sorted(m.get_xdata()[0] for m in drawn(ax)) == sorted(pairs()["mean"])
    assert {m.get_color() for m in drawn(ax)} == {"black"}, "the sign has no colour"


def test_series_have_their_own_mark_and_faint_results_stand_behind(ax):
    table = pairs().groupby(["method", "student"], as_index=False).mean()
    grids.dots(ax, table, "gain", rows="method", series="student", faint=pairs())
    (faint,) = (m for m in ax.lines if m.get_marker() == "|")
    assert faint.get_color() == looks.GREY
    assert len(faint.get_xdata()) == 10
    assert [t.get_text() for t in ax.get_legend().get_texts()] == ["cnn", "mae"]
    assert len({(m.get_color(), m.get_marker()) for m in drawn(ax)}) == 2
    assert "A: cnn 3 (1 to 5), mae 6.33 (4.33 to 8.33)." in ax.get_label()


MIXTURES = pd.DataFrame(
    {
        "x": [0.05, 0.05, 0.5, 0.5],
        "y": [0.05, 0.5, 0.05, 0.5],
        "mean": [15.0, 5.0, -4.0, 0.3],
        "low": [14.0, 4.5, -5.0, -0.2],
        "high": [16.0, 5.5, -3.0, 0.8],
    }
)
WORDS = {"x_label": "labelled", "y_label": "pool", "limit": 20}


def test_every_pair_of_settings_has_its_number_and_the_tint_of_its_sign(ax):
    grids.cells(ax, MIXTURES, "x", "y", "gain", between=("student", "weak"), **WORDS)
    shown = {text.get_position(): text.get_text() for text in ax.texts}
    assert shown[0, 0] == "+15.0\n± 1.0"
    assert shown[1, 0] == "-4.0\n± 1.0", "x goes to the right, y up"
    tints = {
        tuple(np.round(p.get_xy(), 2)): (to_hex(p.get_facecolor()).upper(), p.get_alpha())
        for p in ax.patches
    }
    assert tints[-0.48, -0.48] == (looks.COLOR["student"], pytest.approx(0.45))
    assert tints[0.52, -0.48] == (looks.COLOR["weak"], pytest.approx(0.12))
    assert tints[0.52, 0.52][1] == 0, "an interval that holds 0 stays white"
    assert ax.get_label() == (
        "Gain: above 0 in 2 and below 0 in 1 of 4 cells. Highest, 15 (14 to 16), at labelled 0.05 "
        "and pool 0.05. Lowest, -4 (-5 to -3), at labelled 0.5 and pool 0.05."
    )


def test_cells_without_intervals_and_without_roles(ax):
    grids.cells(ax, MIXTURES.drop(columns=["low", "high"]), "x", "y", "gain", **WORDS)
    assert {text.get_text() for text in ax.texts} == {"+15.0", "+5.0", "-4.0", "+0.3"}
    colors = {to_hex(p.get_facecolor()).upper() for p in ax.patches}
    assert colors == {looks.MORE, looks.LESS}
    assert "Highest, 15, at labelled 0.05 and pool 0.05." in ax.get_label()


def heights(ax):
    return [p.get_data() for p in ax.patches if hasattr(p, "get_data")]


def test_no_bin_straddles_zero(ax):
    """A value just above 0 beside the lowest one far below it: the shaded part holds the latter."""
    values = {"one": [0.001, 0.002, 1e-12, -1e-12], "other": [-0.0371, 0.03, 0.04]}
    grids.counts(ax, values, "gain", of="problems", below="gain below misfit")
    for data in heights(ax):
        assert 0.0 in data.edges.tolist()
    first, second = heights(ax)
    below = first.edges[:-1] < 0
    assert first.values[below].sum() == 0
    assert first.values.sum() == 4
    assert second.values[below].sum() == 1
    assert second.values.sum() == 3
    shade = next(p for p in ax.patches if p.get_alpha() == 0.07)
    assert shade.get_x() + shade.get_width() == pytest.approx(0)
    assert "One: 0 of 4 below 0" in ax.get_label()
    assert "Other: 1 of 3 below 0, the lowest -0.037" in ax.get_label()


@pytest.mark.parametrize("values", [[0.5, 0.7], [-0.5, -0.1], [0.0], [3.0, 3.0]])
def test_every_value_is_counted_and_zero_is_an_edge(ax, values):
    grids.counts(ax, {"one": values}, "gain", of="problems", below="lost")
    (data,) = heights(ax)
    assert data.values.sum() == len(values)
    assert 0.0 in data.edges.tolist()
    assert len(ax.texts) == (min(values) < 0), "nothing is shaded where nothing is below 0"


SHARES = np.linspace(0, 0.5, 6)


def gain(worst=-2.0):
    """Best on the diagonal, losing to the lower right."""
    labeled, pool = np.meshgrid(SHARES, SHARES, indexing="ij")
    return 0.9 - (0.9 - worst) * np.clip(labeled - pool, 0, None) / 0.5 - 0.2 * (pool > labeled)


def test_surface_says_where_the_student_loses_and_marks_the_best_pool(ax):
    grids.gain_surface(ax, SHARES, SHARES, gain())
    assert "between -200 and 90 percent" in ax.get_label()
    assert "worst at labelled share 0.5 and pool share 0" in ax.get_label()
    assert f"loses on {100 * 10 / 36:.3g} percent" in ax.get_label()
    best = next(line for line in ax.lines if line.get_label() == "best pool")
    np.testing.assert_allclose(best.get_ydata(), SHARES)
    level = next(text for text in ax.texts if text.get_text() == "0")  # the boundary is labelled
    x, y = level.get_position()
    assert x > y, "the lowest value stands at the right below, not at the left above"


def test_surface_without_a_boundary_draws_none(ax):
    grids.gain_surface(ax, SHARES, SHARES, gain(worst=0.3))
    assert "loses on 0 percent" in ax.get_label()
    assert "0" not in [text.get_text() for text in ax.texts]


def dots(**more):
    return lambda ax: grids.dots(ax, by_group(), "accuracy", rows="group", **more)


def cells(table, **more):
    return lambda ax: grids.cells(ax, table, "x", "y", "gain", **WORDS | more)


def counts(values):
    return lambda ax: grids.counts(ax, values, "gain", of="problems", below="lost")


TWICE = pd.concat([by_group(), by_group()])
REFUSED = {
    "name": (dots(names={0: "land"}), r"names must name every row of the table, lacks \[1\]"),
    "column": (dots(series="net"), "must have a column net"),
    "level": (dots(levels={"chance": np.inf}), "levels must be finite"),
    "faint": (dots(faint=by_group()), "faint must be finite in mean"),
    "twice": (
        lambda ax: grids.dots(ax, TWICE, "a", rows="group", series="role"),
        "1 row per group and role",
    ),
    "pairs": (cells(MIXTURES[:3]), "table must have 4 pairs, got 3"),
    "limit": (cells(MIXTURES, limit=0), "limit must exceed 0, got 0"),
    "nan": (cells(MIXTURES.assign(low=np.nan)), "finite in low"),
    "none": (counts({}), "1 to 4 names, got 0"),
    "infinite": (counts({"a": [np.inf]}), "finite and not empty, a is not"),
    "empty": (counts({"a": []}), "finite and not empty, a is not"),
    "shape": (
        lambda ax: grids.gain_surface(ax, SHARES, SHARES, gain()[:, :5]),
        r"gain must be \(6, 6\), got shape \(6, 5\)",
    ),
    "above 1": (
        lambda ax: grids.gain_surface(ax, SHARES, SHARES, gain() + 1),
        "gain must be finite, at most 1",
    ),
    "a line": (
        lambda ax: grids.gain_surface(ax, SHARES[:1], SHARES, gain()[:1]),
        r"\(2, 2\) at least",
    ),
}


@pytest.mark.parametrize(("draw", "message"), REFUSED.values(), ids=REFUSED)
def test_what_would_be_shown_wrongly_is_refused(ax, draw, message):
    with pytest.raises(ValueError, match=message):
        draw(ax)
