"""Figures for the page: accessible, light or dark, and with a slider that needs no kernel.

A matplotlib figure becomes one inline SVG whose alternative text is what its axes say of
themselves (`ax.set_label`). Black turns into the ink of the page and white into its paper, so
the same figure serves both themes; text is text in the font of the page. The result is plain
HTML: it works in the built book, in JupyterLab and on Colab, from a file and without network.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from w2s_tutorial.figures._svg import Output, inline_svg, without_panel

SIZE_LIMIT = 1_000_000  # bytes of one output
_CSS_PIXELS_PER_INCH = 96  # so that 12 points are 16 CSS pixels, the size of the text around
_STYLE = (
    f"<style>{without_panel('.w2s-figure')}"
    ".w2s-figure{margin:.5rem auto;position:relative}"
    ".w2s-figure svg{display:block;width:100%;height:auto}"
    ".w2s-figure figcaption{color:inherit;font:inherit;font-size:.9rem;text-align:left}"
    ".w2s-slider label{display:block}"
    ".w2s-slider input{display:block;width:100%;height:2rem;margin:0;accent-color:#0072B2}"
    # Words for screen readers: the picture and its caption say the same to the eye.
    ".w2s-slider output{position:absolute;width:1px;height:1px;overflow:hidden;"
    "clip-path:inset(50%)}"
    "</style>"
)
# An attribute, not a script: it finds its own slider however often the output is copied.
_ON_INPUT = """
const root = this.closest('.w2s-slider');
const frames = [...root.querySelectorAll('.w2s-frame')];
frames.forEach((frame, i) => { frame.hidden = i !== this.valueAsNumber; });
const shown = frames[this.valueAsNumber];
this.setAttribute('aria-valuetext', shown.dataset.value);
root.querySelector('b').textContent = shown.dataset.value;
root.querySelector('output').textContent =
  shown.querySelector('svg').getAttribute('aria-label');
"""


def figure(
    fig: Figure, *, alt: str | None = None, caption: str | None = None, width: int | None = None
) -> Output:
    """The figure as inline SVG with its finding as alternative text; closes the figure.

    Everything black becomes the text colour of the page, every white area its background.
    A figure without layout engine gets the constrained one.

    Args:
        alt: the finding in words. Default: the labels of the axes.
        caption: shown below the figure.
        width: CSS pixels on a wide page. Default: 96 per inch. Never wider than the column.

    Raises:
        ValueError: if the axes carry no finding, or if the output exceeds SIZE_LIMIT bytes.
    """
    words = _finding(fig) if alt is None else alt
    _check_words(alt=words, **({} if caption is None else {"caption": caption}))
    if width is not None and width <= 0:
        raise ValueError(f"width must exceed 0, got {width}")
    below = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    html = f"{_open(fig, width)}{inline_svg(fig, words)}{below}</figure>"
    plt.close(fig)
    return _within_limit(Output(html, words))


def slider(
    frames: Sequence[Figure],
    values: Sequence[float | str],
    *,
    label: str,
    caption: str,
    start: int | None = None,
    same_limits: bool = True,
) -> Output:
    """The frames behind a slider: a native range input, one visible frame; closes the figures.

    Without JavaScript the page shows the first visible frame and its value.

    Args:
        frames: figures whose axes carry their finding, see `figure`.
        values: what changes from frame to frame, one value each.
        label: what the values are, in words.
        caption: shown below the frames.
        start: index of the frame that is visible first. Default: the middle one.
        same_limits: refuse frames whose axes differ in limits, which would hide the change.

    Raises:
        ValueError: if there are fewer than 2 frames, lengths, sizes or limits differ, start is
            no index, words are missing, or the output exceeds SIZE_LIMIT bytes.
    """
    if len(frames) < 2 or len(values) != len(frames):
        raise ValueError(
            f"slider needs at least 2 frames and as many values, "
            f"got {len(frames)} frames and {len(values)} values"
        )
    start = len(frames) // 2 if start is None else start
    if not 0 <= start < len(frames):
        raise ValueError(f"start must lie in 0..{len(frames) - 1}, got {start}")
    _check_words(label=label, caption=caption)
    _check_alike(frames, same_limits)
    shown = [escape(v if isinstance(v, str) else f"{v:,.6g}") for v in values]
    words = [_finding(frame) for frame in frames]
    opening = _open(frames[0], None, "w2s-slider")
    pictures = "".join(
        f'<div class="w2s-frame" data-value="{value}"{"" if i == start else " hidden"}>'
        f"{inline_svg(frame, said, copy=i + 1)}</div>"
        for i, (frame, value, said) in enumerate(zip(frames, shown, words, strict=True))
    )
    for frame in frames:
        plt.close(frame)
    return _within_limit(
        Output(
            f"{opening}<noscript><style>.w2s-slider input[type]{{display:none}}</style></noscript>"
            f'<label>{escape(label)}: <b aria-hidden="true">{shown[start]}</b>'
            f'<input type="range" min="0" max="{len(frames) - 1}" step="1" value="{start}"'
            f' aria-valuetext="{shown[start]}" autocomplete="off"'
            f' oninput="{escape(" ".join(_ON_INPUT.split()))}"></label>{pictures}'
            f'<output aria-live="polite">{escape(words[start])}</output>'
            f"<figcaption>{escape(caption)}</figcaption></figure>",
            f"{label} = {shown[start]}: {words[start]}",
        )
    )


def _open(fig: Figure, width: int | None, kind: str = "") -> str:
    width = round(fig.get_figwidth() * _CSS_PIXELS_PER_INCH) if width is None else width
    return f'<figure class="w2s-figure {kind}" style="max-width:{width}px">{_STYLE}'


def _finding(fig: Figure) -> str:
    labels = [
        str(ax.get_label())
        for ax in fig.axes
        if ax.get_visible() and ax.get_label() != "<colorbar>"
    ]
    for i, label in enumerate(labels):
        # Matplotlib itself puts one-word labels on axes, such as the keys of a mosaic.
        if len(label.split()) < 4:
            raise ValueError(
                f"axes {i} of the figure must say what they show in at least 4 words by "
                f"ax.set_label(...), got {label!r}"
            )
    return " ".join(labels)


def _check_words(**texts: str) -> None:
    for name, text in texts.items():
        if not text.strip():
            raise ValueError(f"{name} must hold at least 1 word, got {text!r}")


def _check_alike(frames: Sequence[Figure], same_limits: bool) -> None:
    first = frames[0]
    for i, frame in enumerate(frames):
        if tuple(frame.get_size_inches()) != tuple(first.get_size_inches()):
            raise ValueError(
                f"frames must have the same size, got {first.get_size_inches()} inches for frame 0 "
                f"and {frame.get_size_inches()} for frame {i}"
            )
        limits, expected = (
            [(*ax.get_xlim(), *ax.get_ylim()) for ax in f.axes] for f in (frame, first)
        )
        if same_limits and limits != expected:
            raise ValueError(
                f"frames must share the limits of their axes unless same_limits=False, "
                f"got {expected} for frame 0 and {limits} for frame {i}"
            )


def _within_limit(output: Output) -> Output:
    size = len(output.html.encode())
    if size > SIZE_LIMIT:
        raise ValueError(f"output must not exceed {SIZE_LIMIT:,} bytes, got {size:,}")
    return output
