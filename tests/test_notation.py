"""Every symbol of a formula stands in the table of notation, and no chapter brings too many."""

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


MOST_NEW = 12  # symbols that a reader may meet for the first time in one chapter


def own_meanings() -> dict[str, set[str]]:
    """Symbols that a section of the table defines, by the first chapter that the section names."""
    found = {}
    for section in re.split(r"^### ", chapters.read("notation"), flags=re.MULTILINE)[1:]:
        chapter = re.search(r"\{doc\}`(\w+)`", section)
        assert chapter, section[:40]
        rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| $")]
        found[chapter[1]] = symbols("\n".join(rows))
    return found


def introduced(texts: dict[str, str], own: dict[str, set[str]]) -> dict[str, set[str]]:
    """What each text brings: symbols no earlier text had, and those with a meaning of its own."""
    seen: set[str] = set()
    brought = {}
    for page, text in texts.items():
        used = symbols(text) - ORDINARY
        brought[page] = (used - seen) | (used & own.get(page, set()))
        seen |= used
    return brought


def before_exercises() -> dict[str, str]:
    """Numbered chapters in the order of the book, up to their exercises."""
    pages = [page for page, numbered in chapters.toc() if numbered]
    return {page: chapters.read(page).split("\n## Exercises\n")[0] for page in pages}


def test_no_chapter_introduces_too_many_symbols() -> None:
    brought = introduced(before_exercises(), own_meanings())
    many = {page: sorted(new) for page, new in brought.items() if len(new) > MOST_NEW}
    assert not many


def test_a_chapter_with_too_many_symbols_is_found() -> None:
    texts, own = before_exercises(), own_meanings()
    letters = " ".join(f"$u_{{{name}}}$" for name in "abcdefghjklmn")
    planted = introduced({**texts, "planted": letters}, own)
    assert len(planted["planted"]) == 13 > MOST_NEW
    known = introduced({"first": "$x + y$", "second": "$x$ and $z$"}, {"second": {"x"}})
    assert known == {"first": {"x", "y"}, "second": {"x", "z"}}  # x got another meaning
