"""What the guides show in languages that are not played here is a part of a client's example.

The examples are compiled and run by `make test-clients`.
"""

from __future__ import annotations

import textwrap

import pytest

from tests.docs.pages import ROOT, Block, blocks

EXAMPLES = {"java": ROOT / "clients" / "java" / "examples"}
SHOWN = [
    (page.name, block)
    for page in sorted((ROOT / "docs").glob("guide-*.md"))
    for block in blocks(page.read_text(encoding="utf-8"), *EXAMPLES)
]


@pytest.mark.parametrize(("page", "block"), SHOWN, ids=[page for page, _ in SHOWN])
def test_what_a_guide_shows_is_of_an_example(page: str, block: Block) -> None:
    examples = EXAMPLES[block.language].rglob(f"*.{block.language}")
    assert any(_has(example.read_text(encoding="utf-8"), block.text) for example in examples)


def test_the_guide_of_publishers_shows_java() -> None:
    assert ("guide-publisher.md", "java") in {(page, block.language) for page, block in SHOWN}


def _has(example: str, shown: str) -> bool:
    """Tell whether lines are shown as the example has them, however deep they are in it."""
    return any(textwrap.indent(shown, " " * depth) in example for depth in range(0, 17, 4))
