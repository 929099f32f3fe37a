"""Read the fields of a filter: bounded lists, members of enums, spans of time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from enum import IntEnum
from typing import TypeVar

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from schoolbell_server.contract.fields import ReportViolation, read_time
from schoolbell_server.rpc import field_reasons as reasons

MOST_VALUES = 100
"""Values in one field of a filter."""
_Member = TypeVar("_Member", bound=IntEnum)


def check_counts(
    message: Message, fields: Iterable[str], path: str, report: ReportViolation
) -> None:
    """Report fields with too many values."""
    for field in fields:
        count = len(getattr(message, field))
        if count > MOST_VALUES:
            report(
                f"{path}.{field}",
                f"must have at most {MOST_VALUES} values, has {count}",
                reasons.TOO_LONG,
            )


def read_members(
    enum: type[_Member], numbers: Iterable[int], path: str, report: ReportViolation
) -> list[_Member]:
    """Return the members that a repeated field names."""
    found = []
    for index, number in enumerate(numbers):
        if number in enum._value2member_map_:
            found.append(enum(number))
        else:
            report(
                f"{path}[{index}]",
                f"has no member with the number {number}",
                reasons.UNKNOWN_ENUM_NUMBER,
            )
    return found


def read_bound(
    message: Message, field: str, path: str, report: ReportViolation
) -> dt.datetime | None:
    """Return one end of a span of time; None where it is open."""
    if not message.HasField(field):
        return None
    return read_time(getattr(message, field), f"{path}.{field}", report)


def within(time: Timestamp, start: dt.datetime | None, end: dt.datetime | None) -> bool:
    """Return whether a time lies in [start, end)."""
    found = time.ToDatetime(tzinfo=dt.UTC)
    return (start is None or found >= start) and (end is None or found < end)
