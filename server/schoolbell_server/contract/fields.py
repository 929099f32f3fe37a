"""Read single fields of a message: a value, or a complaint that names the field.

Every reader reports through `ReportViolation` and goes on, so that one pass names all bad fields.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from decimal import Decimal
from typing import Protocol, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.type.date_pb2 import Date
from google.type.money_pb2 import Money

from schoolbell_server.domain.locales import is_well_formed
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.field_reasons import FieldReason


class ReportViolation(Protocol):
    """Is told of a bad field."""

    def __call__(
        self, path: str, description: str, reason: FieldReason = reasons.BAD_FORMAT, /
    ) -> None:
        """Take the path of a field, the rest of the sentence after it, and the broken rule."""


MAX_SCORE_PERCENT = 1000.0
MAX_LIMIT_PERCENT = 100.0
_NANOS = 1_000_000_000
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)
_FOUR_DECIMALS = Decimal("0.0001")
_MOST_UNITS = 10**12
_VERSION = re.compile(r"\d{1,9}(\.\d{1,9}){0,5}", re.ASCII)

T = TypeVar("T")


def read_id(value: str, path: str, report: ReportViolation, *, required: bool = True) -> str:
    """Return an id; what it may hold was checked as the request came in (`rpc.texts`)."""
    if required and not value:
        report(path, "is required", reasons.REQUIRED)
    return value


def read_locale(value: str, path: str, report: ReportViolation) -> str:
    """Return the tag of a language; empty passes."""
    if value and not is_well_formed(value):
        report(path, "must be a BCP 47 tag, such as en or es-MX")
    return value


def read_version(value: str, path: str, report: ReportViolation) -> str:
    """Return a version as dotted numbers; empty passes."""
    if value and not _VERSION.fullmatch(value):
        report(path, "must be dotted numbers, such as 15.2")
    return value


def read_percent(value: float, path: str, report: ReportViolation, most: float) -> Decimal | None:
    """Return a percentage from 0 to `most`, rounded to 4 decimals by its shortest decimal."""
    if not math.isfinite(value) or not 0 <= value <= most:
        report(path, f"must be a percentage from 0 to {most:g}, is {value:g}", reasons.OUT_OF_RANGE)
        return None
    return abs(Decimal(repr(value)).quantize(_FOUR_DECIMALS).normalize())


def read_points(value: float, path: str, report: ReportViolation, *, zero: bool) -> Decimal | None:
    """Return points: finite, at least 0 (above 0 where zero makes no sense), below a million."""
    if not math.isfinite(value) or not 0 <= value < 1e6 or (value == 0 and not zero):
        report(
            path,
            f"must be {'from' if zero else 'above'} 0 and below 1000000, is {value:g}",
            reasons.OUT_OF_RANGE,
        )
        return None
    return abs(Decimal(repr(value)).quantize(_FOUR_DECIMALS).normalize())


def read_date(message: Date, path: str, report: ReportViolation) -> dt.date | None:
    """Return a whole date: year, month and day all set."""
    try:
        return dt.date(message.year, message.month, message.day)
    except ValueError:
        report(
            path,
            "must be a date with year, month and day, is "
            f"{message.year:04}-{message.month:02}-{message.day:02}",
            reasons.OUT_OF_RANGE,
        )
        return None


def read_time(message: Timestamp, path: str, report: ReportViolation) -> dt.datetime | None:
    """Return a timestamp as an aware UTC time, to the microsecond."""
    try:
        return message.ToDatetime(tzinfo=dt.UTC)
    except (ValueError, OverflowError):
        report(path, "must be a timestamp from 0001-01-01 to 9999-12-31", reasons.OUT_OF_RANGE)
        return None


def read_money(message: Money, path: str, report: ReportViolation) -> Decimal | None:
    """Return an exact amount; the currency is checked against the district's by the caller."""
    if not -_NANOS < message.nanos < _NANOS:
        report(f"{path}.nanos", "must lie between -999999999 and 999999999", reasons.OUT_OF_RANGE)
        return None
    if (message.units > 0 > message.nanos) or (message.units < 0 < message.nanos):
        report(path, "must have units and nanos of one sign", reasons.INCONSISTENT)
        return None
    if abs(message.units) > _MOST_UNITS:
        report(
            f"{path}.units",
            f"must lie between -{_MOST_UNITS} and {_MOST_UNITS}",
            reasons.OUT_OF_RANGE,
        )
        return None
    return (message.units + Decimal(message.nanos).scaleb(-9)).normalize()


def read_duration(
    message: Duration, path: str, limits: tuple[dt.timedelta, dt.timedelta], report: ReportViolation
) -> dt.timedelta | None:
    """Return a duration within limits, both allowed."""
    least, most = limits
    try:
        duration = message.ToTimedelta()
    except (ValueError, OverflowError):
        duration = None
    if duration is None or not least <= duration <= most:
        report(
            path,
            f"must be from {_seconds(least)} to {_seconds(most)} seconds",
            reasons.OUT_OF_RANGE,
        )
        return None
    return duration


def write_duration(duration: dt.timedelta) -> Duration:
    """Return a duration as a message."""
    message = Duration()
    message.FromTimedelta(duration)
    return message


def _seconds(duration: dt.timedelta) -> str:
    return f"{duration.total_seconds():.6f}".rstrip("0").rstrip(".")


def write_date(date: dt.date) -> Date:
    """Return a date as a message."""
    return Date(year=date.year, month=date.month, day=date.day)


def write_time(time: dt.datetime) -> Timestamp:
    """Return an aware time as a message."""
    # Timestamp.FromDatetime takes ten times as long, and a publish writes many times.
    micros = (time - _EPOCH) // _MICROSECOND
    return Timestamp(seconds=micros // 1_000_000, nanos=micros % 1_000_000 * 1_000)


def day_of(time: dt.datetime) -> dt.datetime:
    """Return when the day of a time began; what is told to the day is told so."""
    return time.replace(hour=0, minute=0, second=0, microsecond=0)


def write_money(amount: Decimal, currency_code: str) -> Money:
    """Return an exact amount as a message."""
    units = int(amount)
    nanos = int((amount - units).scaleb(9))
    return Money(currency_code=currency_code, units=units, nanos=nanos)
