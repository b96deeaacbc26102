"""A figure becomes accessible inline SVG that fits any page, and always the same one."""

import re
from xml.etree import ElementTree

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pytest
from figure_page import KINDS, against, images, roles, table

from w2s_tutorial.figures import _svg, explore, looks


def svg_of(output):
    (svg,) = re.findall(r"<svg.*?</svg>", output.html, re.DOTALL)
    return ElementTree.fromstring(svg)


def colours(svg):
    text = " ".join(" ".join(e.attrib.values()) for e in svg.iter() if e.tag != "image")
    return {c.lower() for c in re.findall(r"#[0-9a-fA-F]{6}\b|\bblack\b|\bwhite\b", text)}


@pytest.fixture(params=KINDS.values(), ids=KINDS)
def kind(request):
    return request.param


def test_the_svg_is_an_image_whose_name_is_the_finding(kind):
    fig = kind()
    finding = " ".join(ax.get_label() for ax in fig.axes)
    output = explore.figure(fig)
    svg = svg_of(output)
    assert svg.get("role") == "img"
    assert svg.get("aria-label") == finding == repr(output)
    assert len(finding.split()) > 10


def test_the_name_carries_the_numbers_of_the_table():
    name = svg_of(explore.figure(against())).get("aria-label")
    ends = table()[table()["n_pool"].isin([50, 400])]
    assert len(ends) == 8
    for _, row in ends.iterrows():
        assert f"{row['mean']:.3g} ({row['low']:.3g} to {row['high']:.3g})" in name


def test_nothing_but_the_palette_has_a_colour_of_its_own(kind):
    svg = svg_of(explore.figure(kind()))
    assert svg.get("fill") == "currentColor"
    assert colours(svg) <= {c.lower() for c in looks.COLOR.values()}
    texts = [e for e in svg.iter() if e.tag in ("text", "tspan")]
    assert texts
    assert not any("fill" in e.get("style", "") for e in texts)


def test_the_colour_check_can_fail():
    fig, ax = plt.subplots()
    ax.plot([0, 1], color="red")
    assert colours(svg_of(explore.figure(fig, alt="a red line"))) >= {"#ff0000"}


def test_black_and_white_are_the_ink_and_the_paper_of_the_page():
    fig, ax = plt.subplots()
    ax.plot([0, 1], color="black", marker="o", markerfacecolor="white")
    style = " ".join(e.get("style", "") for e in svg_of(explore.figure(fig, alt="a line")).iter())
    assert "stroke: currentColor" in style
    assert "fill: var(--pst-color-background" in style


def test_ids_are_unique_on_a_page_and_all_in_use():
    outputs = [explore.figure(make()) for make in KINDS.values()]
    outputs.append(
        explore.slider([roles(), roles(), roles()], ["a", "b", "c"], label="frame", caption="same")
    )
    html = "".join(o.html for o in outputs)
    ids = re.findall(r' id="([^"]+)"', html)
    assert len(ids) == len(set(ids)) > 10
    assert set(ids) == set(re.findall(r'(?:url\(|href=")#([^)"]+)', html))


@pytest.mark.parametrize("shared", [True, False])
def test_markers_say_their_style_once_where_that_draws_the_same(shared):
    fig, ax = plt.subplots()
    ax.plot(range(50), "o", color="#123456")
    svg = svg_of(explore.figure(fig, alt="fifty markers"))
    if not shared:  # as some backends write it: of the whole group it would be another picture
        svg = ElementTree.fromstring(AS_WRITTEN.format("opacity: 0.3"))
        _svg._share_style(svg)
    parent = max(svg.iter(), key=lambda e: len(e.findall("use")))
    styles = [use.get("style") for use in parent.findall("use")]
    assert len(styles) >= 2
    assert (set(styles) == {None}) == shared
    assert ("#123456" in parent.get("style", "")) == shared


AS_WRITTEN = "<g><use style='fill: #123456; {0}' /><use style='fill: #123456; {0}' /></g>"


def test_a_hatch_keeps_its_pattern():
    fig, ax = plt.subplots()
    ax.bar([0], [1], hatch="//", facecolor="white")
    svg = svg_of(explore.figure(fig, alt="a hatched bar"))
    (pattern,) = svg.iter("pattern")
    assert f"url(#{pattern.get('id')})" in " ".join(e.get("style", "") for e in svg.iter())
    assert colours(svg) == set()


def test_the_same_figure_gives_the_same_bytes(kind):
    assert explore.figure(kind()).html == explore.figure(kind()).html


def test_another_figure_gives_other_bytes():
    assert explore.figure(against()).html != explore.figure(against(0.01)).html


def test_no_page_wide_rules_scripts_or_addresses(kind):
    html = explore.figure(kind()).html
    assert "*{" not in html
    assert "<script" not in html
    assert "http" not in html


def test_text_stays_nine_pixels_tall_on_a_phone(kind):
    svg = svg_of(explore.figure(kind()))
    scale = 358 / float(svg.get("viewBox").split()[2])
    sizes = [
        float(s) for e in svg.iter() for s in re.findall(r"font-size: (\S+?)px", e.get("style", ""))
    ]
    assert sizes
    assert min(sizes) * scale > 9


def test_images_keep_their_pixels():
    embedded = [e for e in svg_of(explore.figure(images())).iter("image")]
    assert len(embedded) == 8
    assert all(e.get("href").startswith("data:image/png;base64,") for e in embedded)
    assert all((e.get("width"), e.get("height")) == ("8", "8") for e in embedded)
    assert all("pixelated" in e.get("style") for e in embedded)


def test_the_figure_is_closed_and_the_settings_stay():
    before = dict(mpl.rcParams)
    fig = against()
    explore.figure(fig)
    assert not plt.fignum_exists(fig.number)
    assert dict(mpl.rcParams) == before


def test_words_are_escaped():
    fig, ax = plt.subplots()
    ax.set_xlabel('a < b & "c"')
    html = explore.figure(fig, alt='1 < 2 & "so on"', caption="x < y").html
    assert 'aria-label="1 &lt; 2 &amp; &quot;so on&quot;"' in html
    assert "a &lt; b &amp; " in html
    assert "<figcaption>x &lt; y</figcaption>" in html


def test_a_figure_without_words_is_refused():
    fig, axes = plt.subplot_mosaic([["A", "B"]])
    axes["A"].set_label("Three points on a line.")
    with pytest.raises(ValueError, match=r"axes 1 .* at least 4 words .* got 'B'"):
        explore.figure(fig)
    with pytest.raises(ValueError, match="alt must hold at least 1 word, got ' '"):
        explore.figure(fig, alt=" ")
    with pytest.raises(ValueError, match="width must exceed 0, got 0"):
        explore.figure(fig, alt="two axes", width=0)
    plt.close(fig)


def test_an_output_above_the_limit_is_refused():
    fig, ax = plt.subplots()
    ax.plot(*np.random.default_rng(0).random((2, 60_000)), "o")
    with pytest.raises(ValueError, match=r"must not exceed 1,000,000 bytes, got [2-9],\d{3},\d{3}"):
        explore.figure(fig, alt="sixty thousand points")


def test_twelve_frames_stay_far_below_the_limit():
    frames = [against(i / 100) for i in range(12)]
    output = explore.slider(frames, range(12), label="shift", caption="Twelve frames.")
    assert len(output.html) < explore.SIZE_LIMIT / 3


def refused(message, frames=None, values=(1, 2), **options):
    options = {"label": "shift", "caption": "Two frames."} | options
    with pytest.raises(ValueError, match=message):
        explore.slider(frames or [against(), against(0.1)], values, **options)
    plt.close("all")


def test_wrong_sliders_are_refused():
    refused("at least 2 frames .* got 1 frames and 1 values", [against()], [1])
    refused("got 2 frames and 3 values", values=[1, 2, 3])
    refused(r"start must lie in 0\.\.1, got 2", start=2)
    refused("label must hold at least 1 word, got ''", label="")
    refused("frames must have the same size", [against(), roles()])
    other = against()
    other.axes[0].set_ylim(0, 1)
    refused("share the limits of their axes unless same_limits=False", [against(), other])


def test_other_limits_are_possible_on_request():
    other = against()
    other.axes[0].set_ylim(0, 1)
    frames = [against(), other]
    assert explore.slider(frames, [1, 2], label="a", caption="b", same_limits=False).html
