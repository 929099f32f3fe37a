"""A small district for storage tests, and the ways to write records into it."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Collection, Iterable, Sequence

from sqlalchemy import select

from schoolbell_storage import tables
from schoolbell_storage.districts import DistrictRow, create_district, get_district
from schoolbell_storage.engine import Storage
from schoolbell_storage.roster_guards import Counts, Guards
from schoolbell_storage.roster_incoming import IncomingRecord, encode_incoming
from schoolbell_storage.roster_records import (
    CalendarRecord,
    EnrollmentRecord,
    Record,
    RecordName,
    RelationshipRecord,
    SchoolRecord,
    UserRecord,
)
from schoolbell_storage.roster_write import RosterWrite, write_records

TABLES = (
    tables.school,
    tables.calendar,
    tables.user_account,
    tables.relationship,
    tables.enrollment,
    tables.bar,
)
MAPLE = "maple"
START = dt.datetime(2026, 8, 1, 12, tzinfo=dt.UTC)
FIRST_DAY, LAST_DAY = dt.date(2026, 8, 20), dt.date(2027, 5, 28)


def district(district_id: str = MAPLE, **fields: object) -> DistrictRow:
    values: dict[str, object] = {
        "display_name": "Maple Unified",
        "time_zone": "America/Chicago",
        "locale": "en",
        "currency_code": "USD",
        "licensed_kinds": frozenset(),
        "app_ids": (),
        "active_school_year": None,
        "version": 1,
        "create_time": START,
    }
    return DistrictRow(district_id=district_id, **(values | fields))  # type: ignore[arg-type]


async def add_district(storage: Storage, row: DistrictRow | None = None) -> None:
    async with storage.write() as connection:
        assert await create_district(connection, row or district(), b"sealed")


def school(school_id: str) -> list[Record]:
    """Return a school with a calendar `<school>:2027`."""
    return [
        SchoolRecord(school_id=school_id),
        CalendarRecord(
            calendar_id=f"{school_id}:2027",
            school_id=school_id,
            school_year=2027,
            start_date=FIRST_DAY,
            end_date=LAST_DAY,
        ),
    ]


def family(
    student_id: str, *school_ids: str, guardians: Sequence[str] = ("mother", "father")
) -> list[Record]:
    """Return a student of these schools with guardians `<student>-<guardian>`."""
    stays = [
        EnrollmentRecord(
            enrollment_id=f"{student_id}@{school_id}",
            student_id=student_id,
            calendar_id=f"{school_id}:2027",
            start_date=FIRST_DAY,
            portal_visible=True,
        )
        for school_id in school_ids
    ]
    records: list[Record] = [UserRecord(user_id=student_id, enabled=True), *stays]
    for guardian in guardians:
        guardian_id = f"{student_id}-{guardian}"
        records.append(UserRecord(user_id=guardian_id, enabled=True))
        records.append(
            RelationshipRecord(
                student_id=student_id,
                guardian_id=guardian_id,
                relation=guardian,
                portal_enabled=True,
            )
        )
    return records


async def write(
    storage: Storage,
    records: Iterable[Record | RecordName],
    *,
    days: int = 0,
    source: str = "sis",
    batch: int = 1000,
    full: bool = False,
    by_hand: bool = False,
    provided: frozenset[str] | None = None,
    most: float = 5.0,
    district_id: str = MAPLE,
    **guards: float | bool,
) -> Counts:
    """Write records some days after `START`; `provided` are the columns of all of them."""
    asked = RosterWrite(
        district_id=district_id,
        source=source,
        now=START + dt.timedelta(days=days),
        full=full,
        by_hand=by_hand,
        guards=Guards(max_deactivated_percent=most, **guards),  # type: ignore[arg-type]
    )
    incoming = [IncomingRecord(index, record, provided) for index, record in enumerate(records)]
    async with storage.write() as connection:
        await get_district(connection, MAPLE, lock=True)
        return (await write_records(connection, asked, _batches(incoming, batch))).counts


async def _batches(incoming: Sequence[IncomingRecord], size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(incoming), size):
        yield encode_incoming(incoming[start : start + size])


async def everything(storage: Storage, but: Collection[str] = ()) -> list[tuple[object, ...]]:
    """Return every row of the rosters and the bars, column by column `but` for these."""
    async with storage.read() as connection:
        return [
            tuple(row)
            for table in TABLES
            for row in await connection.execute(
                select(*(column for column in table.c if column.name not in but)).order_by(
                    *table.primary_key.columns.values()
                )
            )
        ]
