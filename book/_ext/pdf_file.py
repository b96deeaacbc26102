"""The whole book as one PDF, printed by a browser from the built pages: `make pdf`.

Sphinx's own single page is not an option: MyST-NB does not support it. So each page is printed
by itself, and links between pages are turned into links inside the one file.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import chapters
from figure_files import find_browser
from playwright.sync_api import Browser, sync_playwright
from pypdf import PdfReader, PdfWriter
from pypdf.generic import ArrayObject, NameObject

INSIDE = "https://inside.invalid/"  # stands for "in this file" until the pages are joined
MARGIN = {"top": "18mm", "bottom": "18mm", "left": "16mm", "right": "16mm"}
LOADED = "() => !document.querySelector('script[src*=mathjax]') || window.MathJax?.startup?.promise"
SETTLED = "async () => { if (window.MathJax) { await MathJax.startup.promise } }"
MARK_LINKS = """inside => document.querySelectorAll('article a[href]').forEach(link => {
  const at = new URL(link.href);
  if (at.protocol !== 'file:') return;
  if (at.pathname === location.pathname) return;
  link.href = inside + at.pathname.split('/').pop();
})"""
PRINTED = """
#jb-print-toc, .headerlink, .copybtn, .w2s-slider label, details.hide:not([open]) {
  display: none !important
}
pre, table, .w2s-figure, .admonition { break-inside: avoid }
pre { white-space: pre-wrap !important; overflow: visible !important }
.bd-article .cell_output > .output { overflow: visible !important }
"""


def print_page(browser: Browser, file: Path, target: Path) -> None:
    """Print one built page on A4, in the light theme, for readers of paper and screen readers."""
    page = browser.new_page(color_scheme="light")
    page.goto(file.as_uri(), wait_until="load")
    page.wait_for_function(LOADED)
    page.evaluate(SETTLED)
    page.add_style_tag(content=PRINTED)
    page.evaluate(MARK_LINKS, INSIDE)
    page.pdf(path=target, format="A4", margin=MARGIN, tagged=True)
    page.close()


def join(printed: dict[str, Path], target: Path) -> None:
    """Join pages of the book, in order, into one file; links between them lead inside it."""
    book, first = PdfWriter(), {}
    for name, file in printed.items():
        first[f"{name}.html"] = start = len(book.pages)
        book.append(PdfReader(file), import_outline=False)
        book.add_outline_item(title=chapters.title(name), page_number=start)
    for page in book.pages:
        if "/Annots" not in page:
            continue
        kept = ArrayObject()
        for reference in page.get("/Annots", ()):
            annotation = reference.get_object()
            address = str(annotation.get("/A", {}).get("/URI", ""))
            if address.startswith(INSIDE):
                start = first.get(urlsplit(address).path.lstrip("/"))
                if start is None:
                    continue  # a page that is not printed, such as the index of names
                annotation.pop("/A")
                where = [book.pages[start].indirect_reference, NameObject("/Fit")]
                annotation[NameObject("/Dest")] = ArrayObject(where)
            kept.append(reference)
        page[NameObject("/Annots")] = kept
    book.add_metadata(infos={"/Title": chapters.title("index")})
    book.compress_identical_objects()
    book.write(target)


def main() -> None:
    html = chapters.ROOT / "_build" / "html"
    if not (html / "index.html").exists():
        sys.exit("The PDF is printed from the built book: run `make book` first.")
    target = chapters.ROOT / "_build" / "book.pdf"
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as folder:
        browser = driver.chromium.launch(executable_path=find_browser(), args=["--no-sandbox"])
        printed = {}
        for name, _ in chapters.toc():
            if not name.startswith("api"):
                printed[name] = Path(folder) / f"{name}.pdf"
                print_page(browser, html / f"{name}.html", printed[name])
        browser.close()
        join(printed, target)
    print(f"{len(PdfReader(target).pages)} pages in {target}")


if __name__ == "__main__":
    main()
