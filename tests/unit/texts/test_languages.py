"""Every language says everything: the same messages, attributes and variables as English."""

from __future__ import annotations

from pathlib import Path

import pytest
from fluent.syntax import FluentParser, ast
from fluent.syntax.visitor import Visitor

from schoolbell_server.texts.catalog import LOCALES

Shape = dict[str, frozenset[str]]
"""What each message (`id` or `id.attribute`) refers to, here or through other messages."""


class _References(Visitor):
    def __init__(self) -> None:
        self.found: set[str] = set()

    def visit_VariableReference(self, node: ast.VariableReference) -> None:
        self.found.add(f"${node.id.name}")

    def visit_MessageReference(self, node: ast.MessageReference) -> None:
        self.found.add(node.id.name)


def shape(file: Path) -> Shape:
    resource = FluentParser().parse(file.read_text(encoding="utf-8"))
    assert not [entry for entry in resource.body if isinstance(entry, ast.Junk)], file.name
    found: Shape = {}
    for entry in resource.body:
        if isinstance(entry, ast.Message):
            assert entry.id.name not in found, f"{entry.id.name} appears twice"
            found[entry.id.name] = _references(entry.value)
            for attribute in entry.attributes:
                name = f"{entry.id.name}.{attribute.id.name}"
                found[name] = _references(attribute.value)
    return found


def _references(pattern: ast.Pattern | None) -> frozenset[str]:
    references = _References()
    if pattern is not None:
        references.visit(pattern)
    return frozenset(references.found)


OTHERS = [file for file in sorted(LOCALES.glob("*.ftl")) if file.stem not in ("en", "explain_en")]


@pytest.mark.parametrize("file", OTHERS, ids=lambda file: file.stem)
def test_a_language_says_what_english_says(file: Path) -> None:
    english = "explain_en.ftl" if file.stem.startswith("explain_") else "en.ftl"
    assert shape(file) == shape(LOCALES / english)


@pytest.mark.parametrize("name", ["en.ftl", "es.ftl"])
def test_every_reference_leads_somewhere(name: str) -> None:
    found = shape(LOCALES / name)
    used = {one for references in found.values() for one in references if one[0] != "$"}
    assert used <= found.keys()


def test_spanish_is_there() -> None:
    assert "es" in {file.stem for file in OTHERS}
