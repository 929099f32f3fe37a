"""What the pages show is tried against a whole service with the sample district."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import ROOT, all_pages, anchors, blocks, links, read
from tests.docs.played import RUN, SAID, try_page
from tests.docs.test_client_examples import EXAMPLES

TRIED = (
    "README.md",
    "docs/guide-publisher.md",
    "docs/guide-mobile-backend.md",
    "docs/guide-monitor.md",
    "docs/guide-administrator.md",
    "docs/command.md",
)
TWICE = (
    "README.md",
    "docs/guide-publisher.md",
    "docs/guide-mobile-backend.md",
    "docs/guide-monitor.md",
)
"""Pages whose Python may be run again."""
ACCOUNTED = sorted(
    [
        *(page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").glob("guide-*.md")),
        *("docs/command.md", "docs/operations.md", "docs/sandbox.md"),
    ]
)
"""Pages of which every block is tried, or says why it cannot be."""
ELSEWHERE = {
    ("docs/guide-mobile-backend.md", "json"): "tests/docs/test_payloads.py"
    "::test_the_generic_examples_are_what_arrives",
    ("docs/guide-mobile-backend.md", "swift"): "tests/docs/test_payloads.py"
    "::test_the_code_of_the_apps_reads_keys_that_are_sent",
    ("docs/guide-mobile-backend.md", "kotlin"): "tests/docs/test_payloads.py"
    "::test_the_code_of_the_apps_reads_keys_that_are_sent",
}
"""Tests of all of a page's blocks in a language."""
NOT_RUN = {
    ("docs/guide-mobile-backend.md", "xml"): "a manifest of an Android app; no SDK is here",
}
"""Why a page's blocks in a language cannot be tried."""


@pytest.mark.parametrize("name", TRIED)
async def test_what_a_page_shows_works(name: str, tmp_path: Path) -> None:
    assert await try_page(name, tmp_path, twice=name in TWICE)


@pytest.mark.parametrize("name", ACCOUNTED)
def test_every_block_is_tried_or_says_why_not(name: str) -> None:
    text = read(name)
    found = blocks(text)
    assert text.count("```") == 2 * len(found), "blocks begin at the margin"
    last = ""
    for block in found:
        test = block.tested or ELSEWHERE.get((name, block.language), "")
        if test:
            file, _, function = test.partition("::")
            assert f"def {function}(" in read(file), test
        else:
            assert (
                block.not_run
                or (name, block.language) in NOT_RUN
                or (name in TRIED and block.language in RUN)
                or (block.language == SAID and last in RUN)
                or block.language in EXAMPLES
            ), f"not tried: {block}"
        last = "" if test or block.not_run else block.language


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
