"""The contract with its comments, as a descriptor set with source information gives it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePosixPath

from google.api import field_behavior_pb2
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    FileDescriptorSet,
    ServiceDescriptorProto,
    SourceCodeInfo,
)

PACKAGE = "schoolbell.v1"
Path = tuple[int, ...]
"""Where an element stands in its file: field numbers of the descriptor and indexes, by turns."""

MESSAGE, ENUM, SERVICE = 4, 5, 6  # of FileDescriptorProto
FIELD, VALUE, METHOD, ONEOF = 2, 2, 2, 8  # of DescriptorProto, Enum…, Service…, DescriptorProto
_SYNTAX, _PACKAGE = (12,), (2,)


@dataclass(frozen=True)
class File:
    """A file of the contract: one page of the reference."""

    descriptor: FileDescriptorProto
    _comments: dict[Path, SourceCodeInfo.Location] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Index the locations by path."""
        for location in self.descriptor.source_code_info.location:
            self._comments.setdefault(tuple(location.path), location)

    @property
    def page(self) -> str:
        """Return the name of the file's page."""
        return f"{PurePosixPath(self.descriptor.name).stem.replace('_', '-')}.md"

    def comment(self, *path: int) -> str:
        """Return the comment before an element, without the indentation that all lines share."""
        location = self._comments.get(path)
        return clean(location.leading_comments) if location is not None else ""

    @cached_property
    def introduction(self) -> str:
        """Return the comments that stand by themselves: they are about the file."""
        own = [self.comment(*_SYNTAX), self.comment(*_PACKAGE)]
        detached = [
            clean(one)
            for location in self.descriptor.source_code_info.location
            for one in location.leading_detached_comments
        ]
        return "\n\n".join(text for text in (*own, *detached) if text)

    @property
    def services(self) -> Iterator[tuple[Path, ServiceDescriptorProto]]:
        """Yield the services with their paths."""
        for index, one in enumerate(self.descriptor.service):
            yield (SERVICE, index), one

    @property
    def messages(self) -> Iterator[tuple[Path, DescriptorProto]]:
        """Yield the messages with their paths."""
        for index, one in enumerate(self.descriptor.message_type):
            yield (MESSAGE, index), one

    @property
    def enums(self) -> Iterator[tuple[Path, EnumDescriptorProto]]:
        """Yield the enums with their paths."""
        for index, one in enumerate(self.descriptor.enum_type):
            yield (ENUM, index), one


class Contract:
    """Every file of the contract, and on which page each name is explained."""

    def __init__(self, found: FileDescriptorSet) -> None:
        """Take the files of the package; ValueError where the reference could not show one."""
        own = [one for one in found.file if one.package == PACKAGE]
        self.files = [File(one) for one in sorted(own, key=lambda one: one.name)]
        self.pages: dict[str, str] = {}
        for file in self.files:
            for name in _names(file):
                if name in self.pages:
                    raise ValueError(f"{name} is the name of two things")
                self.pages[name] = file.page
        nested = [message.name for one in own for message in one.message_type if _nests(message)]
        if nested:
            raise ValueError(f"the reference shows no nested types: {', '.join(nested)}")

    @cached_property
    def request_and_response_names(self) -> set[str]:
        """Return the names of the messages that are shown with their RPC."""
        methods = [
            one for file in self.files for _, service in file.services for one in service.method
        ]
        return {short(name) for one in methods for name in (one.input_type, one.output_type)}


def short(full_name: str) -> str:
    """Return a type's name without its package."""
    return full_name.rpartition(".")[2]


def is_own(full_name: str) -> bool:
    """Say whether a type is of the contract rather than of Google's packages."""
    return full_name.removeprefix(".").rpartition(".")[0] == PACKAGE


def behaviors(one: FieldDescriptorProto) -> set[str]:
    """Return what google.api.field_behavior says of a field, such as `REQUIRED`."""
    numbers: Iterable[int] = one.options.Extensions[field_behavior_pb2.field_behavior]  # type: ignore[index]
    return {field_behavior_pb2.FieldBehavior.Name(number) for number in numbers}


def clean(comment: str) -> str:
    """Return a comment's lines without the blank that follows the slashes."""
    lines = [line.removeprefix(" ").rstrip() for line in comment.strip("\n").split("\n")]
    return "\n".join(lines).strip("\n")


def _names(file: File) -> Iterator[str]:
    for _, service in file.services:
        yield service.name
        yield from (one.name for one in service.method)
    yield from (one.name for _, one in file.messages)
    yield from (one.name for _, one in file.enums)


def _nests(message: DescriptorProto) -> bool:
    return bool(message.enum_type) or any(not one.options.map_entry for one in message.nested_type)
