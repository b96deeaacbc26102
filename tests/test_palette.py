"""The four roles can be told apart on every page, also without seeing colour."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from w2s_tutorial.figures import explore, grids, looks, pictures, plots, scenes

PAGES = {"white": "#ffffff", "dark": "#14181e", "dark book": "#121212"}


def luminance(color):
    """Relative luminance of WCAG 2.2."""
    srgb = np.array(to_rgb(color))
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def contrast(one, other):
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_role_colours_stand_out_from_the_page(page):
    assert all(contrast(looks.COLOR[role], page) >= 3 for role in looks.ROLES)


def test_the_contrast_check_can_fail():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#F0E442", PAGES["white"]) < 3  # yellow
    assert contrast("#3b4252", PAGES["dark"]) < 3  # slate


def test_roles_differ_in_colour_and_in_marker():
    assert set(looks.COLOR) == set(looks.MARKER) == set(looks.ROLES)
    assert len(set(looks.COLOR.values())) == len(set(looks.MARKER.values())) == 4


@pytest.mark.parametrize("color", [looks.GREY, looks.MORE, looks.LESS])
@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_other_inks_stand_out_and_are_no_role(color, page):
    assert contrast(color, page) >= 3
    assert color not in looks.COLOR.values()


HOSTILE = {
    "text.color": "white",
    "axes.labelcolor": "white",
    "axes.edgecolor": "white",
    "xtick.color": "white",
    "ytick.color": "white",
    "axes.facecolor": "black",
    "figure.facecolor": "black",
    "axes.grid": True,
    "grid.color": "red",
    "text.usetex": True,
    "font.size": 30,
    "lines.linewidth": 9,
    "axes.spines.left": False,
    "savefig.facecolor": "red",
    "svg.fonttype": "path",
}


def drawn() -> list[str]:
    """Every kind of drawing, on axes and panels of our own."""
    table = pd.DataFrame(
        {"x": [1, 2] * 2, "role": ["weak"] * 2 + ["dice"] * 2, "mean": [0.4, 0.5, 0.6, 0.7]}
    )
    table = table.assign(low=table["mean"] - 0.1, high=table["mean"] + 0.1)
    one, two = looks.panels(["left", "right"])
    plots.curves(one, table, "x", "accuracy", levels={"chance": 0.5}, direct=True)
    plots.curves(two, table, "x", "accuracy")
    words = {"x_label": "across", "y_label": "up"}
    made = [
        one,
        plots.scatter(looks.axes(), table, "x", "mean", zero=True, series="role", **words),
        grids.dots(looks.axes(), table, "accuracy", rows="x", series="role", middle=True),
        grids.cells(
            looks.axes(), table.assign(y=table.index // 2), "x", "y", "gain", limit=1, **words
        ),
        grids.counts(looks.axes(), {"a": [-1.0, 2]}, "gain", of="tasks", below="lost"),
        grids.gain_surface(looks.axes(), [0, 0.5], [0, 0.5], [[0.9, 0.5], [-0.5, 0.9]]),
        pictures.four_roles(looks.axes()),
        pictures.image_grid(looks.axes(), np.ones((1, 2, 2)), ["white"]),
        scenes.herd(looks.axes(), [("pool", 3)]),
        scenes.projection(looks.axes(), 60),
        scenes.canonical_angle(looks.axes(), 60, [1.0]),
        scenes.kept_points(looks.axes(), [1, 2], [1, 2], [True, False], [True, False], [True] * 2),
    ]
    return [explore.figure(ax.figure).html for ax in made]


def test_no_style_of_the_reader_changes_a_figure():
    usual = drawn()
    with mpl.rc_context(HOSTILE):
        before = dict(mpl.rcParams)
        changed = drawn()
        assert dict(mpl.rcParams) == before, "the reader's style comes back"
    assert changed == usual
    with mpl.rc_context({"text.color": "white", "axes.grid": True}):
        own = plt.figure().add_subplot()  # axes that the reader made show that the styles bite
        own.set_title("mine")
        own.set_label("axes of the reader's own making")
        assert "#ffffff" in explore.figure(own.figure).html
