"""Make requests that look valid: required fields set, names that exist, times of today."""

from __future__ import annotations

import random
import time
from typing import Any

from google.protobuf.descriptor import Descriptor, FieldDescriptor, MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from tests.fuzz.pool import Pool
from tests.unit.contract import behaviors

_YEAR = 2027
_MOST_DEPTH = 6


class Maker:
    """Makes messages of any type."""

    def __init__(self, dice: random.Random, pool: Pool) -> None:
        self._dice = dice
        self._pool = pool

    def requests(self, method: MethodDescriptor) -> list[Message]:
        """Return what one call sends: one message, or those of a stream."""
        count = self._dice.randint(1, 5) if method.client_streaming else 1
        found = [self._message(method.input_type, 0) for _ in range(count)]
        return _import(found) if method.name == "ImportRoster" else found

    def _message(self, descriptor: Descriptor, depth: int) -> Message:
        message = GetMessageClass(descriptor)()
        if depth > _MOST_DEPTH:
            return message
        share = self._dice.choice((0.05, 0.3, 0.8))
        arms = {oneof: self._dice.choice(oneof.fields) for oneof in descriptor.oneofs}
        for field in descriptor.fields:
            behavior = behaviors(field)
            oneof = field.containing_oneof
            several = oneof is not None and len(oneof.fields) > 1
            if several and oneof is not None and arms[oneof] is not field:
                continue
            if "OUTPUT_ONLY" in behavior:
                wanted = self._dice.random() < 0.02
            else:
                wanted = several or "REQUIRED" in behavior or self._dice.random() < share
            if wanted:
                self._set(message, field, depth)
        return message

    def _set(self, message: Message, field: FieldDescriptor, depth: int) -> None:
        inner = field.message_type
        if inner is not None and inner.full_name == "google.protobuf.FieldMask":
            getattr(message, field.name).paths.extend(self._mask(message))
        elif inner is not None and inner.GetOptions().map_entry:
            getattr(message, field.name)["key"] = "value"
        elif field.is_repeated:
            count = self._dice.choice((1, 1, 1, 2, 3))
            getattr(message, field.name).extend(self._value(field, depth) for _ in range(count))
        elif inner is not None:
            getattr(message, field.name).CopyFrom(self._value(field, depth))
        else:
            setattr(message, field.name, self._value(field, depth))

    def _mask(self, message: Message) -> list[str]:
        """Return paths of the message that the mask lies beside; some of them it never has."""
        beside = [
            field.message_type
            for field in message.DESCRIPTOR.fields
            if field.message_type is not None and field.message_type.file.package == "schoolbell.v1"
        ]
        names = [field.name for one in beside for field in one.fields] or ["*"]
        return self._dice.sample(names, min(len(names), self._dice.choice((1, 1, 2))))

    def _value(self, field: FieldDescriptor, depth: int) -> Any:
        dice, inner = self._dice, field.message_type
        if inner is not None:
            return _google(inner, dice) or self._message(inner, depth + 1)
        if field.enum_type is not None:
            return dice.choice([*field.enum_type.values_by_number][1:] or [0])
        match field.type:
            case FieldDescriptor.TYPE_STRING:
                return self._pool.text(dice, field.name)
            case FieldDescriptor.TYPE_BOOL:
                return dice.random() < 0.5
            case FieldDescriptor.TYPE_DOUBLE | FieldDescriptor.TYPE_FLOAT:
                return round(dice.uniform(1, 99), 2)
            case FieldDescriptor.TYPE_BYTES:
                return dice.randbytes(dice.randrange(20))
        return _YEAR if field.name == "school_year" else dice.randint(1, 10)


def _google(descriptor: Descriptor, dice: random.Random) -> Message | None:
    """Return a value of one of Google's types; None for a message of the contract."""
    now = int(time.time())
    message: Any = GetMessageClass(descriptor)()
    match descriptor.full_name:
        case "google.protobuf.Timestamp":
            message.seconds = now - dice.randrange(600)
        case "google.protobuf.Duration":
            message.seconds = dice.choice((60, 3600, 86_400, 40 * 86_400))
        case "google.type.Date":
            day = time.gmtime(now + dice.randrange(-100, 100) * 86_400)
            message.year, message.month, message.day = day.tm_year, day.tm_mon, day.tm_mday
        case "google.type.Money":
            message.currency_code, message.units = "USD", dice.randrange(-5, 50)
        case _:
            return None
    found: Message = message
    return found


def _import(parts: list[Any]) -> list[Message]:
    """Return the parts of an import in their order: header, records, footer with the count."""
    for index, part in enumerate(parts):
        wanted = "records" if index else "header"
        if part.WhichOneof("part") != wanted:
            part.ClearField(part.WhichOneof("part"))
            getattr(part, wanted).SetInParent()
    last = type(parts[0])()
    last.footer.record_count = sum(len(part.records.records) for part in parts[1:])
    return [*parts, last]
