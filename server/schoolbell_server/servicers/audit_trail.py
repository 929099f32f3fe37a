"""What the audit log says of an update: the fields that changed, before and after."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

Fields = dict[str, Any]


def changed_fields(
    before: Message, after: Message, fields: Collection[str]
) -> tuple[Fields, Fields]:
    """Return those of the named fields in which two messages differ, as each has them."""
    old, new = _document(before), _document(after)
    changed = sorted(name for name in fields if old.get(name) != new.get(name))
    return _picked(old, changed), _picked(new, changed)


def _document(message: Message) -> Fields:
    return MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _picked(document: Fields, names: Collection[str]) -> Fields:
    return {name: document[name] for name in names if name in document}
