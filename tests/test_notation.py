"""Every symbol of a chapter's formulas stands in the table of notation."""

from __future__ import annotations

import re

import chapters
import pytest

MATH = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+(?:\n[^$\n]+)?)\$", re.DOTALL)
NO_SYMBOL = re.compile(
    r"\\(?:text|operatorname|begin|end|mathrm|mathbb|mathcal|phantom|quad)\*?(?:\{[^}]*\})?"
)
GREEK = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta kappa lambda mu nu xi pi rho sigma "
    "tau phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Phi Psi Omega"
)
LETTER = rf"\\(?:{'|'.join(GREEK.split())})(?![a-zA-Z])|(?<![\\a-zA-Z])[A-Za-z](?![a-zA-Z])"
SYMBOL = re.compile(rf"({LETTER})(?:\^\{{?\\?[a-z]*\}}?)?(_(?:\{{[^{{}}]*\}}|\\[a-z]+|\w))?")
ORDINARY = {"I", "F", "i", "d"}  # identity, Frobenius norm, index, differential


def symbols(page: str) -> set[str]:
    """Letters with their subscripts in the formulas of a page's text."""
    found = set()
    for block in MATH.finditer(chapters.CODE.sub("", page)):
        formula = NO_SYMBOL.sub(" ", block[1] or block[2])
        found |= {letter + re.sub(r"[{} ]", "", sub) for letter, sub in SYMBOL.findall(formula)}
    return found


KNOWN = symbols(chapters.read("notation")) | ORDINARY


@pytest.mark.parametrize("page", chapters.chapters())
def test_every_symbol_is_in_the_table(page: str) -> None:
    unknown = sorted(symbols(chapters.read(page)) - KNOWN)
    assert not unknown


def test_symbols_are_found() -> None:
    text = r"Let $d_{sw} = \sum_i \cos^2\theta_i$ and $$\frac{\sigma_y^2}{N}\,x^\top.$$"
    assert symbols(text) == {"d_sw", r"\theta_i", "i", r"\sigma_y", "N", "x"}
    assert "x" not in KNOWN
