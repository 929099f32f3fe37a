"""The index of the reference: how to read it, and where everything is."""

from __future__ import annotations

from pathlib import Path

from tools.api_docs.contract import Contract, File
from tools.api_docs.text import Linker

_PAGE = "README.md"
_HOW_TO_READ = Path(__file__).with_name("how_to_read.md")


def index_page(contract: Contract) -> str:
    """Return the index."""
    linker = Linker(contract.pages, _PAGE)
    services = [file for file in contract.files if file.descriptor.service]
    shared = [file for file in contract.files if not file.descriptor.service]
    parts = [_HOW_TO_READ.read_text(encoding="utf-8").rstrip(), "## Services"]
    parts += [_service(file, linker) for file in services]
    parts += ["## What they share", "\n".join(_shared(file, linker) for file in shared)]
    return "\n\n".join(parts) + "\n"


def _service(file: File, linker: Linker) -> str:
    lines = []
    for path, service in file.services:
        methods = ", ".join(linker.link(one.name) for one in service.method)
        first = file.comment(*path).split("\n\n")[0]
        lines.append(f"**[{service.name}]({file.page})**: {linker.cell(first)}\n\n{methods}")
    return "\n\n".join(lines)


def _shared(file: File, linker: Linker) -> str:
    names = [one.name for _, one in file.messages] + [one.name for _, one in file.enums]
    return f"- [{file.descriptor.name}]({file.page}): {', '.join(map(linker.link, names))}"
