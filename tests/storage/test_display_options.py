"""Display options: a calendar's own, else the district's default."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from schoolbell_server.domain.kinds import AppType, Kind
from schoolbell_server.domain.world import DisplayOptions
from schoolbell_storage.display_options import (
    CalendarOptions,
    list_display_options,
    read_display_options,
    write_display_options,
)
from schoolbell_storage.roster_records import RecordName, RecordType
from tests.storage.engines import databases, open_database
from tests.storage.rosters import MAPLE, START, add_district, school, write

DEFAULT = DisplayOptions(enabled=False)
OWN = DisplayOptions(
    disabled_term_ids=frozenset({"T2", "T1"}),
    app_kinds={AppType.STUDENT: frozenset({Kind.GRADE}), AppType.PARENT: frozenset()},
    inherited=False,
)


@databases()
async def test_a_calendar_without_options_has_the_default(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, [*school("north"), *school("south")])
        async with storage.write() as connection:
            await write_display_options(
                connection, MAPLE, {"north:2027": OWN}, updater="ada", now=START
            )
            asked = ["south:2027", "north:2027", "west:2027"]
            found = await read_display_options(connection, MAPLE, asked, DEFAULT)
    assert found == {
        "north:2027": CalendarOptions(calendar_id="north:2027", options=OWN, version=1),
        "south:2027": CalendarOptions(calendar_id="south:2027", options=DEFAULT, version=0),
    }


@databases()
async def test_each_write_is_the_next_version(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, school("north"))
        for day in range(3):
            async with storage.write() as connection:
                now = START + dt.timedelta(days=day)
                options = {"north:2027": DisplayOptions(enabled=day != 2, inherited=False)}
                await write_display_options(connection, MAPLE, options, updater="ada", now=now)
        async with storage.read() as connection:
            found = await read_display_options(connection, MAPLE, ["north:2027"], DEFAULT)
    assert found["north:2027"].version == 3
    assert not found["north:2027"].options.enabled


@databases()
async def test_active_calendars_are_listed_by_id(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        await add_district(storage)
        await write(storage, [*school("north"), *school("south"), *school("east")])
        await write(storage, [RecordName(RecordType.CALENDAR, ("south:2027",))])

        async def names(year: int | None, after: str = "", limit: int = 10) -> list[str]:
            async with storage.read() as connection:
                page = await list_display_options(
                    connection, MAPLE, DEFAULT, school_year=year, after=after, limit=limit
                )
            return [row.calendar_id for row in page]

        assert await names(None) == ["east:2027", "north:2027"]
        assert await names(2027, after="east:2027") == ["north:2027"]
        assert await names(2026) == []
        assert await names(None, limit=1) == ["east:2027"]
