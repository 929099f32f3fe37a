"""A page of the reference: a file's service with its RPCs, then its messages and enums."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.descriptor_pb2 import (
    MethodDescriptorProto,
    MethodOptions,
    ServiceDescriptorProto,
)

from tools.api_docs.contract import METHOD, PACKAGE, Contract, File, Path, is_own, short
from tools.api_docs.tables import fields_table, members_table
from tools.api_docs.text import Linker

NOTE = "Generated from `proto/{name}` by `make proto`; change that file."

_REPEATING = {
    MethodOptions.NO_SIDE_EFFECTS: "It only reads and may be repeated.",
    MethodOptions.IDEMPOTENT: "It may be repeated: a second call changes nothing more.",
    MethodOptions.IDEMPOTENCY_UNKNOWN: "",
}


def page(contract: Contract, file: File) -> str:
    """Return the page of a file."""
    linker = Linker(contract.pages, file.page)
    title = file.descriptor.service[0].name if file.descriptor.service else file.descriptor.name
    parts = [
        f"<!-- {NOTE.format(name=file.descriptor.name)} -->",
        f"# {title}",
        linker.prose(file.introduction),
        *_services(contract, file, linker),
        *_messages(contract, file, linker),
        *_enums(file, linker),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _services(contract: Contract, file: File, linker: Linker) -> Iterator[str]:
    for path, service in file.services:
        yield linker.prose(file.comment(*path))
        yield _overview(file, path, service, linker)
        for index, method in enumerate(service.method):
            yield from _method(contract, file, (*path, METHOD, index), service.name, method, linker)


def _overview(file: File, path: Path, service: ServiceDescriptorProto, linker: Linker) -> str:
    rows = ["| RPC | What it does |", "| --- | --- |"]
    for index, method in enumerate(service.method):
        comment = file.comment(*path, METHOD, index).split("\n\n")[0].replace("\n", " ")
        first, dot, _ = comment.partition(". ")
        rows.append(f"| {linker.link(method.name)} | {linker.cell(first)}{dot.strip()} |")
    return "\n".join(rows)


def _method(
    contract: Contract,
    file: File,
    path: Path,
    service: str,
    method: MethodDescriptorProto,
    linker: Linker,
) -> Iterator[str]:
    yield f"## {method.name}"
    yield linker.prose(file.comment(*path))
    repeating = _REPEATING[method.options.idempotency_level]
    yield f"Its path is `/{PACKAGE}.{service}/{method.name}`. {repeating}".rstrip()
    for word, name, streams in (
        ("request", method.input_type, method.client_streaming),
        ("response", method.output_type, method.server_streaming),
    ):
        yield from _part(file, name, f"a stream of {word}s" if streams else f"the {word}", linker)


def _part(file: File, full_name: str, word: str, linker: Linker) -> Iterator[str]:
    """Show a request or response; one that is explained elsewhere is only named."""
    name = short(full_name)
    found = next((one for one in file.messages if one[1].name == name), None)
    if found is None or not is_own(full_name):
        yield f"{word.capitalize()}: {linker.link(name)}."
        return
    path, message = found
    yield f"### {name}"
    yield f"{word.capitalize()}. {linker.prose(file.comment(*path))}".rstrip()
    yield fields_table(file, path, message, linker)


def _messages(contract: Contract, file: File, linker: Linker) -> Iterator[str]:
    for path, message in file.messages:
        if message.name in contract.request_and_response_names:
            continue
        yield f"## {message.name}"
        yield linker.prose(file.comment(*path))
        yield fields_table(file, path, message, linker)


def _enums(file: File, linker: Linker) -> Iterator[str]:
    for path, enum in file.enums:
        yield f"## {enum.name}"
        yield linker.prose(file.comment(*path))
        yield members_table(file, path, enum, linker)
