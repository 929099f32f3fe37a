"""Which school a calendar is of."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.tables import calendar

CalendarName = tuple[str, str]
"""(district_id, calendar_id)"""


async def schools_of(
    connection: AsyncConnection, names: Collection[CalendarName]
) -> dict[CalendarName, str]:
    """Return the schools of these calendars, as far as the roster knows them."""
    key = tuple_(calendar.c.district_id, calendar.c.calendar_id)
    found = await connection.execute(select(calendar).where(key.in_(list(names))))
    return {(row.district_id, row.calendar_id): row.school_id for row in found}
