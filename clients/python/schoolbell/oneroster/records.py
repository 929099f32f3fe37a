"""Turns a roster into the records of RosterService."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

from google.type import date_pb2

from schoolbell.oneroster.model import (
    Calendar,
    Enrollment,
    Relationship,
    Roster,
    School,
    Term,
    User,
)
from schoolbell.texts import cut
from schoolbell.v1 import roster_pb2

_TEXT, _RELATION = 1024, 128
"""The characters that the contract allows: one text too long would refuse a whole import."""


_ALWAYS = {
    "school": ("school_id", "display_name"),
    "calendar": ("calendar_id", "school_id", "school_year", "start_date", "end_date", "terms"),
    "user": ("user_id",),
    "relationship": ("student_id", "guardian_id"),
    "enrollment": (
        "enrollment_id",
        "student_id",
        "calendar_id",
        "start_date",
        "end_date",
        "portal_visible",
    ),
}
"""The fields that every extract provides, by the arm of `RosterRecord`."""
_PATHS = {"given_name": "names.given_name", "family_name": "names.family_name"}
"""Fields of the model that the contract calls otherwise."""


@dataclass(frozen=True, slots=True)
class ProvidedRecord:
    """A record, and the names of the fields that the extract provides, relative to it.

    What is stored in the other fields is not the extract's to change.
    """

    record: roster_pb2.RosterRecord
    provided: tuple[str, ...]


def to_proto(roster: Roster) -> Iterator[roster_pb2.RosterRecord]:
    """Yield a record for everything in the roster."""
    return (each.record for each in provided_records(roster))


def provided_records(roster: Roster) -> Iterator[ProvidedRecord]:
    """Yield a record for everything in the roster, and what the extract provides of it.

    Relationships that are not provided are left out: a full import that brings none of them leaves
    those that are stored alone.
    """
    record = roster_pb2.RosterRecord
    yield from (_named(record(school=_school(each))) for each in roster.schools)
    yield from (_named(record(calendar=_calendar(each))) for each in roster.calendars)
    yield from (_named(record(user=_user(each)), each.provided) for each in roster.users)
    for relationship in roster.relationships if roster.relationships_provided else ():
        yield _named(record(relationship=_relationship(relationship)), relationship.provided)
    yield from (_named(record(enrollment=_enrollment(each))) for each in roster.enrollments)


def _named(
    record: roster_pb2.RosterRecord, provided: frozenset[str] = frozenset()
) -> ProvidedRecord:
    """Name what is provided: the one place where a record learns its fields."""
    always = _ALWAYS[record.WhichOneof("record") or ""]
    paths = (*always, *sorted(_PATHS.get(each, each) for each in provided))
    record.update_mask.paths.extend(paths)
    return ProvidedRecord(record, paths)


def _school(school: School) -> roster_pb2.School:
    return roster_pb2.School(school_id=school.school_id, display_name=cut(school.name, _TEXT))


def _calendar(calendar: Calendar) -> roster_pb2.Calendar:
    return roster_pb2.Calendar(
        calendar_id=calendar.calendar_id,
        school_id=calendar.school_id,
        school_year=calendar.school_year,
        start_date=_date(calendar.start_date),
        end_date=_date(calendar.end_date),
        terms=[_term(each) for each in calendar.terms],
    )


def _term(term: Term) -> roster_pb2.Term:
    return roster_pb2.Term(
        term_id=term.term_id,
        display_name=cut(term.name, _TEXT),
        start_date=_date(term.start_date),
        end_date=_date(term.end_date),
    )


def _user(user: User) -> roster_pb2.User:
    names = roster_pb2.PersonNames(
        given_name=cut(user.given_name, _TEXT), family_name=cut(user.family_name, _TEXT)
    )
    return roster_pb2.User(
        user_id=user.user_id,
        enabled=user.enabled,
        birth_date=_optional_date(user.birth_date),
        names=names,
    )


def _relationship(relationship: Relationship) -> roster_pb2.Relationship:
    return roster_pb2.Relationship(
        student_id=relationship.student_id,
        guardian_id=relationship.guardian_id,
        relation=cut(relationship.relation, _RELATION),
        portal_enabled=relationship.portal_enabled,
        barred=relationship.barred,
        adult_consent=relationship.adult_consent,
        start_date=_optional_date(relationship.start_date),
        end_date=_optional_date(relationship.end_date),
    )


def _enrollment(enrollment: Enrollment) -> roster_pb2.Enrollment:
    return roster_pb2.Enrollment(
        enrollment_id=enrollment.enrollment_id,
        student_id=enrollment.student_id,
        calendar_id=enrollment.calendar_id,
        start_date=_date(enrollment.start_date),
        end_date=_date(enrollment.end_date),
        portal_visible=True,
    )


def _date(date: dt.date) -> date_pb2.Date:
    return date_pb2.Date(year=date.year, month=date.month, day=date.day)


def _optional_date(date: dt.date | None) -> date_pb2.Date | None:
    return None if date is None else _date(date)
