"""Schools and calendars as stored, for those who choose among them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.roster import Stored
from schoolbell_storage.roster_records import (
    CalendarRecord,
    SchoolRecord,
    decode_origin,
    decode_school,
)
from schoolbell_storage.tables import calendar, school
from schoolbell_storage.world import decode_terms


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarQuery:
    """Which calendars of a district to list, by id; None is all."""

    district_id: str
    school_id: str | None = None
    school_year: int | None = None
    include_inactive: bool = False
    sources: Collection[str] = ()
    """Only calendars that came from one of them; empty is all."""
    after: str = ""
    limit: int = 50


@dataclass(frozen=True, slots=True)
class ListedCalendar:
    """A calendar, and what people call its school."""

    calendar: Stored[CalendarRecord]
    school_name: str


async def list_schools(
    connection: AsyncConnection,
    district_id: str,
    *,
    include_inactive: bool,
    sources: Collection[str] = (),
    after: str,
    limit: int,
) -> Sequence[Stored[SchoolRecord]]:
    """Return a page of schools, by id; `sources` narrows it to what came from one of them."""
    page = select(school).where(school.c.district_id == district_id, school.c.school_id > after)
    if not include_inactive:
        page = page.where(school.c.active)
    if sources:
        page = page.where(school.c.source.in_(list(sources)))
    found = await connection.execute(page.order_by(school.c.school_id).limit(limit))
    return [Stored(decode_school(row), decode_origin(row)) for row in found]


async def list_calendars(
    connection: AsyncConnection, query: CalendarQuery
) -> Sequence[ListedCalendar]:
    """Return a page of calendars with the names of their schools."""
    of_school = (school.c.district_id == calendar.c.district_id) & (
        school.c.school_id == calendar.c.school_id
    )
    page = (
        select(calendar, school.c.display_name.label("school_name"))
        .outerjoin(school, of_school)
        .where(calendar.c.district_id == query.district_id, calendar.c.calendar_id > query.after)
    )
    if query.school_id is not None:
        page = page.where(calendar.c.school_id == query.school_id)
    if query.school_year is not None:
        page = page.where(calendar.c.school_year == query.school_year)
    if not query.include_inactive:
        page = page.where(calendar.c.active)
    if query.sources:
        page = page.where(calendar.c.source.in_(list(query.sources)))
    found = await connection.execute(page.order_by(calendar.c.calendar_id).limit(query.limit))
    return [
        ListedCalendar(
            Stored(
                CalendarRecord(
                    calendar_id=row.calendar_id,
                    school_id=row.school_id,
                    school_year=row.school_year,
                    start_date=dt.date.fromisoformat(row.start_date),
                    end_date=dt.date.fromisoformat(row.end_date),
                    terms=decode_terms(row.terms),
                    display_name=row.display_name,
                ),
                decode_origin(row),
            ),
            row.school_name or "",
        )
        for row in found
    ]
