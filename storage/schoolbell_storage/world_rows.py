"""The rows of a world: one statement a table on SQLite, one for all tables on PostgreSQL.

Seven statements are seven round trips to PostgreSQL, and each takes longer to hand over than to
answer. SQLite answers in the server's own process.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import CTE, Column, ColumnElement, Select, bindparam, cast, func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.kinds import Kind
from schoolbell_storage.rows import TEXT, Texts, among_district, given
from schoolbell_storage.tables import (
    bar,
    calendar,
    device,
    display_options,
    enrollment,
    relationship,
    school,
    subscription,
    user_account,
)

Rows = Sequence[Any]
"""Rows with an attribute a column."""
_DEVICE_FACTS: tuple[Column[Any], ...] = (
    device.c.device_id,
    device.c.user_id,
    device.c.app_id,
    device.c.platform,
    device.c.os_version,
    device.c.app_version,
    device.c.stay_logged_in,
    device.c.muted,
    device.c.detail_level,
    device.c.locale,
    device.c.retirement_reason,
)
_OF = bindparam("district", type_=TEXT)
_STUDENTS, _CALENDARS, _PEOPLE = given("students"), given("calendars"), given("people")


@dataclass(frozen=True, slots=True)
class PeopleRows:
    """What is stored of persons."""

    users: Rows
    devices: Rows
    subscriptions: Rows


@dataclass(frozen=True, slots=True)
class WorldRows:
    """What is stored of students, and of everybody who is told of them."""

    enrollments: Rows
    calendars: Rows
    relationships: Rows
    bars: Rows
    people: PeopleRows


async def fetch_rows(
    connection: AsyncConnection,
    district_id: str,
    student_ids: Collection[str],
    calendar_ids: Collection[str],
    kinds: Collection[Kind],
) -> WorldRows:
    """Return the rows of these students and calendars, and of the calendars of enrollments.

    Of the subscriptions those to these kinds.
    """
    asked = _asked(district_id, kinds) | {"students": student_ids, "calendars": calendar_ids}
    if connection.dialect.name == "postgresql":
        return await _fetch_at_once(connection, asked)
    enrollments = await _fetch(connection, _ENROLLMENTS, asked)
    named = {*calendar_ids, *(row.calendar_id for row in enrollments)}
    calendars = await _fetch(connection, _OF_CALENDARS, asked | {"calendars": named})
    relationships = await _fetch(connection, _RELATIONSHIPS, asked)
    bars = await _fetch(connection, _BARS, asked)
    people = {*student_ids, *(row.guardian_id for row in relationships)}
    told = await fetch_people(connection, district_id, people, kinds)
    return WorldRows(enrollments, calendars, relationships, bars, told)


async def fetch_people(
    connection: AsyncConnection,
    district_id: str,
    user_ids: Collection[str],
    kinds: Collection[Kind],
) -> PeopleRows:
    """Return the rows of these persons."""
    asked = _asked(district_id, kinds) | {"people": user_ids}
    subscriptions = await _fetch(connection, _SUBSCRIPTIONS, asked)
    devices = await _fetch(connection, _DEVICES, asked)
    return PeopleRows(await _fetch(connection, _USERS, asked), devices, subscriptions)


def _asked(district_id: str, kinds: Collection[Kind]) -> dict[str, object]:
    return {"district": district_id, "kinds": sorted(int(kind) for kind in kinds)}


async def _fetch(
    connection: AsyncConnection, wanted: Select[Any], asked: Mapping[str, object]
) -> Rows:
    rows: Rows = (await connection.execute(wanted, asked)).all()
    return rows


async def _fetch_at_once(connection: AsyncConnection, asked: Mapping[str, object]) -> WorldRows:
    wanted, makers = _at_once()
    found = (await connection.execute(wanted, asked)).one()
    stays, named, relations, bars, *people = (
        list(map(make, rows)) for make, rows in zip(makers, found, strict=True)
    )
    return WorldRows(stays, named, relations, bars, PeopleRows(*people))


@cache
def _at_once() -> tuple[Select[Any], list[Callable[[Iterable[Any]], Any]]]:
    """Return a statement whose one row has an array a table, and what names each one's values."""
    stays, relations = _ENROLLMENTS.cte("stays"), _RELATIONSHIPS.cte("relations")
    named = _joined(_CALENDARS, select(stays.c.calendar_id))
    people = _joined(_STUDENTS, select(relations.c.guardian_id))
    tables = [
        stays,
        _calendars(named).cte("named"),
        relations,
        _BARS.cte("barred"),
        _users(people).cte("people"),
        _devices(people).cte("phones"),
        _subscriptions(people).cte("chosen"),
    ]
    return select(*map(_array, tables)), [_maker(table) for table in tables]


def _maker(table: CTE) -> Callable[[Iterable[Any]], Any]:
    named = namedtuple("Row", table.c.keys())  # type: ignore[misc]
    return named._make


def _array(table: CTE) -> ColumnElement[Any]:
    """Return a table's rows as one value, in their order."""
    return func.array(select(func.row(*table.c)).scalar_subquery())


def _joined(known: ColumnElement[Any], found: Select[Any]) -> ColumnElement[Any]:
    """Return texts that are given together with those that a statement finds."""
    texts = ARRAY(TEXT)
    return func.array_cat(cast(known, texts), cast(func.array(found.scalar_subquery()), texts))


def _calendars(ids: Texts) -> Select[Any]:
    return (
        select(calendar, school.c.time_zone, display_options.c.options)
        .outerjoin(
            school,
            (school.c.district_id == calendar.c.district_id)
            & (school.c.school_id == calendar.c.school_id),
        )
        .outerjoin(
            display_options,
            (display_options.c.district_id == calendar.c.district_id)
            & (display_options.c.calendar_id == calendar.c.calendar_id),
        )
        .where(among_district(calendar.c.calendar_id, _OF, ids), calendar.c.active)
    )


def _users(ids: Texts) -> Select[Any]:
    return select(user_account).where(among_district(user_account.c.user_id, _OF, ids))


def _devices(ids: Texts) -> Select[Any]:
    found = among_district(device.c.user_id, _OF, ids)
    return select(*_DEVICE_FACTS).where(found).order_by(device.c.device_id)


def _subscriptions(ids: Texts) -> Select[Any]:
    return select(
        subscription.c.user_id,
        subscription.c.app_type,
        subscription.c.device_id,
        subscription.c.student_id,
        subscription.c.kind,
        subscription.c.enabled,
        subscription.c.condition,
        subscription.c.limit_time,
    ).where(
        among_district(subscription.c.user_id, _OF, ids),
        subscription.c.kind.in_(bindparam("kinds", expanding=True)),
    )


_ENROLLMENTS = (
    select(enrollment)
    .where(among_district(enrollment.c.student_id, _OF, _STUDENTS), enrollment.c.active)
    .order_by(enrollment.c.enrollment_id)
)
_RELATIONSHIPS = (
    select(relationship)
    .where(among_district(relationship.c.student_id, _OF, _STUDENTS))
    .order_by(relationship.c.guardian_id)
)
_BARS = (
    select(bar.c.student_id, bar.c.guardian_id, bar.c.source)
    .where(among_district(bar.c.student_id, _OF, _STUDENTS))
    .order_by(bar.c.source)
)
_OF_CALENDARS, _USERS = _calendars(_CALENDARS), _users(_PEOPLE)
_DEVICES, _SUBSCRIPTIONS = _devices(_PEOPLE), _subscriptions(_PEOPLE)
