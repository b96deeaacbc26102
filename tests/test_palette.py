"""The four roles can be told apart on every page, also without seeing colour."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from w2s_tutorial.figures import plots

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
    assert all(contrast(plots.COLOR[role], page) >= 3 for role in plots.ROLES)


def test_the_contrast_check_can_fail():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    assert contrast("#F0E442", PAGES["white"]) < 3  # yellow
    assert contrast("#3b4252", PAGES["dark"]) < 3  # slate


def test_roles_differ_in_colour_and_in_marker():
    assert set(plots.COLOR) == set(plots.MARKER) == set(plots.ROLES)
    assert len(set(plots.COLOR.values())) == len(set(plots.MARKER.values())) == 4
