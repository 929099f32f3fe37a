"""Look at every field of a message that a checker is about, wherever the message holds it.

A plan per message type and checker, made once from the descriptors, says which fields hold such a
value or lead to one; everything else is never looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from schoolbell_server.rpc.errors import FieldViolation
from schoolbell_server.rpc.field_reasons import FieldReason

MOST_FOUND = 1_000
"""No more is looked for: a message of 4 MiB may hold millions of bad values."""

Check = Callable[[Any], "BadValue | None"]
"""Returns what is wrong with a value; None if nothing is."""

Checker = Callable[[FieldDescriptor], Check | None]
"""Returns how to check a field's values; None if the checker is not about the field."""


class BadValue(NamedTuple):
    """What is wrong with a value, and which check it fails."""

    description: str
    reason: FieldReason


@dataclass(frozen=True, slots=True)
class _Step:
    check: Check | None
    """None is a message to walk into."""
    repeated: bool = False
    key_check: Check | None = None
    """Of the keys of a map."""
    is_map: bool = False


def find(
    message: Message, checker: Checker, *, prefix: str = "", apart: frozenset[str] = frozenset()
) -> list[FieldViolation]:
    """Return the first `MOST_FOUND` values that fail a check, each with its path.

    Messages of the types named in `apart` are left to whoever reads them.
    """
    return list(islice(_walk(message, checker, prefix, apart), MOST_FOUND))


def _walk(
    message: Message, checker: Checker, prefix: str, apart: frozenset[str]
) -> Iterator[FieldViolation]:
    plan = _plan(message.DESCRIPTOR, checker, apart)
    if not plan:
        return
    for field, value in message.ListFields():
        step = plan.get(field.name)
        if step is None:
            continue
        path = prefix + field.name
        if step.key_check is not None:
            for key in value:
                if wrong := step.key_check(key):
                    yield FieldViolation(f"{path}[{key!r}]", *wrong)
        check = step.check
        for here, item in _items(path, value, step):
            if check is None:
                yield from _walk(item, checker, f"{here}.", apart)
            elif wrong := check(item):
                yield FieldViolation(here, *wrong)


def _items(path: str, value: Any, step: _Step) -> Iterator[tuple[str, Any]]:
    if step.is_map:
        for key in value:
            yield f"{path}[{key!r}]", value[key]
    elif step.repeated:
        for index, item in enumerate(value):
            yield f"{path}[{index}]", item
    else:
        yield path, value


@cache
def _plan(descriptor: Descriptor, checker: Checker, apart: frozenset[str]) -> Mapping[str, _Step]:
    steps = {field.name: _step(field, checker, apart) for field in descriptor.fields}
    return {name: step for name, step in steps.items() if step is not None}


def _step(field: FieldDescriptor, checker: Checker, apart: frozenset[str]) -> _Step | None:
    inner = field.message_type
    if inner is None:
        check = checker(field)
        return None if check is None else _Step(check, field.is_repeated)
    if not _leads(inner, checker, apart, frozenset()):
        return None
    if not inner.GetOptions().map_entry:
        return _Step(None, field.is_repeated)
    entry = inner.fields_by_name
    of_value = _step(entry["value"], checker, apart)
    check = _sound if of_value is None else of_value.check
    return _Step(check, key_check=checker(entry["key"]), is_map=True)


def _leads(
    descriptor: Descriptor, checker: Checker, apart: frozenset[str], above: frozenset[str]
) -> bool:
    """Return whether a message of this type can hold a value that the checker is about."""
    if descriptor.full_name in above | apart:
        return False
    above |= {descriptor.full_name}
    return any(
        _leads(field.message_type, checker, apart, above)
        if field.message_type is not None
        else checker(field) is not None
        for field in descriptor.fields
    )


def _sound(_value: object) -> None:
    """Stand for the values of a map that no checker is about."""
