"""docs/clients.md: its double is tried, and its tables name the languages that there are."""

from __future__ import annotations

import sys
import tomllib
from asyncio.subprocess import create_subprocess_exec

from tests.docs.pages import blocks, read

PAGE = "docs/clients.md"


async def test_the_double_in_python_works() -> None:
    (block,) = blocks(read(PAGE), "python")
    process = await create_subprocess_exec(sys.executable, "-c", block.text)
    assert await process.wait() == 0


def test_the_tables_have_every_language() -> None:
    languages = tomllib.loads(read("tests/conformance/languages.toml"))
    heads = [line for line in read(PAGE).splitlines() if line.startswith("| feature ")]
    named = [cell.strip().lower() for cell in heads[0].split("|")[2:-1]]
    assert sorted(named) == sorted(languages)


def test_each_client_has_the_version_of_the_contract() -> None:
    version = tomllib.loads(read("pyproject.toml"))["project"]["version"]
    for file, text in {
        "clients/python/pyproject.toml": f'version = "{version}"',
        "clients/go/schoolbell/doc.go": f'const Version = "{version}"',
        "clients/java/pom.xml": f"<version>{version}</version>",
        "clients/typescript/package.json": f'"version": "{version}"',
    }.items():
        assert text in read(file), file
