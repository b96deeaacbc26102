"""Every figure of the built book as files for slides: SVG and PNG, light and dark.

`make figures` writes them to _build/figures/, with a list of what each of them shows. A figure
with a slider gives one pair of files for each position of the slider.
"""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Iterator
from dataclasses import astuple, dataclass, fields
from pathlib import Path

import chapters
from playwright.sync_api import Browser, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INK_AND_PAPER = {"light": ("#000000", "#ffffff"), "dark": ("#e8e8e8", "#14181e")}
SHARPNESS = 3  # pixels of a PNG for each CSS pixel
FONT = "Verdana, 'DejaVu Sans', sans-serif"

# Each drawing of a page, by the name of its figure; the browser writes SVG as it should be.
DRAWINGS = """() => [...document.querySelectorAll('article figure[id^="fig-"]')].flatMap(figure => {
  const caption = figure.querySelector(':scope > figcaption .caption-text');
  return [...figure.querySelectorAll('svg[role=img]')].map(svg => ({
    name: figure.id,
    frame: svg.closest('.w2s-frame')?.dataset.value ?? '',
    caption: caption ? caption.innerText : '',
    words: svg.getAttribute('aria-label'),
    width: parseFloat(getComputedStyle(svg.closest('.w2s-figure')).maxWidth),
    svg: new XMLSerializer().serializeToString(svg),
  }));
})"""


@dataclass(frozen=True)
class Drawing:
    """One drawing: the stem of its files, what the slider says, what it shows, its SVG."""

    chapter: str
    stem: str
    frame: str
    caption: str
    words: str
    width: float
    svg: str

    def themed(self, theme: str) -> str:
        """The SVG with ink and paper of a theme, standing by itself."""
        ink, paper = INK_AND_PAPER[theme]
        start, _, rest = self.svg.partition(">")
        body = rest.replace("currentColor", ink).replace("currentcolor", ink)
        # the page's background is asked for by its variable, with fallbacks in brackets
        while (at := body.find("var(--pst-color-background")) >= 0:
            body = body[:at] + paper + body[closing_bracket(body, at) + 1 :]
        start = start.replace("currentColor", ink)
        return f'{start} width="{self.width:g}" color="{ink}" font-family="{FONT}">{body}'


def closing_bracket(text: str, start: int) -> int:
    """Index of the bracket that closes the first one opened from start on."""
    depth = 0
    for i in range(text.index("(", start), len(text)):
        depth += {"(": 1, ")": -1}.get(text[i], 0)
        if depth == 0:
            return i
    raise ValueError(f"no closing bracket after {text[start : start + 40]!r}")


def drawings(browser: Browser, html: Path, chapter: str) -> Iterator[Drawing]:
    """The drawings of one built page, in reading order."""
    page = browser.new_page()
    page.goto((html / f"{chapter}.html").as_uri(), wait_until="load")
    found = page.evaluate(DRAWINGS)
    page.close()
    names = [one.pop("name") for one in found]
    for i, one in enumerate(found):
        position = f"-{names[: i + 1].count(names[i]):02d}" if names.count(names[i]) > 1 else ""
        yield Drawing(chapter=chapter, stem=names[i] + position, **one)


def write(browser: Browser, html: Path, target: Path) -> list[Drawing]:
    """Write all figures of all chapters below target; what was there before goes."""
    shutil.rmtree(target, ignore_errors=True)
    written = []
    canvas = browser.new_context(device_scale_factor=SHARPNESS).new_page()
    for chapter in chapters.chapters():
        for drawing in drawings(browser, html, chapter):
            folder = target / chapter
            folder.mkdir(parents=True, exist_ok=True)
            for theme in INK_AND_PAPER:
                svg = drawing.themed(theme)
                file = folder / f"{drawing.stem}-{theme}"
                file.with_suffix(".svg").write_text(svg, encoding="utf-8")
                canvas.set_content(f'<body style="margin:0">{svg}</body>')
                canvas.locator("svg").screenshot(
                    path=file.with_suffix(".png"), omit_background=True
                )
            written.append(drawing)
    columns = [field.name for field in fields(Drawing)][:-2]
    with (target / "figures.csv").open("w", encoding="utf-8", newline="") as table:
        rows = csv.writer(table)
        rows.writerow(columns)
        rows.writerows(astuple(drawing)[: len(columns)] for drawing in written)
    return written


def find_browser() -> str:
    """Path of an installed browser; FileNotFoundError if there is none."""
    for name in BROWSERS:
        if found := shutil.which(name):
            return found
    raise FileNotFoundError(f"no browser: none of {', '.join(BROWSERS)} is installed")


def main() -> None:
    build = chapters.ROOT / "_build"
    if not (build / "html" / "index.html").exists():
        sys.exit("The figures are taken from the built book: run `make book` first.")
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        written = write(browser, build / "html", build / "figures")
        browser.close()
    print(f"{len(written)} drawings, listed in {build / 'figures' / 'figures.csv'}")


if __name__ == "__main__":
    main()
