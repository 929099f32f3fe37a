"""The pages: which there are, what they link to, and the blocks in them that can be run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_FENCE = re.compile(
    r"^(?:<!-- (?P<mark>[\w ]+): (?P<note>[^\n]+) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_CODE_CELL = re.compile(r"^\| `([^`]+)`", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page."""

    language: str
    text: str
    tested: str = ""
    """The test that tries it, where the page is not played: `<!-- tested: FILE::TEST -->`."""
    not_run: str = ""
    """Why it cannot be tried: `<!-- not run: REASON -->`."""


def all_pages() -> list[Path]:
    """Return every page of the documentation."""
    return [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]


def read(name: str) -> str:
    """Return a page by its path in the checkout."""
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(text: str, *languages: str) -> list[Block]:
    """Return a page's fenced blocks in some languages, in order; of no language, all."""
    found = (_block(match) for match in _FENCE.finditer(text))
    return [block for block in found if not languages or block.language in languages]


def _block(match: re.Match[str]) -> Block:
    marks = {match["mark"]: match["note"]} if match["mark"] else {}
    tested, not_run = marks.pop("tested", ""), marks.pop("not run", "")
    assert not marks, f"only `tested` and `not run` mark a block: {match[0]}"
    return Block(match["language"], match["text"], tested, not_run)


def links(text: str) -> Iterator[tuple[str, str]]:
    """Yield the links within the checkout: the path as written, and the heading's anchor."""
    for match in _LINK.finditer(_FENCE.sub("", text)):
        if "://" not in match[1]:
            path, _, anchor = match[1].partition("#")
            yield path, anchor


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings."""
    headings = _HEADING.findall(_FENCE.sub("", text))
    return {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


def section(text: str, heading: str) -> str:
    """Return what stands below a heading, up to the next one of its rank."""
    rank = heading.partition(" ")[0]
    return re.split(rf"^{rank} ", text.split(f"{heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[
        0
    ]


def first_cells(text: str) -> list[str]:
    """Return the code words that begin the rows of the tables of a text."""
    return _CODE_CELL.findall(text)
