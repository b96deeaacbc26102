"""MyST text becomes Markdown that Colab shows, and what cannot stops with an error."""

from __future__ import annotations

import json

import citations
import colab_notebooks
import labels
import myst_inline
import pytest
from address import Address
from labels import Numbering, Target
from myst_blocks import Directive, parse
from myst_inline import Inline
from myst_to_markdown import Translator
from pybtex.database import parse_string

HOME = Address("https://github.com/someone/book", "main")
BOOK = "https://someone.github.io/book/"
TARGETS = {
    "here": Target("here", "", "This page", "page"),
    "fig-a": Target("there", "fig-a", "What the figure shows", "figure", "2.1"),
    "eq-a": Target("here", "equation-eq-a", "", "equation", "3.4"),
    "def-a": Target("there", "def-a", "Gap", "prf:definition", "2.3"),
    "ex-a": Target("here", "ex-a", "Try", "exercise", "3.1"),
    "there": Target("there", "", "That page", "page"),
    "sec-a": Target("there", "sec-a", "A section", "section"),
    labels.term_label("weak model"): Target("words", "term-weak-model", "weak model", "term"),
}
REFERENCES = """
@misc{one, author={Ada Lovelace}, year={1843}, url={https://example.org/a}}
@misc{two, author={Ada Lovelace and Carl van den Berg}, year={1900}, title={}, doi={10.1/x}}
@misc{three, author={A First and B Second and C Third}, year={2000}}
"""


@pytest.fixture(autouse=True)
def small_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(myst_inline, "targets", lambda: TARGETS)
    monkeypatch.setattr(citations, "references", lambda: parse_string(REFERENCES, "bibtex"))


def translate(text: str, home: Address = HOME) -> str:
    return Translator(Inline("here", home, {"PGR": r"\mathrm{PGR}"}), "3.", Numbering())(text)


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("{ref}`sec-a`", f"[A section]({BOOK}there.html#sec-a)"),
        ("{ref}`its words <sec-a>`", f"[its words]({BOOK}there.html#sec-a)"),
        ("{doc}`there`", f"[That page]({BOOK}there.html)"),
        ("{numref}`fig-a`", f"[Figure 2.1]({BOOK}there.html#fig-a)"),
        ("{numref}`plot %s <fig-a>`", f"[plot 2.1]({BOOK}there.html#fig-a)"),
        ("{prf:ref}`def-a`", f"[Definition 2.3]({BOOK}there.html#def-a)"),
        ("{eq}`eq-a`", "(3.4)"),
        ("{term}`Weak model`", f"[Weak model]({BOOK}words.html#term-weak-model)"),
        ("{term}`it <weak model>`", f"[it]({BOOK}words.html#term-weak-model)"),
        ("{cite:t}`one`", "Lovelace [[1843](https://example.org/a)]"),
        ("{cite}`two`", "[[Lovelace and van den Berg, 1900](https://doi.org/10.1/x)]"),
        ("{cite:p}`three,one`", "[First *et al.*, 2000; [Lovelace, 1843](https://example.org/a)]"),
        ("see [](sec-a)", f"see [A section]({BOOK}there.html#sec-a)"),
        ("[text](there.md#sec-a)", f"[text]({BOOK}there.html#sec-a)"),
        ("[out](https://example.org)", "[out](https://example.org)"),
        (r"$\PGR$ and `\PGR` stay apart", r"$\mathrm{PGR}$ and `\PGR` stay apart"),
        ("`{ref}` in code", "`{ref}` in code"),
        ("`word`: text", "`word`: text"),
        ("[`code`](there.md)", f"[`code`]({BOOK}there.html)"),
        ("(label)=\n## Title", "## Title"),
        ("% a comment\nText", "Text"),
        ("$$\nx\n$$", "$$\nx\n$$"),
        ("$$ x $$ (eq-b)", "$$\nx \\tag{3.1}\n$$"),
        ("```{math}\n:label: eq-b\nx\n```", "$$\nx \\tag{3.1}\n$$"),
        ("```python\n{ref}`no`\n```", "```python\n{ref}`no`\n```"),
        (":::{note}\nText\n:::", "> **Note**\n>\n> Text"),
        ("```{tip} Short\n```", "> **Tip**\n>\n> Short"),
        ("```{exercise} Try\n:label: ex-b\nDo.\n```", "> **Exercise 3.1** (Try)\n>\n> Do."),
        ("```{prf:lemma}\nTrue.\n```", "> **Lemma 3.1**\n>\n> True."),
        ("```{prf:proof}\nClear.\n```", "*Proof.* Clear."),
        ("```{solution-start} ex-a\n```", "**Solution to Exercise 3.1**"),
        (
            "```{solution} ex-a\n:class: dropdown\nSo.\n```",
            "<details><summary>Solution to Exercise 3.1</summary>\n\nSo.\n\n</details>",
        ),
        (
            "::::{tab-set}\n:::{tab-item} A\nFirst\n:::\n:::{tab-item} B\nSecond\n:::\n::::",
            "**A**\n\nFirst\n\n**B**\n\nSecond",
        ),
        (
            "```{figure} a.png\n:alt: words\nCaption.\n```",
            "![words](https://raw.githubusercontent.com/someone/book/main/book/a.png)\n\n"
            "**Figure 3.1.** Caption.",
        ),
        ("```{table} Caption\n| a |\n| - |\n```", "**Table 3.1.** Caption\n\n| a |\n| - |"),
        ("- item\n\n  ```{note}\n  In.\n  ```", "- item\n\n  > **Note**\n  >\n  > In."),
        ("a fact[^1]\n\n[^1]: source", "a fact<sup>1</sup>\n\n<sup>1</sup> source"),
    ],
)
def test_translation(source: str, expected: str) -> None:
    assert translate(source) == expected


def test_without_an_address_a_reference_is_its_words() -> None:
    nowhere = Address("https://github.com/ORG/REPO", "main")
    assert translate("{ref}`sec-a`, {numref}`fig-a`", nowhere) == "A section, Figure 2.1"


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("```{mystery}\nx\n```", "a directive that the notebooks do not know: {mystery}"),
        ("{mystery}`x`", "a role that the notebooks do not know: {mystery}"),
        ("{ref}`nowhere`", "nothing in the book is labelled 'nowhere'"),
        ("{term}`nothing`", "nothing in the book is labelled 'term: nothing'"),
        ("{cite}`nobody`", "references.bib has no entry 'nobody'"),
        ("{{ substitution }}", "syntax that the notebooks do not know"),
        ("Term\n: definition", "syntax that the notebooks do not know"),
        ("```{note}\nnever closed", "a fence is never closed"),
        ("$$ x", "an equation is never closed"),
        (":::\nx\n:::", "a fence of colons without a directive"),
    ],
)
def test_what_a_notebook_cannot_show_is_refused(source: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        translate(source)


def test_options_come_in_two_spellings() -> None:
    short, long = parse(
        "```{a} b\n:tags: [x, y]\n:k: v: w\n\ntext\n```\n```{a}\n---\nk: 1\n---\nz\n```"
    )
    assert short == Directive("a", "b", "text", {"tags": ["x", "y"], "k": "v: w"})
    assert long == Directive("a", "", "z", {"k": 1})


def chapter(monkeypatch: pytest.MonkeyPatch, body: str) -> list[dict]:
    monkeypatch.setattr(colab_notebooks.chapters, "read", lambda page: f"# Title\n\n{body}")
    return json.loads(colab_notebooks.convert("here", 3, HOME))["cells"]


def test_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    def cell(tags: str, code: str) -> str:
        return f"```{{code-cell}} ipython3\n:tags: [{tags}]\n{code}\n```\n"

    figure = (
        "```{code-cell}\n---\nmystnb:\n  figure:\n    name: f\n    caption: A *c*.\n---\nplot\n```"
    )
    body = (
        cell("hide-input", "hidden")
        + figure.replace("---\n", "---\ntags: [book-only]\n", 1).replace("plot", "absent")
        + "\n"
        + cell("colab-only, remove-cell, skip-execution", "live")
        + cell("raises-exception", "wrong")
        + "\n```{solution-start} ex-a\n```\n\nWords.\n\n"
        + cell("", "answer")
        + "\n```{solution-end}\n```\n\n"
        + figure
    )
    cells = {cell["source"]: cell for cell in chapter(monkeypatch, body)}
    sources = list(cells)
    assert sources[0] == "# Title"
    assert "google.colab" in sources[1]
    hidden = colab_notebooks.FOLDED
    assert cells["hidden"]["metadata"] == {**hidden, "tags": ["hide-input"]}
    assert "absent" not in cells
    assert cells["live"]["metadata"] == {}
    assert cells["wrong"]["metadata"] == {"tags": ["raises-exception"]}
    assert "**Solution to Exercise 3.1**" in cells
    assert "<details><summary>Show the solution</summary>\n\nWords.\n\n</details>" in cells
    assert cells["answer"]["metadata"] == hidden
    assert sources[-2:] == ["plot", "**Figure 3.2.** A *c*."], "a picture only in the book counts"


def test_an_edit_changes_the_ids_of_the_edited_cells_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    same = "```{code-cell}\nx\n```\n"
    before = [cell["id"] for cell in chapter(monkeypatch, same + same)]
    after = [cell["id"] for cell in chapter(monkeypatch, same + "new text\n\n" + same)]
    assert len(set(before)) == len(before)
    assert [i for i in after if i in before] == before
