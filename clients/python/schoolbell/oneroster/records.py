"""Turns a roster into the records of RosterService."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

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
from schoolbell.v1 import roster_pb2

_TEXT, _RELATION = 1024, 128
"""The characters that the contract allows: one text too long would refuse a whole import."""


def to_proto(roster: Roster) -> Iterator[roster_pb2.RosterRecord]:
    """Yield a record for everything in the roster, each with a mask of what an extract provides."""
    born = any(user.birth_date for user in roster.users)
    masks = _MASKS | {"user": (*_MASKS["user"], *(["birth_date"] if born else []))}
    for record in _records(roster):
        record.update_mask.paths.extend(masks[record.WhichOneof("record") or ""])
        yield record


_MASKS: dict[str, tuple[str, ...]] = {
    "school": ("school_id", "display_name"),
    "calendar": ("calendar_id", "school_id", "school_year", "start_date", "end_date", "terms"),
    "user": ("user_id", "enabled", "names.given_name", "names.family_name"),
    "relationship": ("*",),
    "enrollment": ("*",),
}


def _records(roster: Roster) -> Iterator[roster_pb2.RosterRecord]:
    record = roster_pb2.RosterRecord
    yield from (record(school=_school(each)) for each in roster.schools)
    yield from (record(calendar=_calendar(each)) for each in roster.calendars)
    yield from (record(user=_user(each)) for each in roster.users)
    yield from (record(relationship=_relationship(each)) for each in roster.relationships)
    yield from (record(enrollment=_enrollment(each)) for each in roster.enrollments)


def _school(school: School) -> roster_pb2.School:
    return roster_pb2.School(school_id=school.school_id, display_name=school.name[:_TEXT])


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
        display_name=term.name[:_TEXT],
        start_date=_date(term.start_date),
        end_date=_date(term.end_date),
    )


def _user(user: User) -> roster_pb2.User:
    names = roster_pb2.PersonNames(
        given_name=user.given_name[:_TEXT], family_name=user.family_name[:_TEXT]
    )
    return roster_pb2.User(
        user_id=user.user_id,
        enabled=user.enabled,
        birth_date=_optional_date(user.birth_date),
        names=names,
    )


def _relationship(tie: Relationship) -> roster_pb2.Relationship:
    return roster_pb2.Relationship(
        student_id=tie.student_id,
        guardian_id=tie.guardian_id,
        relation=tie.relation[:_RELATION],
        portal_enabled=tie.portal_enabled,
        barred=tie.barred,
        adult_consent=tie.adult_consent,
        start_date=_optional_date(tie.start_date),
        end_date=_optional_date(tie.end_date),
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
