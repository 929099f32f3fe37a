"""Read the records of a roster from the contract: validate every field of every record."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from google.type.date_pb2 import Date

from schoolbell.v1 import roster_pb2
from schoolbell_server.contract.districts import read_time_zone
from schoolbell_server.contract.fields import (
    Complain,
    read_date,
    read_id,
)
from schoolbell_server.domain.world import Term
from schoolbell_server.rpc.texts import MAX_ID
from schoolbell_server.rpc.values import bad_values
from schoolbell_storage.roster_records import (
    CalendarRecord,
    EnrollmentRecord,
    Record,
    RecordName,
    RecordType,
    RelationshipRecord,
    SchoolRecord,
    UserRecord,
)

MOST_TERMS = 100
_FIRST_YEAR, _LAST_YEAR = 1900, 2200
_NO_DATE = dt.date.min
"""Stands where a date was complained of; such a record goes no further."""

_TYPES = {
    "school": RecordType.SCHOOL,
    "calendar": RecordType.CALENDAR,
    "user": RecordType.USER,
    "relationship": RecordType.RELATIONSHIP,
    "enrollment": RecordType.ENROLLMENT,
}
_KEYS = {
    "school": ("school_id",),
    "calendar": ("calendar_id",),
    "user": ("user_id",),
    "relationship": ("student_id", "guardian_id"),
    "enrollment": ("enrollment_id",),
}


def record_name(message: roster_pb2.RosterRecord) -> RecordName | None:
    """Return what names a record, also a bad one, cut to a sane length; None where it is none."""
    arm = message.WhichOneof("record")
    if arm is None:
        return None
    record = getattr(message, arm)
    return RecordName(_TYPES[arm], tuple(getattr(record, key)[:MAX_ID] for key in _KEYS[arm]))


def read_record(
    message: roster_pb2.RosterRecord, path: str, complain: Complain, *, removable: bool
) -> Record | RecordName | None:
    """Return a record, or the name of one to deactivate where that may be asked.

    Complains under `path` (which ends with a dot) and then returns something of no use.
    """
    for found in bad_values(message, prefix=path):
        complain(found.field, found.description)
    arm = message.WhichOneof("record")
    if arm is None:
        complain(f"{path}record", "is required")
        return None
    inside = f"{path}{arm}."
    if not message.deactivate:
        return _read(message, arm, inside, complain)
    if not removable:
        complain(f"{path}deactivate", "is only for an import of the mode DELTA")
    for key in _KEYS[arm]:
        read_id(getattr(getattr(message, arm), key), inside + key, complain)
    return record_name(message)


def read_school_year(year: int, path: str, complain: Complain) -> int:
    """Return a school year, named by the year in which it ends."""
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        complain(path, f"must be from {_FIRST_YEAR} to {_LAST_YEAR}, is {year}")
    return year


def _read(
    message: roster_pb2.RosterRecord, arm: str, path: str, complain: Complain
) -> Record | None:
    match arm:
        case "school":
            return _read_school(message.school, path, complain)
        case "calendar":
            return _read_calendar(message.calendar, path, complain)
        case "user":
            return _read_user(message.user, path, complain)
        case "relationship":
            return _read_relationship(message.relationship, path, complain)
        case _:
            return _read_enrollment(message.enrollment, path, complain)


def _read_school(message: roster_pb2.School, path: str, complain: Complain) -> SchoolRecord:
    return SchoolRecord(
        school_id=read_id(message.school_id, f"{path}school_id", complain),
        display_name=message.display_name,
        time_zone=read_time_zone(message.time_zone, f"{path}time_zone", complain, required=False),
    )


def _read_calendar(message: roster_pb2.Calendar, path: str, complain: Complain) -> CalendarRecord:
    start, end = _read_span(message, path, complain)
    return CalendarRecord(
        calendar_id=read_id(message.calendar_id, f"{path}calendar_id", complain),
        school_id=read_id(message.school_id, f"{path}school_id", complain),
        school_year=read_school_year(message.school_year, f"{path}school_year", complain),
        start_date=start,
        end_date=end,
        terms=_read_terms(message.terms, f"{path}terms", complain),
    )


def _read_terms(
    terms: Iterable[roster_pb2.Term], path: str, complain: Complain
) -> tuple[Term, ...]:
    read: dict[str, Term] = {}
    for index, message in enumerate(terms):
        here = f"{path}[{index}]."
        if index == MOST_TERMS:
            complain(path, f"must have at most {MOST_TERMS} values")
            break
        term_id = read_id(message.term_id, f"{here}term_id", complain)
        if term_id in read:
            complain(f"{here}term_id", "came before in this calendar")
        start, end = _read_span(message, here, complain)
        name = message.display_name
        read[term_id] = Term(term_id=term_id, name=name, start_date=start, end_date=end)
    return tuple(read.values())


def _read_user(message: roster_pb2.User, path: str, complain: Complain) -> UserRecord:
    names = message.names
    return UserRecord(
        user_id=read_id(message.user_id, f"{path}user_id", complain),
        enabled=message.enabled,
        birth_date=_read_birth_date(message, f"{path}birth_date", complain),
        given_name=names.given_name,
        family_name=names.family_name,
        preferred_name=names.preferred_name,
    )


def _read_birth_date(message: roster_pb2.User, path: str, complain: Complain) -> dt.date | None:
    if not message.HasField("birth_date"):
        return None

    def discreetly(field: str, _description: str) -> None:
        """Keep the date of birth itself out of what is said of it."""
        complain(field, "must be a date with year, month and day")

    return read_date(message.birth_date, path, discreetly)


def _read_relationship(
    message: roster_pb2.Relationship, path: str, complain: Complain
) -> RelationshipRecord:
    student_id = read_id(message.student_id, f"{path}student_id", complain)
    guardian_id = read_id(message.guardian_id, f"{path}guardian_id", complain)
    if student_id and student_id == guardian_id:
        complain(f"{path}guardian_id", "must not be the student")
    start = _read_optional(message, "start_date", path, complain)
    end = _read_optional(message, "end_date", path, complain)
    _check_order(start, end, path, complain)
    return RelationshipRecord(
        student_id=student_id,
        guardian_id=guardian_id,
        relation=message.relation,
        portal_enabled=message.portal_enabled,
        barred=message.barred,
        adult_consent=message.adult_consent,
        start_date=start,
        end_date=end,
    )


def _read_enrollment(
    message: roster_pb2.Enrollment, path: str, complain: Complain
) -> EnrollmentRecord:
    start = _read_required(message, "start_date", path, complain)
    end = _read_optional(message, "end_date", path, complain)
    _check_order(start, end, path, complain)
    return EnrollmentRecord(
        enrollment_id=read_id(message.enrollment_id, f"{path}enrollment_id", complain),
        student_id=read_id(message.student_id, f"{path}student_id", complain),
        calendar_id=read_id(message.calendar_id, f"{path}calendar_id", complain),
        start_date=start,
        end_date=end,
        portal_visible=message.portal_visible,
    )


_Dated = roster_pb2.Calendar | roster_pb2.Term | roster_pb2.Relationship | roster_pb2.Enrollment


def _read_span(
    message: roster_pb2.Calendar | roster_pb2.Term, path: str, complain: Complain
) -> tuple[dt.date, dt.date]:
    start = _read_required(message, "start_date", path, complain)
    end = _read_required(message, "end_date", path, complain)
    _check_order(start, end, path, complain)
    return start, end


def _read_required(message: _Dated, field: str, path: str, complain: Complain) -> dt.date:
    if not message.HasField(field):  # type: ignore[arg-type]
        complain(path + field, "is required")
        return _NO_DATE
    given: Date = getattr(message, field)
    return read_date(given, path + field, complain) or _NO_DATE


def _read_optional(message: _Dated, field: str, path: str, complain: Complain) -> dt.date | None:
    if not message.HasField(field):  # type: ignore[arg-type]
        return None
    given: Date = getattr(message, field)
    return read_date(given, path + field, complain)


def _check_order(start: dt.date | None, end: dt.date | None, path: str, complain: Complain) -> None:
    if start is not None and end is not None and _NO_DATE not in (start, end) and end < start:
        complain(f"{path}end_date", "must not be before start_date")
