"""What the guides show in languages that are not played here is a part of a client's example.

The examples are compiled and run by `make test-clients`.
"""

from __future__ import annotations

import textwrap

import pytest

from tests.docs.pages import ROOT, Block, blocks

EXAMPLES = {
    language: ROOT / "clients" / language / "examples" for language in ("go", "java", "typescript")
}
_SUFFIXES = {"typescript": "ts"}
_INDENTS = ("", "\t", *(" " * depth for depth in range(2, 17, 2)))
SHOWN = [
    (page.name, block)
    for page in sorted((ROOT / "docs").glob("guide-*.md"))
    for block in blocks(page.read_text(encoding="utf-8"), *EXAMPLES)
]


@pytest.mark.parametrize(("page", "block"), SHOWN, ids=[page for page, _ in SHOWN])
def test_what_a_guide_shows_is_of_an_example(page: str, block: Block) -> None:
    suffix = _SUFFIXES.get(block.language, block.language)
    examples = EXAMPLES[block.language].rglob(f"*.{suffix}")
    assert any(_has(example.read_text(encoding="utf-8"), block.text) for example in examples)


def test_the_guide_of_publishers_shows_every_client() -> None:
    shown = {block.language for page, block in SHOWN if page == "guide-publisher.md"}
    assert shown == set(EXAMPLES)


def _has(example: str, shown: str) -> bool:
    """Tell whether lines are shown as the example has them, however deep they are in it."""
    return any(textwrap.indent(shown, indent) in example for indent in _INDENTS)
