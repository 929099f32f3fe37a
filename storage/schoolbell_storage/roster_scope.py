"""What a FULL import may deactivate: records of its own source, types and schools.

Its schools are those of its schools, calendars and enrollments; an import that names none is of
all. A calendar or enrollment is of its calendar's school. A person is of the schools where they, or
the students they guard, are enrolled, and so is a relationship through its student: both are in
scope if no active enrollment ties them elsewhere and some enrollment, also an ended one, ties them
here. People without any enrollment are in scope of an import of all the source's schools.
A school itself is never deactivated by being absent: it is then none of the import's schools.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    case,
    exists,
    false,
    func,
    insert,
    not_,
    select,
    true,
    union,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.roster_incoming import INCOMING, PERSON_SCOPE
from schoolbell_storage.roster_records import RecordType
from schoolbell_storage.tables import calendar, enrollment, relationship, school, user_account

Predicate = ColumnElement[bool]


@dataclass(frozen=True, slots=True)
class FullScope:
    """The schools of a FULL import; None is all."""

    district_id: str
    school_ids: frozenset[str] | None
    whole: bool
    """Whether these are all schools of the source."""

    def covers(self, record_type: RecordType) -> Predicate:
        """Return which rows of a type's table the import speaks of."""
        return _COVERS[record_type](self)

    def inside(self, school_id: ColumnElement[Any]) -> Predicate:
        """Return whether a school is among the import's."""
        return true() if self.school_ids is None else school_id.in_(sorted(self.school_ids))


async def read_scope(connection: AsyncConnection, district_id: str, source: str) -> FullScope:
    """Return the scope of the incoming records, and note where people belong."""
    enrolled = INCOMING[RecordType.ENROLLMENT]
    of_enrollments = (
        select(calendar.c.school_id)
        .join(enrolled, enrolled.c.calendar_id == calendar.c.calendar_id)
        .where(calendar.c.district_id == district_id)
    )
    named = union(
        select(INCOMING[RecordType.SCHOOL].c.school_id),
        select(INCOMING[RecordType.CALENDAR].c.school_id),
        of_enrollments,
    )
    school_ids = frozenset((await connection.execute(named)).scalars())
    known = await connection.execute(
        select(school.c.school_id).where(
            school.c.district_id == district_id, school.c.source == source, school.c.active
        )
    )
    scope = FullScope(district_id, school_ids or None, school_ids >= set(known.scalars()))
    if scope.school_ids is not None:
        await _note_people(connection, scope)
    return scope


async def _note_people(connection: AsyncConnection, scope: FullScope) -> None:
    """Write down of everybody with an enrollment, or a ward with one, where it ties them."""
    relationships = union_all(_own_relationships(scope), _ward_relationships(scope)).subquery()
    people = select(
        relationships.c.person_id,
        func.max(relationships.c.here),
        func.max(relationships.c.elsewhere),
    ).group_by(relationships.c.person_id)
    await connection.execute(
        insert(PERSON_SCOPE).from_select(["person_id", "here", "elsewhere"], people)
    )


def _own_relationships(scope: FullScope) -> Select[Any]:
    inside = scope.inside(calendar.c.school_id)
    return (
        select(
            enrollment.c.student_id.label("person_id"),
            case((inside, 1), else_=0).label("here"),
            case((and_(enrollment.c.active, not_(inside)), 1), else_=0).label("elsewhere"),
        )
        .select_from(enrollment)
        .join(calendar, enrollment.c.calendar_id == calendar.c.calendar_id)
        .where(
            enrollment.c.district_id == scope.district_id,
            calendar.c.district_id == scope.district_id,
        )
    )


def _ward_relationships(scope: FullScope) -> Select[Any]:
    own = _own_relationships(scope).subquery()
    held = case((relationship.c.active, own.c.elsewhere), else_=0)
    return (
        select(relationship.c.guardian_id, own.c.here, held)
        .select_from(relationship)
        .join(own, own.c.person_id == relationship.c.student_id)
        .where(relationship.c.district_id == scope.district_id)
    )


def _schools(_scope: FullScope) -> Predicate:
    return false()


def _calendars(scope: FullScope) -> Predicate:
    return scope.inside(calendar.c.school_id)


def _enrollments(scope: FullScope) -> Predicate:
    home = calendar.alias("home")
    return exists().where(
        home.c.district_id == scope.district_id,
        home.c.calendar_id == enrollment.c.calendar_id,
        scope.inside(home.c.school_id),
    )


def _users(scope: FullScope) -> Predicate:
    return _person(scope, user_account.c.user_id)


def _relationships(scope: FullScope) -> Predicate:
    return _person(scope, relationship.c.student_id)


_COVERS: Mapping[RecordType, Callable[[FullScope], Predicate]] = {
    RecordType.SCHOOL: _schools,
    RecordType.CALENDAR: _calendars,
    RecordType.USER: _users,
    RecordType.RELATIONSHIP: _relationships,
    RecordType.ENROLLMENT: _enrollments,
}


def _person(scope: FullScope, person: ColumnElement[str]) -> Predicate:
    if scope.school_ids is None:
        return true()
    noted = PERSON_SCOPE.c
    elsewhere = exists().where(noted.person_id == person, noted.elsewhere == 1)
    here = exists().where(noted.person_id == person, noted.here == 1)
    return and_(not_(elsewhere), true() if scope.whole else here)
