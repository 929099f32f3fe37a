"""Comments as Markdown: what they name is linked, and their examples stay as they are."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FENCE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_EXAMPLE = re.compile(r"^(?:Example[^\n]*:\n+)?```.*?^```$\n?", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"(`[^`]*`)")
_NAME = re.compile(r"\b[A-Z][a-z0-9]+(?:[A-Z][a-z0-9]*)+\b")


@dataclass(frozen=True, slots=True)
class Linker:
    """Knows on which page each name is explained."""

    pages: dict[str, str]
    page: str
    """The page that is being written."""

    def link(self, name: str) -> str:
        """Return a name as code that leads to where it is explained."""
        if name not in self.pages:
            return f"`{name}`"
        page = "" if self.pages[name] == self.page else self.pages[name]
        return f"[`{name}`]({page}#{name.lower()})"

    def prose(self, comment: str) -> str:
        """Return a comment as Markdown."""
        parts, end = [], 0
        for fence in _FENCE.finditer(comment):
            parts += [self._linked(comment[end : fence.start()]), fence[0]]
            end = fence.end()
        return "".join([*parts, self._linked(comment[end:])])

    def cell(self, comment: str) -> str:
        """Return a comment as one line of a table, without its examples."""
        lines = _EXAMPLE.sub("", comment).replace("|", "\\|").split("\n")
        return self._linked(" ".join(line.strip() for line in lines if line.strip()))

    def _linked(self, text: str) -> str:
        return "".join(
            self._code(part) if part.startswith("`") else self._plain(part)
            for part in _CODE.split(text)
        )

    def _code(self, part: str) -> str:
        name = part.strip("`")
        return self.link(name) if name in self.pages else part

    def _plain(self, part: str) -> str:
        escaped = part.replace("<", "&lt;")
        return _NAME.sub(
            lambda found: self.link(found[0]) if found[0] in self.pages else found[0], escaped
        )


def examples(comment: str) -> list[str]:
    """Return a comment's fenced blocks, each with the line that introduces it."""
    return [found[0].rstrip() for found in _EXAMPLE.finditer(comment)]
