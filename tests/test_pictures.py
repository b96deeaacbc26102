"""The picture says who is trained on what; the contact sheet shows the images unchanged."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from matplotlib.colors import to_rgba

from w2s_tutorial.figures import looks, pictures


@pytest.fixture
def ax():
    fig, ax = plt.subplots()
    yield ax
    plt.close(fig)


def at_height(ax, role):
    """Words of the picture in a role's row, from left to right."""
    (name,) = (t for t in ax.texts if t.get_text() == role)
    row = [t for t in ax.texts if abs(t.get_position()[1] - name.get_position()[1]) < 9]
    row.sort(key=lambda t: (t.get_position()[0] > 65, -t.get_position()[1]))
    return [t.get_text() for t in row if t.get_position()[0] > 30]


@pytest.mark.parametrize(
    ("role", "labels", "features"),
    [
        ("baseline", "true labels", "strong features"),
        ("weak", "true labels", "weak features"),
        ("student", "weak’s labels", "strong features"),
        ("ceiling", "true labels", "strong features"),
    ],
)
def test_each_role_has_its_labels_and_features(ax, role, labels, features):
    assert pictures.four_roles(ax) is ax
    assert at_height(ax, role) == [labels, role, features]
    markers = {(m.get_color(), m.get_marker()) for m in ax.lines}
    assert (looks.COLOR[role], looks.MARKER[role]) in markers


def filled(ax):
    return [p.get_facecolor() for p in ax.patches if p.get_facecolor()[3] > 0.2]


@pytest.mark.parametrize("role", looks.ROLES)
def test_only_the_highlighted_role_is_filled(ax, role):
    pictures.four_roles(ax, highlight=role)
    (fill,) = filled(ax)
    assert fill[:3] == to_rgba(looks.COLOR[role])[:3]
    assert ax.get_label().endswith(f"Highlighted: {role}.")


def test_without_highlight_no_role_is_filled(ax):
    pictures.four_roles(ax)
    assert filled(ax) == []
    assert "Highlighted" not in ax.get_label()


def test_an_unknown_role_is_refused(ax):
    with pytest.raises(ValueError, match="highlight must be one of weak, student, baseline, "):
        pictures.four_roles(ax, highlight="teacher")


@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_shown_as_they_are(ax, channels):
    images = torch.rand(5, channels, 4, 6, generator=torch.Generator().manual_seed(0))
    assert pictures.image_grid(ax, images, list("abcde"), columns=3) is ax
    assert len(ax.images) == 5
    for shown, image in zip(ax.images, images, strict=True):
        np.testing.assert_allclose(
            np.asarray(shown.get_array()), image.expand(3, 4, 6).permute(1, 2, 0), atol=1e-7
        )
        left, right, bottom, top = shown.get_extent()
        assert (right - left) / (top - bottom) == pytest.approx(6 / 4)
    corners = [tuple(shown.get_extent()) for shown in ax.images]
    assert len(set(corners)) == 5
    assert [t.get_text() for t in ax.texts] == list("abcde")
    assert ax.get_label() == "5 images in rows of 3: a, b, c, d, e."


@pytest.mark.parametrize(
    ("images", "titles", "message"),
    [
        (np.zeros((2, 4, 3, 3)), "ab", r"\(n, 1 or 3, height, width\), got \(2, 4, 3, 3\)"),
        (np.zeros((0, 3, 3)), "", r"got \(0, 3, 3\)"),
        (np.full((1, 3, 3), 255), "a", r"must lie in \[0, 1\], got 255.0 to 255.0"),
        (np.full((1, 3, 3), np.nan), "a", r"must lie in \[0, 1\], got nan to nan"),
        (np.zeros((2, 3, 3)), "a", "got 1 titles, 2 images, 4 columns"),
    ],
)
def test_wrong_images_are_refused(ax, images, titles, message):
    with pytest.raises(ValueError, match=message):
        pictures.image_grid(ax, images, list(titles))
