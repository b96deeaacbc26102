"""The box that asks before it shows, as a reader meets it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from figure_page import page
from playwright.sync_api import Browser

from w2s_tutorial.figures.guess import guess

SCRIPT = Path(__file__).parents[1] / "book" / "_assets" / "book.js"
BOX = guess("What accuracy will it reach?", 0.8123, half=0.01, predicted=0.85, digits=3)
ANSWER = "Measured: 0.812 (0.802 to 0.822). Predicted by theory: 0.850."


@pytest.fixture
def tab(browser: Browser, tmp_path: Path):
    file = tmp_path / "page.html"
    html = page(BOX, guess("And on the second?", 2.0, half=0))
    file.write_text(html.replace("</body>", f"<script>{SCRIPT.read_text()}</script></body>"))
    context = browser.new_context(viewport={"width": 390, "height": 800})
    opened = context.new_page()
    opened.goto(file.as_uri())
    yield opened
    context.close()


@pytest.mark.parametrize(
    ("typed", "verdict"),
    [("0.82", "You are inside the interval."), (".9", "You are off by 0.088.")],
)
def test_the_keyboard_brings_the_answer_and_only_after_the_guess(tab, typed, verdict) -> None:
    field = tab.get_by_role("spinbutton", name="What accuracy will it reach?")
    field.focus()
    assert ANSWER not in tab.locator("main").inner_text()
    tab.keyboard.press("Enter")  # nothing typed yet: the browser asks for a number
    assert tab.locator("output").first.inner_text() == ""
    tab.keyboard.type(typed)
    tab.keyboard.press("Enter")
    assert tab.locator("output").first.inner_text() == f"You guessed {typed}. {ANSWER} {verdict}"
    assert tab.locator("output").nth(1).inner_text() == ""


def test_a_guess_outlives_the_visit_but_the_answer_stays_hidden(tab) -> None:
    tab.locator("input").first.fill("0.7")
    tab.get_by_role("button").first.click()
    tab.reload()
    assert tab.locator("input").first.input_value() == "0.7"
    assert tab.locator("input").nth(1).input_value() == ""
    assert tab.locator("output").first.inner_text() == ""


def test_no_accessibility_rule_is_broken(tab) -> None:
    tab.locator("input").first.fill("0.7")
    tab.get_by_role("button").first.click()
    assert not [rule["id"] for rule in Axe().run(tab).response["violations"]]


def test_without_javascript_the_answer_stands(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text(page(BOX))
    context = browser.new_context(java_script_enabled=False)
    still = context.new_page()
    still.goto((tmp_path / "page.html").as_uri())
    assert ANSWER in still.locator("main").inner_text()
    context.close()


def test_words_are_escaped_and_the_text_form_says_all() -> None:
    box = guess('Is "a" < b?', 1.0, half=0.5, digits=1)
    assert "Is &quot;a&quot; &lt; b?" in box._repr_html_()
    assert repr(box) == 'Is "a" < b? Measured: 1.0 (0.5 to 1.5).'


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((" ", 1.0, 0.1), "question"),
        (("How many?", math.nan, 0.1), "finite"),
        (("How many?", 1.0, -0.1), "half at least 0"),
    ],
)
def test_what_cannot_be_asked_is_refused(arguments: tuple, message: str) -> None:
    question, measured, half = arguments
    with pytest.raises(ValueError, match=message):
        guess(question, measured, half=half)
