"""The types of options: what people write for a field of a message."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any

import click
from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from schoolbell import build
from schoolbell.cli.values import prefix_of
from schoolbell.proto_json import BadJson, parse
from schoolbell.v1 import common_pb2
from schoolbell.v1.common_pb2 import ChangeKey

_SPAN = re.compile(r"(?:(\d+)d)?\s*(?:(\d+)h)?\s*(?:(\d+)m)?\s*(?:(\d+)s)?", re.ASCII)


class Written(click.ParamType[Any]):
    """A type whose values are read by a function that raises ValueError for others."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """Return the value; UsageError says what is valid."""
        try:
            return self._read(value) if isinstance(value, str) else value
        except (ValueError, OverflowError) as error:
            return self.fail(str(error), param, ctx)


def read_instant(text: str) -> dt.datetime:
    """Return an aware time; local where it has no zone."""
    try:
        return dt.datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):
        raise ValueError(f"{text!r} is no time, such as 2026-11-24T08:15") from None


def read_span(text: str) -> dt.timedelta:
    """Return a span such as 30d, 48h, 10m or 1h30m."""
    found = _SPAN.fullmatch(text.strip())
    if found is None or not any(found.groups()):
        raise ValueError(f"{text!r} is no span, such as 30d, 48h or 10m")
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return dt.timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def read_date(text: str) -> Date:
    """Return a day."""
    try:
        return build.date(dt.date.fromisoformat(text))
    except ValueError:
        raise ValueError(f"{text!r} is no date, such as 2026-11-24") from None


def read_change_key(text: str) -> ChangeKey:
    """Return the key of a change from SOURCE/CHANGE_ID."""
    source, slash, change_id = text.partition("/")
    if not (source and slash and change_id):
        raise ValueError(
            f"{text!r} names no change: write SOURCE/CHANGE_ID, such as sis/grade-88123"
        )
    return ChangeKey(source=source, change_id=change_id)


def read_money(text: str) -> Money:
    """Return an amount such as 4.25, in the district's currency, or `4.25 USD`."""
    amount, _, currency = text.partition(" ")
    return build.money(amount, currency)


def _stamp(time: dt.datetime) -> Timestamp:
    message = Timestamp()
    message.FromDatetime(time)
    return message


def _duration(span: dt.timedelta) -> Duration:
    message = Duration()
    message.FromTimedelta(span)
    return message


_KNOWN: dict[str, click.ParamType[Any]] = {
    Timestamp.DESCRIPTOR.full_name: Written("time", lambda text: _stamp(read_instant(text))),
    Duration.DESCRIPTOR.full_name: Written("span", lambda text: _duration(read_span(text))),
    Date.DESCRIPTOR.full_name: Written("date", read_date),
    Money.DESCRIPTOR.full_name: Written("amount", read_money),
    ChangeKey.DESCRIPTOR.full_name: Written("source/change", read_change_key),
}
_PLAIN: dict[int, click.ParamType[Any]] = {
    FieldDescriptor.CPPTYPE_STRING: click.STRING,
    FieldDescriptor.CPPTYPE_INT32: click.INT,
    FieldDescriptor.CPPTYPE_INT64: click.INT,
    FieldDescriptor.CPPTYPE_DOUBLE: click.FLOAT,
    FieldDescriptor.CPPTYPE_BOOL: click.BOOL,
}


class Member(click.Choice[str]):
    """A member of an enum by its name: lower case, without the prefix; the value is its number."""

    def __init__(self, enum: EnumDescriptor) -> None:
        self._enum, self._prefix = enum, prefix_of(enum)
        super().__init__(
            [one.name.removeprefix(self._prefix).lower() for one in enum.values if one.number]
        )

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the member's number."""
        if isinstance(value, int):
            return value
        text = str(value).removeprefix(self._prefix).lower().replace("-", "_")
        return self._enum.values_by_name[
            self._prefix + super().convert(text, param, ctx).upper()
        ].number


KIND = Member(common_pb2.Kind.DESCRIPTOR)


def type_of(field: FieldDescriptor) -> click.ParamType[Any]:
    """Return the type of the option that sets a field."""
    if field.enum_type is not None:
        return Member(field.enum_type)
    if field.message_type is None:
        return _PLAIN[field.cpp_type]
    return _KNOWN.get(field.message_type.full_name) or _json_type(field.message_type)


def _json_type(descriptor: Descriptor) -> click.ParamType[Any]:
    def read(text: str) -> Any:
        try:
            return parse(text, GetMessageClass(descriptor)())
        except BadJson as error:
            raise ValueError(f"{descriptor.name}: {error}") from None

    return Written("json", read)
