"""Find enum numbers that the contract does not know, anywhere in a message.

Protobuf keeps unknown numbers silently. A plan per message type, made once, says which fields can
hold an enum at all; everything else is never looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from schoolbell_server.rpc.errors import FieldViolation


@dataclass(frozen=True, slots=True)
class _Plan:
    enums: tuple[tuple[str, frozenset[int], bool], ...]
    """Name, known numbers, repeated."""
    messages: tuple[tuple[str, Descriptor, bool], ...]
    """Name, type, repeated; only types that lead to an enum, and none of a oneof."""
    oneofs: tuple[tuple[str, dict[str, Descriptor]], ...]
    """Name, and those of its arms that lead to an enum."""


def unknown_enums(
    message: Message, *, prefix: str = "", apart: frozenset[str] = frozenset()
) -> list[FieldViolation]:
    """Return every field that holds an enum number the contract does not know.

    Messages of the types named in `apart` are left to whoever reads them.
    """
    found: list[FieldViolation] = []
    _walk(message, _plan(message.DESCRIPTOR, apart), prefix, apart, found)
    return found


def _walk(
    message: Message, plan: _Plan, prefix: str, apart: frozenset[str], found: list[FieldViolation]
) -> None:
    for name, known, repeated in plan.enums:
        value = getattr(message, name)
        if repeated:
            found += [
                _violation(f"{prefix}{name}[{index}]", number)
                for index, number in enumerate(value)
                if number not in known
            ]
        elif value not in known:
            found.append(_violation(prefix + name, value))
    for name, descriptor, repeated in plan.messages:
        if repeated:
            for index, item in enumerate(getattr(message, name)):
                _walk(item, _plan(descriptor, apart), f"{prefix}{name}[{index}].", apart, found)
        elif message.HasField(name):
            inner = getattr(message, name)
            _walk(inner, _plan(descriptor, apart), f"{prefix}{name}.", apart, found)
    for oneof, arms in plan.oneofs:
        chosen = message.WhichOneof(oneof)
        if chosen in arms:
            inner = getattr(message, chosen)
            _walk(inner, _plan(arms[chosen], apart), f"{prefix}{chosen}.", apart, found)


def _violation(path: str, number: int) -> FieldViolation:
    return FieldViolation(path, f"has no member with the number {number}")


@cache
def _plan(descriptor: Descriptor, apart: frozenset[str]) -> _Plan:
    followed = [field for field in descriptor.fields if _follow(field, apart)]
    arms: dict[str, dict[str, Descriptor]] = {}
    for field in followed:
        if field.message_type is not None and field.containing_oneof is not None:
            arms.setdefault(field.containing_oneof.name, {})[field.name] = field.message_type
    return _Plan(
        enums=tuple(
            (field.name, frozenset(field.enum_type.values_by_number), field.is_repeated)
            for field in followed
            if field.enum_type is not None
        ),
        messages=tuple(
            (field.name, field.message_type, field.is_repeated)
            for field in followed
            if field.message_type is not None and field.containing_oneof is None
        ),
        oneofs=tuple(arms.items()),
    )


def _follow(field: FieldDescriptor, apart: frozenset[str]) -> bool:
    if field.enum_type is not None:
        return True
    inner = field.message_type
    return inner is not None and _leads_to_enum(inner, apart, frozenset())


def _leads_to_enum(descriptor: Descriptor, apart: frozenset[str], above: frozenset[str]) -> bool:
    if descriptor.full_name in above | apart or descriptor.full_name.startswith("google."):
        return False
    above |= {descriptor.full_name}
    return any(
        field.enum_type is not None
        or (field.message_type is not None and _leads_to_enum(field.message_type, apart, above))
        for field in descriptor.fields
    )
