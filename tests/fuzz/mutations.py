"""Make a request hostile: one value replaced by an extreme one, or its bytes damaged."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from tests.fuzz.pool import FOREIGN

TEXTS = (
    "",
    "\0",
    "a\0b",
    " ",
    "-",
    "\x1b[2J",
    "\u202e\U0001f600",
    "\ufffe",
    "%s%n'; DROP TABLE x; --",
    "../../etc/passwd",
    "x" * 129,
    "x" * 1025,
    "é" * 5_000,
    "9" * 400,
    "NaN",
    FOREIGN,
)
INTEGERS = (0, -1, 1001, 2**31 - 1, -(2**31), 2**31, 2**53, 2**63 - 1, -(2**63))
DOUBLES = (0.0, -0.0, -1.0, 1e-320, 1e308, float("inf"), float("-inf"), float("nan"))
_NOT_UTF8 = (b"\xed\xa0\x80", b"\xc0\x80", b"\xff", b"\xf4\x90\x80\x80")
_TOKENS = ("page_token", "resume_token", "etag")


def mutate(dice: random.Random, message: Message) -> None:
    """Replace one value, chosen among all that the message holds, by an extreme one."""
    places = list(_places(message))
    if not places:
        return
    holder, field = dice.choice(places)
    if field.is_repeated and dice.random() < 0.2:
        _crowd(dice, getattr(holder, field.name))
    elif field.message_type is None:
        _extreme(dice, holder, field)


def damage(dice: random.Random, data: bytes) -> bytes:
    """Return bytes that are no message any more, or another one than was meant."""
    return dice.choice(_DAMAGES)(dice, data)


def _places(message: Message, depth: int = 8) -> Iterator[tuple[Any, Any]]:
    """Return every field that is set, and every text, number or enum that could be."""
    for field in message.DESCRIPTOR.fields:
        inner = field.message_type
        if inner is None:
            yield message, field
        elif not inner.GetOptions().map_entry and depth:
            held = getattr(message, field.name)
            if field.is_repeated:
                yield message, field
                for item in held:
                    yield from _places(item, depth - 1)
            elif message.HasField(field.name):
                yield from _places(held, depth - 1)


def _crowd(dice: random.Random, values: Any) -> None:
    """Let a list have no values, twice the same, or far too many."""
    some = list(values)
    del values[:]
    values.extend(some * dice.choice((0, 2, 101, 1001)) if some else [])


def _extreme(dice: random.Random, holder: Any, field: FieldDescriptor) -> None:
    if field.type == FieldDescriptor.TYPE_STRING:
        value: Any = _text(dice, holder, field)
    elif field.enum_type is not None:
        value = dice.choice((0, 99, -1, 2**31 - 1))
    elif field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
        value = dice.choice(DOUBLES)
    elif field.type == FieldDescriptor.TYPE_BOOL:
        value = dice.random() < 0.5
    elif field.type == FieldDescriptor.TYPE_BYTES:
        value = dice.randbytes(30)
    else:
        wide = field.type == FieldDescriptor.TYPE_INT64
        value = dice.choice([one for one in INTEGERS if wide or -(2**31) <= one < 2**31])
    if not field.is_repeated:
        setattr(holder, field.name, value)
    elif len(getattr(holder, field.name)):
        getattr(holder, field.name)[-1] = value
    else:
        getattr(holder, field.name).append(value)


def _text(dice: random.Random, holder: Any, field: FieldDescriptor) -> str:
    """Return an extreme text; of a real token often one that differs from it by a few letters."""
    present = "" if field.is_repeated else getattr(holder, field.name)
    if present and field.name in _TOKENS and dice.random() < 0.7:
        letters = list(present)
        for _ in range(dice.randint(1, 3)):
            letters[dice.randrange(len(letters))] = dice.choice("AZaz09-_")
        return "".join(letters)
    return dice.choice(TEXTS)


def _cut(dice: random.Random, data: bytes) -> bytes:
    return data[: dice.randrange(len(data) + 1)]


def _flip(dice: random.Random, data: bytes) -> bytes:
    changed = bytearray(data or b"\0")
    for _ in range(dice.randint(1, 8)):
        changed[dice.randrange(len(changed))] = dice.randrange(256)
    return bytes(changed)


def _no_utf8(dice: random.Random, data: bytes) -> bytes:
    """Append a string field whose bytes are no UTF-8."""
    bad = dice.choice(_NOT_UTF8)
    return data + bytes([dice.randint(1, 15) << 3 | 2, len(bad)]) + bad


def _nested(dice: random.Random, data: bytes) -> bytes:
    """Append groups or messages nested far deeper than any type has them."""
    depth, number = dice.choice((90, 101, 1_000, 20_000)), dice.randint(1, 15)
    if dice.random() < 0.5:
        return data + bytes([number << 3 | 3]) * depth + bytes([number << 3 | 4]) * depth
    inner = b""
    for _ in range(min(depth, 1_000)):
        inner = bytes([number << 3 | 2]) + _varint(len(inner)) + inner
    return data + inner


def _random(dice: random.Random, _data: bytes) -> bytes:
    return dice.randbytes(dice.choice((1, 10, 100, 5_000)))


def _large(dice: random.Random, data: bytes) -> bytes:
    """Append an unknown field of many bytes, within the limit of a message or beyond it."""
    size = dice.choice((100_000, 5 * 2**20))
    return data + bytes([15 << 3 | 2]) + _varint(size) + bytes(size)


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


_DAMAGES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    *(_cut, _flip, _no_utf8, _nested) * 5,
    *(_random,) * 3,
    _large,
)
