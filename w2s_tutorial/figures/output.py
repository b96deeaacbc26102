"""What a notebook cell shows: HTML that works in the built page, in JupyterLab and on Colab."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Output:
    """What a notebook cell displays: HTML, or words where there is none."""

    html: str
    words: str

    def _repr_html_(self) -> str:
        return self.html

    def __repr__(self) -> str:
        return self.words


def without_panel(kind: str) -> str:
    """CSS that undoes the light panel which the book's theme puts behind HTML output at night."""
    return (
        "html[data-theme=dark] .bd-content div.cell_output"
        f" .text_html:not(:has(table.dataframe)):has({kind})"
        "{background:none;color:inherit;padding:0}"
    )
