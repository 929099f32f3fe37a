"""A fact's state, and what a delivery tells of it, as compact text."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from decimal import Decimal
from typing import Any, get_args, get_type_hints

from schoolbell_server.domain import compact
from schoolbell_server.domain.fact import FactState, Mark, Previous, Setter, Told, Value
from schoolbell_server.domain.kinds import AttendanceExcuse, AttendanceStatus
from schoolbell_server.domain.kinds.registry import VALUES

Document = list[Any]


def encode_state(state: FactState) -> str:
    """Return a state as compact text."""
    marks = [
        [
            mark.setter.source,
            mark.setter.section_id,
            mark.status,
            mark.excuse,
            _time(mark.occur_time),
        ]
        for mark in state.marks
    ]
    return compact.encode(
        [
            encode_value(state.value),
            _time(state.occur_time),
            _time(state.set_time),
            state.setter.source,
            state.setter.section_id,
            marks,
            *([state.students] if state.students else []),
        ]
    )


def decode_state(text: str) -> FactState:
    """Return the state that `encode_state` wrote."""
    value, occurred, was_set, source, section, marks, *students = json.loads(text)
    return FactState(
        value=decode_value(value),
        occur_time=_parse(occurred),
        set_time=_parse(was_set),
        setter=Setter(source, section),
        marks=tuple(
            Mark(
                setter=Setter(mark_source, mark_section),
                status=AttendanceStatus(status),
                excuse=AttendanceExcuse(excuse),
                occur_time=_parse(when),
            )
            for mark_source, mark_section, status, excuse, when in marks
        ),
        students=tuple(*students),
    )


def encode_told(told: Told) -> str:
    """Return what a delivery tells as compact text."""
    previous = told.previous
    since = None if previous.set_time is None else _time(previous.set_time)
    return compact.encode(
        [
            encode_value(previous.value),
            previous.from_publisher,
            since,
            encode_value(told.current),
            *([told.shared_student_ids] if told.shared_student_ids else []),
        ]
    )


def decode_told(text: str) -> Told:
    """Return what `encode_told` wrote."""
    value, from_publisher, since, current, *shared = json.loads(text)
    previous = Previous(
        value=decode_value(value),
        from_publisher=from_publisher,
        set_time=None if since is None else _parse(since),
    )
    return Told(previous, decode_value(current), tuple(*shared))


def encode_value(value: Value | None) -> Document | None:
    """Return a value as a document that begins with its tag; a decimal is its text."""
    if value is None:
        return None
    _kind, readers = _VALUES[value.tag]
    return [value.tag, *[_plain(getattr(value, name)) for name in readers]]


def decode_value(document: Document | None) -> Value | None:
    """Return the value that `encode_value` wrote; earlier versions wrote fewer fields."""
    if document is None:
        return None
    try:
        tag, first, *others = document
        kind, readers = _VALUES[tag]
        found = zip(readers.values(), (first, *others), strict=False)
        return kind(*[None if item is None else read(item) for read, item in found])
    except (KeyError, ValueError) as error:
        raise ValueError(f"not a value: {document!r}") from error


def _plain(item: object) -> object:
    if isinstance(item, Decimal):
        return str(item)
    return item.isoformat() if isinstance(item, dt.date) else item


def _readers(value: type[Value]) -> dict[str, Callable[[Any], Any]]:
    """Return how each field of a value is read, if it is not None: by its type."""
    hints = get_type_hints(value)
    types = {
        one.name: (get_args(hints[one.name]) or (hints[one.name],))[0] for one in fields(value)
    }
    return {name: _PARSERS.get(kind, kind) for name, kind in types.items()}


_PARSERS: Mapping[type, Callable[[Any], Any]] = {dt.date: dt.date.fromisoformat}
_VALUES = {tag: (value, _readers(value)) for tag, value in VALUES.items()}


def _time(time: dt.datetime) -> str:
    return time.astimezone(dt.UTC).isoformat()


def _parse(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)
