"""Where the book lives: its repository and its published pages, read from _config.yml."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

GITHUB = re.compile(r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?")


@dataclass(frozen=True)
class Address:
    """Address of the repository and its branch."""

    url: str
    branch: str

    @property
    def repository(self) -> str:
        """The last part of the address: the folder that `git clone` makes."""
        return self.url.rstrip("/").rsplit("/", 1)[1].removesuffix(".git")

    @property
    def is_placeholder(self) -> bool:
        """True until a fork has set repository.url."""
        return self.url.rstrip("/").endswith("/ORG/REPO")

    @property
    def published(self) -> str | None:
        """Address of the published book, ending in a slash; None where there is none yet."""
        owner = GITHUB.fullmatch(self.url)
        if self.is_placeholder or not owner:
            return None
        if owner[2].lower() == f"{owner[1]}.github.io".lower():
            return f"https://{owner[2].lower()}/"
        return f"https://{owner[1].lower()}.github.io/{owner[2]}/"


def load(config: Path) -> Address:
    """Read the address from a book's configuration file."""
    repository = yaml.safe_load(config.read_text(encoding="utf-8"))["repository"]
    if not re.match(r"(https|file)://\S+/\S+", repository["url"]):
        raise ValueError(
            f"repository.url must be https://github.com/OWNER/NAME, got {repository['url']!r}"
        )
    return Address(repository["url"], repository["branch"])
