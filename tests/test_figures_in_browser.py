"""What a reader meets in a browser: keyboard, roles and names, small screens, no JavaScript."""

from itertools import combinations

import pytest
from figure_page import KINDS, against, page

from w2s_tutorial.figures import explore

SHIFTS = [0.0, 0.01, 0.02, 0.03, 0.04]


@pytest.fixture
def show(browser, tmp_path):
    """Open outputs as a file, and fail on any error or request of the page."""
    opened, trouble = [], []

    def opener(*outputs, width=700, theme="light", **options):
        file = tmp_path / "page.html"
        file.write_text(page(*outputs, theme=theme), encoding="utf-8")
        tab = browser.new_context(viewport={"width": width, "height": 800}, **options).new_page()
        tab.on("pageerror", lambda error: trouble.append(str(error)))
        tab.on("console", lambda line: trouble.append(line.text) if line.type == "error" else None)
        tab.on("request", lambda r: trouble.append(r.url) if r.url.startswith("http") else None)
        tab.goto(file.as_uri())
        opened.append(tab)
        return tab

    yield opener
    for tab in opened:
        tab.context.close()
    assert trouble == []


def slider(label="shift", values=SHIFTS):
    frames = [against(shift) for shift in SHIFTS]
    return explore.slider(frames, values, label=label, caption="Four roles against pool size.")


def state(tab, which=0):
    """Visible frames, value text, the value shown and the words announced."""
    return (
        tab.locator(".w2s-slider")
        .nth(which)
        .evaluate(
            """root => [
            [...root.querySelectorAll('svg')].flatMap((s, i) => s.checkVisibility() ? [i] : []),
            root.querySelector('input').getAttribute('aria-valuetext'),
            root.querySelector('b').textContent,
            root.querySelector('output').textContent,
        ]"""
        )
    )


def expected(frame):
    value = f"{SHIFTS[frame]:g}"
    return [[frame], value, value, explore.figure(against(SHIFTS[frame])).words]


def test_the_arrow_keys_move_the_frame(show):
    tab = show(slider())
    assert state(tab) == expected(2)
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.type") == "range"
    for key, frame in [("ArrowRight", 3), ("ArrowRight", 4), ("ArrowRight", 4), ("Home", 0)]:
        tab.keyboard.press(key)
        assert state(tab) == expected(frame)


def test_a_screen_reader_meets_a_named_slider_with_a_value_in_words(show):
    tab = show(slider(label="noise", values=["none", "little", "some", "much", "all"]))
    control = tab.get_by_role("slider", name="noise")
    assert control.count() == 1
    assert control.get_attribute("aria-valuetext") == "some"
    assert tab.get_by_role("status").text_content() == expected(2)[3]
    assert tab.get_by_role("img", name="Accuracy against n_pool").count() == 1


def test_two_sliders_are_independent_even_if_equal(show):
    tab = show(slider(), slider())
    tab.locator("input").nth(1).focus()
    tab.keyboard.press("ArrowLeft")
    assert state(tab, 0) == expected(2)
    assert state(tab, 1) == expected(1)


def test_a_copied_output_still_works(show):
    tab = show(slider())
    tab.evaluate("const m = document.querySelector('main'); m.append(m.lastChild.cloneNode(true))")
    tab.locator("input").nth(1).focus()
    tab.keyboard.press("End")
    assert state(tab, 0) == expected(2)
    assert state(tab, 1) == expected(4)


def test_without_javascript_the_middle_frame_and_its_value_stand(show):
    later = explore.figure(against(SHIFTS[0]))  # whose style sheet comes after the slider's
    tab = show(slider(), later, java_script_enabled=False)
    frames = tab.locator(".w2s-frame svg").all()
    assert [s.is_visible() for s in frames] == [i == 2 for i in range(5)]
    assert not tab.locator("input").is_visible()
    assert tab.locator("label").inner_text() == "shift: 0.02"


@pytest.mark.parametrize("width", [700, 390, 320])
def test_nothing_scrolls_sideways(show, width):
    tab = show(slider(), *(explore.figure(make()) for make in KINDS.values()), width=width)
    assert tab.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("width", [700, 390])
@pytest.mark.parametrize("kind", KINDS)
def test_no_text_covers_another_or_leaves_the_figure(show, kind, width):
    tab = show(explore.figure(KINDS[kind]()), width=width)
    boxes = tab.evaluate(
        """() => [...document.querySelectorAll('svg, svg text')].map(e => {
            const {left, top, right, bottom} = e.getBoundingClientRect();
            return [e.textContent.slice(0, 40), left, top, right, bottom];
        })"""
    )
    (_, left, top, right, bottom), *texts = boxes
    assert len(texts) > 5
    for text, *box in texts:
        assert left <= box[0] < box[2] <= right + 0.5, text
        assert top <= box[1] < box[3] <= bottom + 0.5, text
    touching = [(a[0], b[0]) for a, b in combinations(texts, 2) if overlap(a[1:], b[1:])]
    assert touching == []


def test_the_picture_keeps_its_words_inside_the_boxes(show):
    tab = show(explore.figure(KINDS["highlight"]()))
    sticking_out = tab.evaluate(
        """() => {
            const box = e => e.getBoundingClientRect();
            const within = (x, r) => r.left < x && x < r.right;
            const frames = [...document.querySelectorAll('path')].map(box)
                .filter(r => 100 < r.width && r.width < 200 && r.height > 50);
            return [frames.length, [...document.querySelectorAll('text')].filter(t => {
                const r = box(t), y = (r.top + r.bottom) / 2, x = (r.left + r.right) / 2;
                const home = frames.find(f => within(x, f) && f.top < y && y < f.bottom);
                return home && !(within(r.left, home) && within(r.right, home));
            }).map(t => t.textContent)];
        }"""
    )
    assert sticking_out == [10, []]  # 2 sets, 4 labellings, 4 roles


def overlap(one, other):
    # A line box is taller than its letters: neighbours in a list may share a fifth of it.
    shared = min(one[3], other[3]) - max(one[1], other[1])
    wide = min(one[2], other[2]) - max(one[0], other[0])
    return wide > 0 and shared > 0.2 * (one[3] - one[1])


def test_the_overlap_check_can_fail():
    assert overlap((0, 0, 10, 10), (9, 5, 20, 15))
    assert not overlap((0, 0, 10, 10), (10, 0, 20, 10))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_accessibility_rule_is_broken(show, theme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    tab = show(slider(), *(explore.figure(make()) for make in KINDS.values()), theme=theme)
    results = axe.run(tab)
    assert results.response["passes"]
    assert [v["id"] for v in results.response["violations"]] == []


@pytest.mark.parametrize(
    ("theme", "ink"), [("light", "rgb(34, 40, 50)"), ("dark", "rgb(206, 214, 221)")]
)
def test_text_takes_the_ink_of_the_page(show, theme, ink):
    tab = show(explore.figure(against()), theme=theme)
    fills = tab.eval_on_selector_all("svg text", "all => all.map(e => getComputedStyle(e).fill)")
    assert len(fills) > 5
    assert set(fills) == {ink}
