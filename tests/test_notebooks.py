"""A page becomes a notebook that Colab shows as it is, and what cannot stops with its name."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from address import Address
from docutils import nodes
from notebook_text import Text
from small_books import HEADER, small_book

BOOK = "https://someone.github.io/book/"
RAW = "https://raw.githubusercontent.com/someone/book/main/book/"


def cell(tags: str, code: str, options: str = "") -> str:
    return f"```{{code-cell}} ipython3\n---\ntags: [{tags}]\n{options}---\n{code}\n```\n\n"


def figure(name: str) -> str:
    return f"mystnb:\n  figure:\n    name: {name}\n    caption: A *c* of {name}.\n"


HERE = f"""{HEADER}
(sec-here)=
# This page

```{{cost-card}}
:downloads: two files
```

See {{ref}}`sec-there`, {{ref}}`its words <sec-there>`, {{doc}}`there`, {{numref}}`fig-there`,
{{numref}}`plot %s <fig-there>`, {{prf:ref}}`def-there`, {{eq}}`eq-here`, {{term}}`weak model`,
{{cite:t}}`burns2023weak`, {{cite:p}}`burns2023weak`, [](sec-there), [text](there.md),
[out](https://example.org), $\\PGR$, `\\PGR` and `{{ref}}` in code, x_1 * 2 < 3.

$$ \\OPR = 1 $$ (eq-here)

:::{{note}}
Text
:::

```{{tip}} Short
```

```{{admonition}} Hint
:class: dropdown
Look *there*.
```

```{{exercise}} Try
:label: ex-a
Do.
```

```{{prf:lemma}} Of *x*
True.
```

```{{prf:proof}}
Clear.
```

- item

  ```{{note}}
  In.
  ```

```{{figure}} _assets/four_roles.png
:alt: words
:name: fig-file

Caption.
```

```{{table}} Of two
| a | b \\| c |
| - | - |
| $x$ | y |
```

```python
{{ref}}`no`
```

{cell("hide-input", "hidden", figure("fig-hidden"))}
{cell("book-only", "absent", figure("fig-absent"))}
{cell("colab-only, remove-input, remove-output, skip-execution", "live")}
{cell("raises-exception", "wrong")}
```{{solution-start}} ex-a
:class: dropdown
```

Words.

{cell("", "answer")}
```{{solution-end}}
```

{cell("", "plot", figure("fig-plot"))}
"""
THERE = f"""{HEADER}
# That page

(sec-there)=
## A section

```{{prf:definition}} Gap
:label: def-there
It.
```

{cell("", "1", figure("fig-there"))}
"""
WORDS = "# Words\n\n```{glossary}\nweak model\n  A model.\n```\n"
PAGES = {
    "here": HERE,
    "there": THERE,
    "glossary": WORDS,
    "references": "# R\n\n```{bibliography}\n```",
}


def make(folder: Path, url: str, **pages: str) -> dict[str, dict]:
    """The notebooks of a small book at an address, as its own command writes them."""
    small_book(folder, {"Chapters": ["here", "there"], "Words": ["glossary", "references"]}, url)
    for name, text in (PAGES | pages).items():
        (folder / "book" / f"{name}.md").write_text(text)
    command = [sys.executable, str(folder / "book" / "_ext" / "colab_notebooks.py")]
    run = subprocess.run(command, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return {p.stem: json.loads(p.read_text()) for p in (folder / "book").glob("*.ipynb")}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict]:
    return make(tmp_path_factory.mktemp("book"), "https://github.com/someone/book")


def text_of(notebook: dict) -> str:
    return "\n\n".join(c["source"] for c in notebook["cells"] if c["cell_type"] == "markdown")


@pytest.mark.parametrize(
    "expected",
    [
        "# This page\n\n*About 1 minute to read. Downloads: two files. "
        f"[This page in the book]({BOOK}here.html).*",
        f"[A section]({BOOK}there.html#sec-there), [its words]({BOOK}there.html#sec-there)",
        f"[That page]({BOOK}there.html), [Figure 2.1]({BOOK}there.html#fig-there)",
        f"[plot 2.1]({BOOK}there.html#fig-there), [Definition 2.1]({BOOK}there.html#def-there)",
        f"(1.1), [weak model]({BOOK}glossary.html#term-weak-model)",
        f"[A section]({BOOK}there.html#sec-there), [text]({BOOK}there.html)",
        r"$\operatorname{PGR}$, `\PGR` and `{ref}` in code, x_1 \* 2 \< 3.",
        "$$\n\\operatorname{OPR} = 1 \\tag{1.1}\n$$",
        "> **Note**\n>\n> Text",
        "> **Tip**\n>\n> Short",
        "<details><summary>Hint</summary>\n\nLook *there*.\n\n</details>",
        "> **Exercise 1.1** (Try)\n>\n> Do.",
        "> **Lemma 1.1** (Of *x*)\n>\n> True.",
        "> True.\n\n*Proof.* Clear.",
        "- item\n\n  > **Note**\n  >\n  > In.",
        f"![words]({RAW}_assets/four_roles.png)\n\n**Figure 1.1.** Caption.",
        "**Table 1.1.** Of two\n\n| a | b \\| c |\n| --- | --- |\n| $x$ | y |",
        "```python\n{ref}`no`\n```",
    ],
)
def test_markdown_of_what_a_page_holds(written: dict[str, dict], expected: str) -> None:
    assert expected in text_of(written["here"])


def test_citations_lead_to_the_papers(written: dict[str, dict]) -> None:
    text = " ".join(text_of(written["here"]).split())
    assert "Burns *et al.* [[2023](https://" in text
    assert "[[Burns *et al.*, 2023](https://" in text


def test_cells(written: dict[str, dict]) -> None:
    cells = {cell["source"]: cell for cell in written["here"]["cells"]}
    sources = list(cells)
    assert "google.colab" in next(s for s in sources if cells[s]["cell_type"] == "code")
    hidden = {"cellView": "form", "jupyter": {"source_hidden": True}}
    assert cells["hidden"]["metadata"] == {**hidden, "tags": ["hide-input"]}
    assert "absent" not in cells
    assert cells["live"]["metadata"] == {}
    assert cells["wrong"]["metadata"] == {"tags": ["raises-exception"]}
    assert sources[-4:] == [
        "**Solution to Exercise 1.1 (Try)**\n\n"
        "<details><summary>Show the solution</summary>\n\nWords.\n\n</details>",
        "answer",
        "plot",
        "**Figure 1.4.** A *c* of fig-plot.",
    ], "a picture only in the book counts"
    assert cells["answer"]["metadata"] == hidden
    assert not any(cell.get("outputs") for cell in cells.values())


def test_without_an_address_a_title_reads_as_one(tmp_path: Path) -> None:
    text = text_of(make(tmp_path, "https://github.com/ORG/REPO")["here"])
    assert "See *A section*, its words, *That page*, Figure 2.1,\nplot 2.1" in text
    assert "![words](_assets/four_roles.png)" in text


def test_an_edit_changes_the_ids_of_the_edited_cells_alone(
    written: dict[str, dict], tmp_path: Path
) -> None:
    changed = THERE.replace("It.", "It, said better.") + cell("", "1")
    after = make(tmp_path, "https://github.com/someone/book", there=changed)["there"]["cells"]
    before = {c["id"]: c["source"] for c in written["there"]["cells"]}
    new = [c["source"] for c in after if before.get(c["id"]) != c["source"]]
    assert len(new) == 2
    assert "said better" in new[0]
    assert new[1] == "1", "a second cell of the same words has an id of its own"


def test_what_a_notebook_cannot_show_is_refused_by_name() -> None:
    home = Address("https://github.com/someone/book", "main")
    with pytest.raises(ValueError, match="do not know the node 'sidebar': 'Beside'"):
        Text("here", None, home)(nodes.sidebar("", nodes.paragraph("", "Beside")))  # type: ignore[arg-type]
