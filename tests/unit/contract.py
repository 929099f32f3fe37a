"""The contract's own description of itself, for tests that walk all of it."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import google.rpc
from google.api import field_behavior_pb2
from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FieldDescriptor,
    FileDescriptor,
    MethodDescriptor,
)
from google.protobuf.descriptor_pb2 import FileDescriptorSet

import schoolbell.v1

_PROTOS = Path(__file__).resolve().parents[2] / "proto"
_GOOGLE = Path(next(iter(google.rpc.__path__))).parents[1]


def files() -> list[FileDescriptor]:
    """Return every file of the contract, by name."""
    modules = sorted(
        module.name
        for module in pkgutil.iter_modules(schoolbell.v1.__path__, "schoolbell.v1.")
        if module.name.endswith("_pb2")
    )
    return [importlib.import_module(module).DESCRIPTOR for module in modules]


def enums() -> list[EnumDescriptor]:
    """Return every enum."""
    return [enum for file in files() for enum in file.enum_types_by_name.values()]


def messages() -> list[Descriptor]:
    """Return every message; the contract nests none."""
    return [message for file in files() for message in file.message_types_by_name.values()]


def fields() -> list[FieldDescriptor]:
    """Return every field of every message."""
    return [field for message in messages() for field in message.fields]


def methods() -> Iterator[MethodDescriptor]:
    """Yield every RPC."""
    for file in files():
        for service in file.services_by_name.values():
            yield from service.methods


def owner(field: FieldDescriptor) -> str:
    """Return the name of the message that a field is in."""
    assert field.containing_type is not None
    return str(field.containing_type.name)


def named(field: FieldDescriptor) -> str:
    """Return a field's name with its message, such as `Device.locale`."""
    return f"{owner(field)}.{field.name}"


def behaviors(field: FieldDescriptor) -> set[str]:
    """Return what google.api.field_behavior says of a field, such as `REQUIRED`."""
    extensions = field.GetOptions().Extensions
    numbers: Iterable[int] = extensions[field_behavior_pb2.field_behavior]  # type: ignore[index]
    return {field_behavior_pb2.FieldBehavior.Name(number) for number in numbers}


def words(text: str) -> set[str]:
    """Return the words of a text, for sets that would fill a page otherwise."""
    return set(text.split())


def in_requests() -> list[FieldDescriptor]:
    """Return every field of the contract that a caller may set, however deep in a request."""
    own, found = set(messages()), dict[str, Descriptor]()

    def take(message: Descriptor) -> None:
        if message.full_name not in found:
            found[message.full_name] = message
            for field in message.fields:
                inner = field.message_type
                if inner is not None and inner in own and "OUTPUT_ONLY" not in behaviors(field):
                    take(inner)

    for method in methods():
        take(method.input_type)
    return [field for message in found.values() for field in message.fields]


@cache
def described() -> FileDescriptorSet:
    """Return the protos as they are written, comments included, and Google's that they import."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "contract.binpb"
        subprocess.run(
            [
                *(sys.executable, "-m", "grpc_tools.protoc", f"-I{_PROTOS}", f"-I{_GOOGLE}"),
                *("--include_imports", "--include_source_info", f"--descriptor_set_out={target}"),
                *map(str, sorted(_PROTOS.glob("schoolbell/v1/*.proto"))),
            ],
            check=True,
        )
        return FileDescriptorSet.FromString(target.read_bytes())


def comments() -> Iterator[tuple[str, str]]:
    """Yield every comment of the contract with the name of its file."""
    for file in described().file:
        if file.package == "schoolbell.v1":
            for location in file.source_code_info.location:
                for text in (location.leading_comments, *location.leading_detached_comments):
                    if text:
                        lines = [line.removeprefix(" ") for line in text.split("\n")]
                        yield file.name, "\n".join(lines)
