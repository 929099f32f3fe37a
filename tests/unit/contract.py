"""The contract's own description of itself, for tests that walk all of it."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from google.protobuf.descriptor import (
    Descriptor,
    EnumDescriptor,
    FileDescriptor,
    MethodDescriptor,
)

import schoolbell.v1


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


def methods() -> Iterator[MethodDescriptor]:
    """Yield every RPC."""
    for file in files():
        for service in file.services_by_name.values():
            yield from service.methods
