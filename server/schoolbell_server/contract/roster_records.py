"""Read the records of a roster from the contract: validate every field of every record."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from google.protobuf.message import Message
from google.type.date_pb2 import Date

from schoolbell.v1 import roster_pb2
from schoolbell_server.contract.districts import read_time_zone
from schoolbell_server.contract.fields import (
    ReportViolation,
    read_date,
    read_id,
)
from schoolbell_server.contract.roster_masks import read_provided
from schoolbell_server.domain.world import Term
from schoolbell_server.rpc import field_reasons as reasons
from schoolbell_server.rpc.field_reasons import FieldReason
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
    kind = message.WhichOneof("record")
    if kind is None:
        return None
    record = getattr(message, kind)
    return RecordName(_TYPES[kind], tuple(getattr(record, key)[:MAX_ID] for key in _KEYS[kind]))


@dataclass(frozen=True, slots=True)
class ReadRecord:
    """A record with the columns that it provides, or the name of one to deactivate."""

    content: Record | RecordName
    provided: frozenset[str] | None = None


def read_record(
    message: roster_pb2.RosterRecord, path: str, report: ReportViolation, *, removable: bool
) -> ReadRecord | None:
    """Return a record, or the name of one to deactivate where that may be asked.

    Reports under `path` (which ends with a dot) and then returns something of no use. Fields that
    the record does not provide are not looked at.
    """
    for found in bad_values(message, prefix=path):
        report(found.field, found.description, found.reason)
    kind = message.WhichOneof("record")
    if kind is None:
        report(f"{path}record", "is required", reasons.REQUIRED)
        return None
    inside = f"{path}{kind}."
    if not message.deactivate:
        provided = read_provided(message, kind, path, report)
        return ReadRecord(_READERS[kind](message, _Fields(inside, provided, report)), provided)
    if not removable:
        report(f"{path}deactivate", "is only for an import of the mode DELTA", reasons.NOT_ALLOWED)
    for key in _KEYS[kind]:
        read_id(getattr(getattr(message, kind), key), inside + key, report)
    name = record_name(message)
    assert name is not None, "its type is known"
    return ReadRecord(name)


def read_school_year(year: int, path: str, report: ReportViolation) -> int:
    """Return a school year, named by the year in which it ends."""
    if not year:
        report(path, "is required", reasons.REQUIRED)
    elif not _FIRST_YEAR <= year <= _LAST_YEAR:
        report(path, f"must be from {_FIRST_YEAR} to {_LAST_YEAR}, is {year}", reasons.OUT_OF_RANGE)
    return year


@dataclass(frozen=True, slots=True)
class _Fields:
    """The fields of one record: where it is, what it provides, and who hears of bad ones."""

    path: str
    provided: frozenset[str]
    report: ReportViolation

    def __contains__(self, column: str) -> bool:
        return column in self.provided

    def key(self, value: str, field: str) -> str:
        """Return an id, which always counts."""
        return read_id(value, self.path + field, self.report)

    def id(self, value: str, field: str) -> str:
        """Return the id of another record."""
        return read_id(value, self.path + field, self.report) if field in self else ""

    def text(self, value: str, field: str) -> str:
        """Return a text."""
        return value if field in self else ""

    def flag(self, message: Message, field: str) -> bool:
        """Return a flag that has to be set."""
        if field not in self:
            return False
        if not message.HasField(field):
            self.report(self.path + field, "is required", reasons.REQUIRED)
        return bool(getattr(message, field))

    def date(self, message: _Dated, field: str) -> dt.date | None:
        """Return a date that may be absent."""
        return _read_optional(message, field, self.path, self.report) if field in self else None

    def due_date(self, message: _Dated, field: str) -> dt.date:
        """Return a date that has to be set."""
        if field not in self:
            return _NO_DATE
        return _read_required(message, field, self.path, self.report)


def _read_school(message: roster_pb2.RosterRecord, fields: _Fields) -> SchoolRecord:
    school, zone = message.school, "time_zone"
    return SchoolRecord(
        school_id=fields.key(school.school_id, "school_id"),
        display_name=fields.text(school.display_name, "display_name"),
        time_zone=read_time_zone(
            school.time_zone, fields.path + zone, fields.report, required=False
        )
        if zone in fields
        else "",
    )


def _read_calendar(message: roster_pb2.RosterRecord, fields: _Fields) -> CalendarRecord:
    calendar, path, report = message.calendar, fields.path, fields.report
    start = fields.due_date(calendar, "start_date")
    end = fields.due_date(calendar, "end_date")
    _check_order(start, end, path, report)
    year, terms = "school_year", "terms"
    return CalendarRecord(
        calendar_id=fields.key(calendar.calendar_id, "calendar_id"),
        school_id=fields.id(calendar.school_id, "school_id"),
        school_year=read_school_year(calendar.school_year, path + year, report)
        if year in fields
        else 0,
        start_date=start,
        end_date=end,
        terms=_read_terms(calendar.terms, path + terms, report) if terms in fields else (),
        display_name=fields.text(calendar.display_name, "display_name"),
    )


def _read_terms(
    terms: Iterable[roster_pb2.Term], path: str, report: ReportViolation
) -> tuple[Term, ...]:
    read: dict[str, Term] = {}
    for index, message in enumerate(terms):
        here = f"{path}[{index}]."
        if index == MOST_TERMS:
            report(path, f"must have at most {MOST_TERMS} values", reasons.TOO_LONG)
            break
        term_id = read_id(message.term_id, f"{here}term_id", report)
        if term_id in read:
            report(f"{here}term_id", "came before in this calendar", reasons.DUPLICATE)
        start = _read_required(message, "start_date", here, report)
        end = _read_required(message, "end_date", here, report)
        _check_order(start, end, here, report)
        name = message.display_name
        read[term_id] = Term(term_id=term_id, name=name, start_date=start, end_date=end)
    return tuple(read.values())


def _read_user(message: roster_pb2.RosterRecord, fields: _Fields) -> UserRecord:
    user, names = message.user, message.user.names
    return UserRecord(
        user_id=fields.key(user.user_id, "user_id"),
        enabled=fields.flag(user, "enabled"),
        birth_date=_read_birth_date(user, fields),
        given_name=fields.text(names.given_name, "given_name"),
        family_name=fields.text(names.family_name, "family_name"),
        preferred_name=fields.text(names.preferred_name, "preferred_name"),
    )


def _read_birth_date(message: roster_pb2.User, fields: _Fields) -> dt.date | None:
    if "birth_date" not in fields or not message.HasField("birth_date"):
        return None

    def discreetly(
        field: str, _description: str, reason: FieldReason = reasons.BAD_FORMAT, /
    ) -> None:
        """Keep the date of birth itself out of what is said of it."""
        fields.report(field, "must be a date with year, month and day", reason)

    return read_date(message.birth_date, f"{fields.path}birth_date", discreetly)


def _read_relationship(message: roster_pb2.RosterRecord, fields: _Fields) -> RelationshipRecord:
    relationship = message.relationship
    student_id = fields.key(relationship.student_id, "student_id")
    guardian_id = fields.key(relationship.guardian_id, "guardian_id")
    if student_id and student_id == guardian_id:
        fields.report(f"{fields.path}guardian_id", "must not be the student", reasons.INCONSISTENT)
    start, end = fields.date(relationship, "start_date"), fields.date(relationship, "end_date")
    _check_order(start, end, fields.path, fields.report)
    return RelationshipRecord(
        student_id=student_id,
        guardian_id=guardian_id,
        relation=fields.text(relationship.relation, "relation"),
        portal_enabled=relationship.portal_enabled,
        adult_consent=relationship.adult_consent,
        start_date=start,
        end_date=end,
        barred=relationship.barred if "barred" in fields else None,
    )


def _read_enrollment(message: roster_pb2.RosterRecord, fields: _Fields) -> EnrollmentRecord:
    stay = message.enrollment
    start, end = fields.due_date(stay, "start_date"), fields.date(stay, "end_date")
    _check_order(start, end, fields.path, fields.report)
    return EnrollmentRecord(
        enrollment_id=fields.key(stay.enrollment_id, "enrollment_id"),
        student_id=fields.id(stay.student_id, "student_id"),
        calendar_id=fields.id(stay.calendar_id, "calendar_id"),
        start_date=start,
        end_date=end,
        portal_visible=fields.flag(stay, "portal_visible"),
    )


_READERS: dict[str, Callable[[roster_pb2.RosterRecord, _Fields], Record]] = {
    "school": _read_school,
    "calendar": _read_calendar,
    "user": _read_user,
    "relationship": _read_relationship,
    "enrollment": _read_enrollment,
}

_Dated = roster_pb2.Calendar | roster_pb2.Term | roster_pb2.Relationship | roster_pb2.Enrollment


def _read_required(message: _Dated, field: str, path: str, report: ReportViolation) -> dt.date:
    if not message.HasField(field):  # type: ignore[arg-type]
        report(path + field, "is required", reasons.REQUIRED)
        return _NO_DATE
    given: Date = getattr(message, field)
    return read_date(given, path + field, report) or _NO_DATE


def _read_optional(
    message: _Dated, field: str, path: str, report: ReportViolation
) -> dt.date | None:
    if not message.HasField(field):  # type: ignore[arg-type]
        return None
    given: Date = getattr(message, field)
    return read_date(given, path + field, report)


def _check_order(
    start: dt.date | None, end: dt.date | None, path: str, report: ReportViolation
) -> None:
    if start is not None and end is not None and _NO_DATE not in (start, end) and end < start:
        report(f"{path}end_date", "must not be before start_date", reasons.INCONSISTENT)
