"""How values are stored: times as microseconds, dates as ISO texts, documents as compact JSON."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterable

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# `json.dumps` with options of its own makes an encoder on every call.
_SORTED = json.JSONEncoder(separators=(",", ":"), sort_keys=True, ensure_ascii=False)
_MICROSECOND = dt.timedelta(microseconds=1)


def to_micros(time: dt.datetime) -> int:
    """Return an aware time as microseconds since the epoch, exactly."""
    return (time - _EPOCH) // _MICROSECOND


def from_micros(micros: int) -> dt.datetime:
    """Return microseconds since the epoch as an aware UTC time."""
    return _EPOCH + dt.timedelta(microseconds=micros)


def optional_micros(time: dt.datetime | None) -> int | None:
    """Return `to_micros` of a time that may be absent."""
    return None if time is None else to_micros(time)


def optional_time(micros: int | None) -> dt.datetime | None:
    """Return `from_micros` of a column that may be null."""
    return None if micros is None else from_micros(micros)


def optional_date(text: str | None) -> dt.date | None:
    """Return the date of a column that may be null."""
    return None if text is None else dt.date.fromisoformat(text)


def to_json(document: object) -> str:
    """Return a document as compact JSON; equal documents are equal texts."""
    return _SORTED.encode(document)


def numbers(values: Iterable[int]) -> str:
    """Return a set of enum members as a sorted JSON list."""
    return to_json(sorted(int(value) for value in values))
