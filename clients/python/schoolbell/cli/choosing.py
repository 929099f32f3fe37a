"""Options that choose: members of enums, and spans of time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import TypeVar

import click
from google.protobuf.timestamp_pb2 import Timestamp

from schoolbell.v1 import common_pb2

Number = TypeVar("Number", bound=int)


class Instant(click.ParamType[dt.datetime]):
    """A time as ISO 8601, such as 2026-11-24 or 2026-11-24T08:15; local where it has no zone."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> dt.datetime:
        """Return an aware time."""
        try:
            return dt.datetime.fromisoformat(str(value)).astimezone()
        except (ValueError, OverflowError):
            self.fail(f"{value!r} is no time, such as 2026-11-24T08:15", param, ctx)


INSTANT = Instant()


def stamp(time: dt.datetime | None) -> Timestamp | None:
    """Return a time as a message; None stays."""
    if time is None:
        return None
    message = Timestamp()
    message.FromDatetime(time)
    return message


def members(names: Iterable[str], prefix: str) -> click.Choice[str]:
    """Return the choice of an enum's members by their names: lower case, without the prefix."""
    return click.Choice(
        [name.removeprefix(prefix).lower() for name in names if not name.endswith("_UNSPECIFIED")]
    )


def numbers(value: Callable[[str], Number], prefix: str, names: Iterable[str]) -> list[Number]:
    """Return the members that were chosen; `value` is the enum's by name."""
    return [value(f"{prefix}{name.upper()}") for name in names]


KIND = members(common_pb2.Kind.keys(), "KIND_")


def kinds(names: Iterable[str]) -> list[common_pb2.Kind.ValueType]:
    """Return the kinds that were chosen."""
    return numbers(common_pb2.Kind.Value, "KIND_", names)
