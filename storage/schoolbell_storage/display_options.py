"""Display options of calendars: stored ones, else the district's default."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Select, and_, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_server.domain.world import DisplayOptions
from schoolbell_storage.codec import to_json, to_micros
from schoolbell_storage.rows import among, among_district, insert_into
from schoolbell_storage.settings_document import decode_display_options, encode_display_options
from schoolbell_storage.tables import calendar, display_options


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarOptions:
    """What an active calendar shows; version 0 is a calendar that stores nothing of its own."""

    calendar_id: str
    options: DisplayOptions
    version: int


async def read_display_options(
    connection: AsyncConnection,
    district_id: str,
    calendar_ids: Collection[str],
    default: DisplayOptions,
) -> dict[str, CalendarOptions]:
    """Return the options of these calendars by id; the unknown ones are absent."""
    chosen = among(calendar.c.calendar_id, calendar_ids)
    found = await connection.execute(_calendars(district_id).where(chosen))
    return {row.calendar_id: _decode(row, default) for row in found}


async def list_display_options(
    connection: AsyncConnection,
    district_id: str,
    default: DisplayOptions,
    *,
    school_year: int | None,
    after: str,
    limit: int,
) -> Sequence[CalendarOptions]:
    """Return a page of the calendars' options by calendar id."""
    page = _calendars(district_id).where(calendar.c.calendar_id > after)
    if school_year is not None:
        page = page.where(calendar.c.school_year == school_year)
    found = await connection.execute(page.order_by(calendar.c.calendar_id).limit(limit))
    return [_decode(row, default) for row in found]


async def write_display_options(
    connection: AsyncConnection,
    district_id: str,
    options: Mapping[str, DisplayOptions],
    *,
    updater: str,
    now: dt.datetime,
) -> None:
    """Store the options of calendars, by calendar id, each as its next version.

    The caller has called `bump_facts`, which keeps other writers of this district away.
    """
    adding = insert_into(connection.dialect.name, display_options)
    statement = adding.on_conflict_do_update(
        index_elements=["district_id", "calendar_id"],
        set_={
            "options": adding.excluded.options,
            "version": display_options.c.version + 1,
            "update_time": adding.excluded.update_time,
            "updater": adding.excluded.updater,
        },
    )
    await connection.execute(
        statement,
        [
            {
                "district_id": district_id,
                "calendar_id": calendar_id,
                "options": to_json(encode_display_options(chosen)),
                "version": 1,
                "update_time": to_micros(now),
                "updater": updater,
            }
            for calendar_id, chosen in sorted(options.items())
        ],
    )


async def drop_display_options(
    connection: AsyncConnection, district_id: str, calendar_ids: Collection[str]
) -> None:
    """Drop what calendars store, so that the district's default holds for them."""
    await connection.execute(
        delete(display_options).where(
            among_district(display_options.c.calendar_id, district_id, calendar_ids)
        )
    )


def _calendars(district_id: str) -> Select[Any]:
    same = and_(
        display_options.c.district_id == calendar.c.district_id,
        display_options.c.calendar_id == calendar.c.calendar_id,
    )
    return (
        select(calendar.c.calendar_id, display_options.c.options, display_options.c.version)
        .select_from(calendar)
        .outerjoin(display_options, same)
        .where(calendar.c.district_id == district_id, calendar.c.active)
    )


def _decode(row: Row[Any], default: DisplayOptions) -> CalendarOptions:
    if row.options is None:
        return CalendarOptions(calendar_id=row.calendar_id, options=default, version=0)
    options = decode_display_options(json.loads(row.options), inherited=False)
    return CalendarOptions(calendar_id=row.calendar_id, options=options, version=row.version)
