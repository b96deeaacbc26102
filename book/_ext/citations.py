"""The book's references, as words and links for a place without a bibliography."""

from __future__ import annotations

from functools import cache

from chapters import BOOK
from pybtex.database import BibliographyData, Entry, parse_file


@cache
def references() -> BibliographyData:
    return parse_file(str(BOOK / "references.bib"))


def cite(keys: str, *, in_text: bool) -> str:
    """Markdown for one or several keys: "Burns et al. [2023]" or "[Burns et al., 2023]"."""
    entries = [_entry(key.strip()) for key in keys.split(",")]
    if in_text:
        return ", ".join(f"{authors(e)} [{_link(e, year(e))}]" for e in entries)
    return "[" + "; ".join(_link(e, f"{authors(e)}, {year(e)}") for e in entries) + "]"


def authors(entry: Entry) -> str:
    """Last names as an author-year style shortens them."""
    names = [
        " ".join([*person.prelast_names, *person.last_names]) for person in entry.persons["author"]
    ]
    if len(names) == 1:
        return names[0]
    if len(names) == 2 and names[1] != "others":
        return " and ".join(names)
    return f"{names[0]} *et al.*"


def year(entry: Entry) -> str:
    return entry.fields.get("year", "no date")


def _entry(key: str) -> Entry:
    try:
        return references().entries[key]
    except KeyError:
        raise ValueError(f"references.bib has no entry {key!r}") from None


def _link(entry: Entry, words: str) -> str:
    fields = entry.fields
    if "url" in fields:
        return f"[{words}]({fields['url']})"
    return f"[{words}](https://doi.org/{fields['doi']})" if "doi" in fields else words
