"""The values of fields as people read them, by their descriptors: one place for all commands."""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Sequence
from typing import Any, cast

from google.protobuf import json_format
from google.protobuf.descriptor import EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from schoolbell.v1.access_service_pb2 import ToolRight
from schoolbell.v1.common_pb2 import ChangeKey, Principal

_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def prefix_of(enum: EnumDescriptor) -> str:
    """Return what the members of an enum begin with, such as `DELIVERY_STATE_`."""
    return f"{_WORD.sub('_', enum.name).upper()}_"


def member_name(enum: EnumDescriptor, number: int) -> str:
    """Return a member's name without its prefix; a number that this client does not know stays."""
    member = enum.values_by_number.get(number)
    return str(number) if member is None else member.name.removeprefix(prefix_of(enum))


def get(message: Message, path: str) -> tuple[FieldDescriptor | None, Any]:
    """Return the field at a dotted path and its value; None where something on the way is unset."""
    *parents, last = path.split(".")
    for name in parents:
        if not message.HasField(name):
            return None, None
        message = getattr(message, name)
    field = cast(FieldDescriptor, message.DESCRIPTOR.fields_by_name[last])
    if field.has_presence and not message.HasField(last):
        return field, None
    return field, getattr(message, last)


def text(field: FieldDescriptor | None, value: Any) -> str:
    """Return a field's value on one line; '' for what is not set."""
    if field is None or value is None:
        return ""
    if field.is_repeated:
        return ", ".join(one_text(field, one) for one in value)
    return one_text(field, value)


def one_text(field: FieldDescriptor, value: Any) -> str:
    """Return a single value on one line."""
    if field.enum_type is not None:
        return member_name(field.enum_type, value) if value else ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Message):
        return message_text(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def message_text(value: Message) -> str:
    """Return a message on one line: as people write it where they do, else as compact JSON."""
    match value:
        case Timestamp():
            return time_text(value)
        case Duration():
            return span_text(value.ToTimedelta())
        case Date():
            return f"{value.year:04}-{value.month:02}-{value.day:02}"
        case Money():
            return money_text(value)
        case ChangeKey():
            return f"{value.source}/{value.change_id}"
        case ToolRight():
            return " ".join(one_text(field, one) for field, one in value.ListFields())
        case Principal():
            return value.acting_user_id or value.id
        case Struct():
            return json.dumps(_whole(json_format.MessageToDict(value)), ensure_ascii=False)
    parts = [f"{words(field.name)} {text(field, one)}" for field, one in value.ListFields()]
    return ", ".join(parts)


def _whole(value: Any) -> Any:
    """Return what a Struct holds with whole numbers as such: it knows floats only."""
    if isinstance(value, dict):
        return {name: _whole(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_whole(one) for one in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def is_short(field: FieldDescriptor) -> bool:
    """Return whether one value of a field is a word or two, not a message of its own."""
    known = (Timestamp, Duration, Date, Money, ChangeKey, Principal, Struct)
    return field.message_type is None or field.message_type in [one.DESCRIPTOR for one in known]


def words(name: str) -> str:
    """Return a field's name as words, such as `time to live`."""
    if name.endswith("_ids"):
        return f"{name.removesuffix('_ids')}s".replace("_", " ")
    return name.removesuffix("_id").replace("_", " ")


def time_text(value: Timestamp) -> str:
    """Return a time in the caller's zone, to the second."""
    return value.ToDatetime(dt.UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")


def span_text(span: dt.timedelta) -> str:
    """Return a span in its largest whole units, such as `30d` or `1h 30m`."""
    seconds, parts = abs(span.total_seconds()), []
    whole = int(seconds)
    for unit, size in _UNITS:
        count, whole = divmod(whole, size)
        if count:
            parts.append(f"{count}{unit}")
    sign = "-" if span < dt.timedelta(0) else ""
    if fraction := seconds % 1:
        return f"{sign}{seconds:g}s" if seconds < 60 else f"{sign}{' '.join(parts)} {fraction:g}s"
    return sign + (" ".join(parts) or "0s")


def money_text(value: Money) -> str:
    """Return an amount with at least two decimals, such as `-4.35 USD`."""
    nanos = value.units * 10**9 + value.nanos
    whole, rest = divmod(abs(nanos), 10**9)
    decimals = f"{rest:09}".rstrip("0").ljust(2, "0")
    return f"{'-' if nanos < 0 else ''}{whole}.{decimals} {value.currency_code}".rstrip()


def lists_of(message: Message) -> Sequence[Message]:
    """Return what a page lists: its first repeated field of messages."""
    for field in message.DESCRIPTOR.fields:
        if field.is_repeated and field.message_type is not None:
            found: Sequence[Message] = getattr(message, field.name)
            return found
    raise LookupError(message.DESCRIPTOR.name)
