"""Predict, then run: a box that takes the reader's number before it shows the measured one.

Plain HTML, as in `explore`: it works in the built page without a kernel, in JupyterLab and on
Colab. In the built book a guess outlives the visit: it is kept in the reader's own browser, and
goes nowhere else.
"""

from __future__ import annotations

import hashlib
import math
from html import escape

from w2s_tutorial.figures._svg import Output, without_panel

_STYLE = (
    f"<style>{without_panel('.w2s-guess')}"
    ".w2s-guess{border-left:.25rem solid #0072B2;padding:.5rem .9rem;margin:.5rem 0}"
    ".w2s-guess label{display:block}.w2s-guess input{width:7rem;font:inherit;padding:.2rem}"
    ".w2s-guess button{font:inherit;padding:.2rem .8rem;margin:.3rem 0}"
    ".w2s-guess output{display:block;margin-top:.4rem}</style>"
)
_ON_SUBMIT = """
event.preventDefault();
const field = this.querySelector('input'), off = Math.abs(field.valueAsNumber - this.dataset.value);
const inside = off <= +this.dataset.half;
this.querySelector('output').textContent = 'You guessed ' + field.value + '. ' + this.dataset.answer
  + (inside ? ' You are inside the interval.' : ' You are off by ' + +off.toPrecision(2) + '.');
try { localStorage.setItem(this.dataset.key, field.value); } catch (refused) {}
"""


def guess(
    question: str,
    measured: float,
    *,
    half: float,
    predicted: float | None = None,
    digits: int = 2,
) -> Output:
    """A box that asks for a number, then shows what was measured beside it.

    Args:
        question: what to guess, with its unit; also the name under which the guess is kept.
        measured: the value, in the unit of the question.
        half: half of its 95 % interval, at least 0.
        predicted: what theory said, if it said something.
        digits: decimals shown.

    Raises:
        ValueError: if the question is empty, or a number is not finite or half is negative.
    """
    if not question.strip():
        raise ValueError(f"question must hold at least 1 word, got {question!r}")
    numbers = [measured, half, *([] if predicted is None else [predicted])]
    if not all(math.isfinite(number) for number in numbers) or half < 0:
        came = f"got {', '.join(str(number) for number in numbers)}"
        raise ValueError(f"measured, half and predicted must be finite, half at least 0, {came}")
    low, high = measured - half, measured + half
    answer = f"Measured: {measured:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})."
    if predicted is not None:
        answer += f" Predicted by theory: {predicted:.{digits}f}."
    key = "w2s-guess-" + hashlib.sha256(question.encode()).hexdigest()[:12]
    return Output(
        f'<form class="w2s-guess" data-key="{key}" data-value="{measured:.12g}"'
        f' data-half="{half:.12g}" data-answer="{escape(answer)}"'
        f' onsubmit="{escape(" ".join(_ON_SUBMIT.split()))}">{_STYLE}'
        f"<label>{escape(question)} "
        '<input type="number" step="any" inputmode="decimal" autocomplete="off" required></label>'
        f'<button type="submit">Show what was measured</button><output aria-live="polite"></output>'
        f"<noscript>{escape(answer)}</noscript></form>",
        f"{question} {answer}",
    )
