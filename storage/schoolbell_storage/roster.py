"""Who goes where and who belongs to whom, as stored: read set-based, also what is inactive."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import ColumnElement, Row, exists, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.bars import BarRow, bars_of_guardian, bars_of_students
from schoolbell_storage.pacing import paced
from schoolbell_storage.roster_records import (
    CalendarRecord,
    EnrollmentRecord,
    Origin,
    RelationshipRecord,
    SchoolRecord,
    UserRecord,
    decode_enrollment,
    decode_origin,
    decode_relationship,
    decode_user,
)
from schoolbell_storage.rows import among_district
from schoolbell_storage.tables import enrollment, relationship, user_account

R = TypeVar("R", SchoolRecord, CalendarRecord, UserRecord, RelationshipRecord, EnrollmentRecord)


@dataclass(frozen=True, slots=True)
class Stored(Generic[R]):
    """A record with where it comes from."""

    record: R
    origin: Origin


@dataclass(frozen=True, slots=True)
class StoredRelationship:
    """A guardian's relationship to a student, with the bars of the two."""

    record: RelationshipRecord
    origin: Origin
    bars: Sequence[BarRow] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Student:
    """A student with every relationship, also the inactive ones."""

    user: Stored[UserRecord]
    relationships: Sequence[StoredRelationship]
    enrollments: Sequence[Stored[EnrollmentRecord]]


@dataclass(frozen=True, slots=True, kw_only=True)
class StudentQuery:
    """Which students of a district to list, by id; None is all."""

    district_id: str
    calendar_id: str | None = None
    guardian_id: str | None = None
    include_inactive: bool = False
    sources: Collection[str] = ()
    """Where they come from; empty is anywhere."""
    after: str = ""
    limit: int = 50


async def get_student(
    connection: AsyncConnection, district_id: str, student_id: str
) -> Student | None:
    """Return a student, or None where the roster knows nobody of this id as one."""
    found = await connection.execute(
        select(user_account).where(
            user_account.c.district_id == district_id,
            user_account.c.user_id == student_id,
            user_account.c.student,
        )
    )
    row = found.first()
    if row is None:
        return None
    students = await _with_relationships(
        connection, district_id, [Stored(decode_user(row), decode_origin(row))]
    )
    return students[0]


async def list_students(connection: AsyncConnection, query: StudentQuery) -> Sequence[Student]:
    """Return a page of students with their relationships."""
    page = select(user_account).where(
        user_account.c.district_id == query.district_id,
        user_account.c.student,
        user_account.c.user_id > query.after,
    )
    if not query.include_inactive:
        page = page.where(user_account.c.active)
    if query.sources:
        page = page.where(user_account.c.source.in_(list(query.sources)))
    if query.calendar_id is not None:
        stays = enrollment.c
        page = page.where(
            exists().where(
                stays.district_id == query.district_id,
                stays.calendar_id == query.calendar_id,
                stays.student_id == user_account.c.user_id,
                stays.active,
            )
        )
    if query.guardian_id is not None:
        relationships = relationship.c
        page = page.where(
            exists().where(
                relationships.district_id == query.district_id,
                relationships.guardian_id == query.guardian_id,
                relationships.student_id == user_account.c.user_id,
                relationships.active,
            )
        )
    found = await connection.execute(page.order_by(user_account.c.user_id).limit(query.limit))
    users = [Stored(decode_user(row), decode_origin(row)) async for row in paced(found)]
    return await _with_relationships(connection, query.district_id, users)


async def get_user(
    connection: AsyncConnection, district_id: str, user_id: str
) -> tuple[Stored[UserRecord], Sequence[StoredRelationship]] | None:
    """Return an account and its relationships as a guardian by student id, or None."""
    found = await connection.execute(
        select(user_account).where(
            user_account.c.district_id == district_id, user_account.c.user_id == user_id
        )
    )
    row = found.first()
    if row is None:
        return None
    relationships = await connection.execute(
        select(relationship)
        .where(relationship.c.district_id == district_id, relationship.c.guardian_id == user_id)
        .order_by(relationship.c.student_id)
    )
    bars = await bars_of_guardian(connection, district_id, user_id)
    wards = [_relationship(row, bars) for row in relationships]
    return Stored(decode_user(row), decode_origin(row)), wards


async def known_users(
    connection: AsyncConnection, district_id: str, user_ids: Collection[str]
) -> set[str]:
    """Return those of these ids that are accounts, active or not."""
    found = await connection.execute(
        select(user_account.c.user_id).where(
            among_district(user_account.c.user_id, district_id, user_ids)
        )
    )
    return set(found.scalars())


async def count_portal_relationships(connection: AsyncConnection, district_id: str) -> int:
    """Return how many active relationships have the portal flag."""
    counted = select(func.count()).where(*_with_portal(district_id))
    return int((await connection.execute(counted)).scalar_one())


async def has_portal_relationship(connection: AsyncConnection, district_id: str) -> bool:
    """Tell whether any active relationship has the portal flag: status asks for every district."""
    found = await connection.execute(select(exists().where(*_with_portal(district_id))))
    return bool(found.scalar_one())


def _with_portal(district_id: str) -> tuple[ColumnElement[bool], ...]:
    return (
        relationship.c.district_id == district_id,
        relationship.c.active,
        relationship.c.portal_enabled,
    )


def _relationship(
    row: Row[Any], bars: Mapping[tuple[str, str], Sequence[BarRow]]
) -> StoredRelationship:
    pair = (row.student_id, row.guardian_id)
    return StoredRelationship(decode_relationship(row), decode_origin(row), bars.get(pair, ()))


async def _with_relationships(
    connection: AsyncConnection, district_id: str, users: Sequence[Stored[UserRecord]]
) -> Sequence[Student]:
    names = [user.record.user_id for user in users]
    bars = await bars_of_students(connection, district_id, names)
    relationships: dict[str, list[StoredRelationship]] = defaultdict(list)
    for row in await connection.execute(
        select(relationship)
        .where(
            among_district(relationship.c.student_id, district_id, names),
        )
        .order_by(relationship.c.guardian_id)
    ):
        relationships[row.student_id].append(_relationship(row, bars))
    stays: dict[str, list[Stored[EnrollmentRecord]]] = defaultdict(list)
    for row in await connection.execute(
        select(enrollment)
        .where(
            among_district(enrollment.c.student_id, district_id, names),
        )
        .order_by(enrollment.c.enrollment_id)
    ):
        stays[row.student_id].append(Stored(decode_enrollment(row), decode_origin(row)))
    return [
        Student(
            user=user,
            relationships=relationships.get(user.record.user_id, ()),
            enrollments=stays.get(user.record.user_id, ()),
        )
        for user in users
    ]
