"""What the molecules' plot draws and says."""

import matplotlib.pyplot as plt
import pandas as pd
import pytest

from w2s_tutorial.figures.plots_molecules import gain_against_misfit


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


def table() -> pd.DataFrame:
    rows = [
        ("ESOL", 0.3, 0.25, 0.2, 0.31),
        ("ESOL", 0.1, 0.02, 0.0, 0.05),
        ("FreeSolv", 0.2, -0.1, -0.2, 0.0),
    ]
    return pd.DataFrame(rows, columns=["data", "misfit", "mean", "low", "high"])


def test_points_lie_where_the_table_says(ax):
    gain_against_misfit(ax, table(), "data")
    identity, _, esol, freesolv = (line.get_xydata().tolist() for line in ax.lines)
    assert all(x == y for x, y in identity)
    assert identity[1][0] > 0.31
    assert esol == [[0.1, 0.02], [0.3, 0.25]]
    assert freesolv == [[0.2, -0.1]]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "gain = misfit",
        "ESOL",
        "FreeSolv",
    ]


def test_the_words_count_what_the_line_meets(ax):
    said = gain_against_misfit(ax, table(), "data").get_label()
    assert "ESOL: misfits from 0.1 to 0.3; 1 of 2 intervals of the gain contain" in said
    assert "FreeSolv: misfits from 0.2 to 0.2; 0 of 1 intervals" in said
    assert said.endswith("contain the misfit, 1 lie below it.")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop(columns="misfit"), "must have columns"),
        (lambda t: t.drop(columns="data"), "must have a column data"),
        (lambda t: t.assign(mean=float("nan")), "must be finite in mean"),
        (lambda t: pd.concat([t, t, t.assign(data=[1, 2, 3])]), "at most, got 5"),
    ],
)
def test_wrong_tables_are_refused(ax, change, message):
    with pytest.raises(ValueError, match=message):
        gain_against_misfit(ax, change(table()), "data")
