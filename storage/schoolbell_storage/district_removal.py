"""Everything that is stored of a district, table by table, as it is deleted."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from sqlalchemy import ColumnElement, Table, delete, exists, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.codec import to_micros
from schoolbell_storage.keys import take_from_keys
from schoolbell_storage.tables import (
    api_key,
    api_key_district,
    audit_entry,
    device,
    district,
    metadata,
    revision,
    server_instance,
)

DELETE_DISTRICT = "schoolbell.v1.DistrictService/DeleteDistrict"
_DISTRICTS = "districts/"
_EVERY_DISTRICT = "-"

OF_NO_DISTRICT = frozenset({revision, server_instance})
"""Tables that hold nothing of a single district."""


def _tables() -> Sequence[Table]:
    """Return what a district's rows are deleted from, what hangs on a device before it."""
    others = {district, api_key, api_key_district, *OF_NO_DISTRICT}
    found = [table for table in metadata.sorted_tables if table not in others]
    return sorted(found, key=lambda table: "district_id" in table.c)


def _of(table: Table, district_id: str) -> ColumnElement[bool]:
    if "district_id" in table.c:
        return table.c.district_id == district_id
    mine = select(device.c.device_id).where(device.c.district_id == district_id)
    return table.c.device_id.in_(mine)


async def count_records(connection: AsyncConnection, district_id: str) -> int:
    """Return how many records there are of a district, the district itself included.

    A key counts once, whether it is deleted or only loses the district.
    """
    count = 0
    for table in (district, *_tables(), api_key_district):
        counted = select(func.count()).select_from(table).where(_of(table, district_id))
        count += int((await connection.execute(counted)).scalar_one())
    return count


async def has_records(connection: AsyncConnection, district_id: str) -> bool:
    """Return whether anything is left of a district."""
    for table in (district, *_tables(), api_key_district):
        found = await connection.execute(select(exists().where(_of(table, district_id))))
        if found.scalar_one():
            return True
    return False


async def deleted_districts(connection: AsyncConnection, since: dt.datetime) -> list[str]:
    """Return the districts that were deleted after a time, by the audit log of all districts."""
    found = await connection.execute(
        select(audit_entry.c.target)
        .where(
            audit_entry.c.district_id == _EVERY_DISTRICT,
            audit_entry.c.action == DELETE_DISTRICT,
            audit_entry.c.create_time > to_micros(since),
        )
        .distinct()
        .order_by(audit_entry.c.target)
    )
    return [target.removeprefix(_DISTRICTS) for target in found.scalars()]


async def drop_district(connection: AsyncConnection, district_id: str) -> str | None:
    """Delete a district's own row and return its display name; None if it is gone already."""
    mine = district.c.district_id == district_id
    gone = await connection.execute(delete(district).where(mine).returning(district.c.display_name))
    row = gone.first()
    return None if row is None else str(row.display_name)


async def drop_records(connection: AsyncConnection, district_id: str, most: int) -> int:
    """Delete at most so many records of a district that is gone; return how many, 0 at the end."""
    there = select(exists().where(district.c.district_id == district_id))
    if (await connection.execute(there)).scalar_one():
        return 0
    for table in _tables():
        keys = list(table.primary_key.columns)
        some = select(*keys).where(_of(table, district_id)).limit(most)
        gone = await connection.execute(delete(table).where(tuple_(*keys).in_(some)))
        if gone.rowcount:
            return gone.rowcount
    places = await connection.execute(
        select(api_key_district.c.key_id)
        .where(api_key_district.c.district_id == district_id)
        .limit(most)
    )
    key_ids = list(places.scalars())
    await take_from_keys(connection, district_id, key_ids)
    return len(key_ids)
