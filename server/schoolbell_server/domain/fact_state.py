"""What is stored of a fact, and its compact text.

A number is stored as the text of its decimal: nothing is lost on the way.
"""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from schoolbell_server.domain import compact
from schoolbell_server.domain.fact import (
    AssignedValue,
    AttendanceValue,
    BalanceValue,
    DueDateValue,
    GradeValue,
    Previous,
    ScheduleValue,
    ScoreValue,
    Value,
)
from schoolbell_server.domain.kinds import AttendanceExcuse, AttendanceStatus

Document = list[Any]


@dataclass(frozen=True, slots=True)
class Setter:
    """Who says something: a source, and the section within it."""

    source: str
    section_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """What one section says of a student's attendance."""

    setter: Setter
    status: AttendanceStatus
    excuse: AttendanceExcuse
    occur_time: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class FactState:
    """A fact as it stands."""

    value: Value | None
    """None where it is unknown, as after a withdrawal."""
    occur_time: dt.datetime
    """Of the newest change that spoke of it: an older one changes nothing."""
    set_time: dt.datetime
    """The receive time of the change that gave it this value."""
    setter: Setter
    """Who gave it this value."""
    marks: tuple[Mark, ...] = ()
    """Of attendance: the last word of every section."""
    students: tuple[str, ...] = ()
    """Of a lunch account: who shares it, as far as changes said, last named last."""


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


@dataclass(frozen=True, slots=True)
class Told:
    """What a delivery tells: the fact's value then, and the baseline it was judged against."""

    previous: Previous
    current: Value | None
    shared_student_ids: tuple[str, ...] = ()
    """Of a lunch account: the students whom it names beside the delivery's own."""


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
    """Return a value as a document that begins with its sort."""
    match value:
        case None:
            return None
        case ScoreValue():
            return ["score", _text(value.percent), _text(value.points), value.missing, value.mark]
        case AssignedValue():
            return ["assigned", value.withdrawn]
        case DueDateValue():
            return ["due", None if value.due_date is None else value.due_date.isoformat()]
        case GradeValue():
            return ["grade", _text(value.percent), value.mark]
        case AttendanceValue():
            return ["attendance", value.status, value.excuse]
        case BalanceValue():
            return ["balance", str(value.balance)]
        case ScheduleValue():
            return ["schedule", value.offering_name, value.location, value.removed]


def decode_value(document: Document | None) -> Value | None:
    """Return the value that `encode_value` wrote."""
    match document:
        case None:
            return None
        case ["score", percent, points, missing, *mark]:  # earlier versions wrote no mark
            return ScoreValue(_decimal(percent), _decimal(points), missing, *mark)
        case ["assigned", withdrawn]:
            return AssignedValue(withdrawn)
        case ["due", due]:
            return DueDateValue(None if due is None else dt.date.fromisoformat(due))
        case ["grade", percent, mark]:
            return GradeValue(_decimal(percent), mark)
        case ["attendance", status, excuse]:
            return AttendanceValue(
                None if status is None else AttendanceStatus(status),
                None if excuse is None else AttendanceExcuse(excuse),
            )
        case ["balance", balance]:
            return BalanceValue(Decimal(balance))
        case ["schedule", offering, location, removed]:
            return ScheduleValue(offering, location, removed)
    raise ValueError(f"not a value: {document!r}")


def _time(time: dt.datetime) -> str:
    return time.astimezone(dt.UTC).isoformat()


def _parse(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(text)


def _text(number: Decimal | None) -> str | None:
    return None if number is None else str(number)


def _decimal(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)
