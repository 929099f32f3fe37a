"""What the pages show is tried against a whole service with the sample district."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import ROOT, all_pages, anchors, links
from tests.docs.played import try_page

TRIED = (
    "README.md",
    "docs/guide-publisher.md",
    "docs/guide-mobile-backend.md",
    "docs/guide-monitor.md",
    "docs/guide-administrator.md",
    "docs/command.md",
)
TWICE = ("docs/guide-publisher.md", "docs/guide-mobile-backend.md", "docs/guide-monitor.md")
"""Pages whose Python may be run again."""


@pytest.mark.parametrize("name", TRIED)
async def test_what_a_page_shows_works(name: str, tmp_path: Path) -> None:
    assert await try_page(name, tmp_path, twice=name in TWICE)


def test_links_lead_somewhere() -> None:
    broken = []
    for page in all_pages():
        for path, anchor in links(page.read_text(encoding="utf-8")):
            target = (page.parent / path).resolve() if path else page
            if not target.exists():
                broken.append((page.name, path))
            elif anchor and anchor not in anchors(target.read_text(encoding="utf-8")):
                broken.append((page.name, f"{path}#{anchor}"))
    assert not broken


def test_the_index_of_the_decisions_names_every_page() -> None:
    index = ROOT / "docs" / "decisions" / "README.md"
    named = {path for path, _ in links(index.read_text(encoding="utf-8"))}
    assert named == {page.name for page in index.parent.glob("*.md")} - {index.name}


def test_no_page_names_a_path_of_a_machine() -> None:
    named = [
        (str(page.relative_to(ROOT)), word)
        for page in all_pages()
        for word in ("/home/", "/root/", "/tmp/")
        if word in page.read_text(encoding="utf-8")
    ]
    assert not named
