"""Files of the site besides its pages: icons, texts for the search, a map for search engines."""

from __future__ import annotations

import json
import re
from pathlib import Path

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError

ICON = re.compile(r'<i class="[^"]*?\bfa-([a-z-]+)')
SIZES = {"lg", "solid", "regular", "brands", "fw"}
DRAWN = r'[,{{"]{name}"?:\[(\d+),(\d+),\[[^\]]*\],"[0-9a-f]+","([^"]+)"'
# Icons are drawn where the theme left an <i>; the theme's own script brings two thousand of them.
DRAW = """
for (const place of document.querySelectorAll("i[class*=fa-]")) {
  const name = [...place.classList].find(c => c.startsWith("fa-") && c.slice(3) in ICONS);
  if (!name) continue;
  const [width, height, path] = ICONS[name.slice(3)];
  place.insertAdjacentHTML("afterend", `<svg viewBox="0 0 ${width} ${height}" aria-hidden="true"` +
    ` focusable="false"><path fill="currentColor" d="${path}"/></svg>`);
  const drawn = place.nextSibling;
  for (const {name, value} of place.attributes) drawn.setAttribute(name, value);
  drawn.classList.add("svg-inline--fa");
  place.remove();
}
"""
# A page opened from disk may not fetch others, so the search is given their texts.
ANSWER = """
if (location.protocol === "file:") {
  window.fetch = async address => new Response(
    `<div role="main">${TEXTS[String(address).split("/").pop().split(/[.#?]/)[0]] ?? ""}</div>`);
}
"""


def write_files(app: Sphinx, error: Exception | None) -> None:
    if error or app.builder.name != "html":
        return
    out = Path(app.outdir)
    pages = sorted(out.glob("*.html"))
    script = out / "_static" / "scripts" / "fontawesome.js"
    wanted = {name for page in pages for name in ICON.findall(page.read_text("utf-8"))} - SIZES
    theirs = script.read_text(encoding="utf-8")
    if not theirs.startswith("const ICONS"):  # the theme's own: this build has copied it anew
        icons = json.dumps({name: outline(theirs, name) for name in sorted(wanted)})
        script.write_text(f"const ICONS = {icons};{DRAW}", encoding="utf-8")
    texts = {page: text_of(app, page) for page in sorted(app.env.found_docs)}
    answer = f"const TEXTS = {json.dumps(texts, ensure_ascii=False)};{ANSWER}"
    (out / "_static" / "search_texts.js").write_text(answer, encoding="utf-8")
    if base := app.config.html_baseurl:
        (out / "robots.txt").write_text(f"User-agent: *\nAllow: /\nSitemap: {base}sitemap.xml\n")
        places = "".join(f"<url><loc>{base}{page}.html</loc></url>\n" for page in texts)
        xml = '<?xml version="1.0" encoding="utf-8"?>\n<urlset xmlns='
        xml += f'"http://www.sitemaps.org/schemas/sitemap/0.9">\n{places}</urlset>\n'
        (out / "sitemap.xml").write_text(xml)


def outline(script: str, name: str) -> tuple[int, int, str]:
    """Width, height and path of an icon in the theme's script, which has the solid ones last."""
    found = re.findall(DRAWN.format(name=name), script)
    if not found:
        raise ExtensionError(f"the theme's script draws no icon {name!r}")
    return int(found[-1][0]), int(found[-1][1]), found[-1][2]


def text_of(app: Sphinx, page: str) -> str:
    """The words of a page, without its pictures."""
    document = app.env.get_doctree(page)
    for picture in list(document.findall(nodes.raw)):
        picture.parent.remove(picture)
    return re.sub(r"\s+", " ", re.sub(r"[<>&]", " ", document.astext()))


def setup(app: Sphinx) -> None:
    app.connect("build-finished", write_files)
