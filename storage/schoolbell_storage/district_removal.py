"""Everything that is stored of a district, table by table, as it is deleted."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Table, delete, exists, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.tables import api_key, api_key_district, district, metadata

_TABLES: Sequence[Table] = [
    table
    for table in metadata.sorted_tables
    if "district_id" in table.c and table not in (district, api_key_district)
]


async def count_records(connection: AsyncConnection, district_id: str) -> int:
    """Return how many records there are of a district, the district itself included."""
    count = 0
    for table in (district, *_TABLES, api_key_district):
        counted = select(func.count()).where(table.c.district_id == district_id)
        count += int((await connection.execute(counted)).scalar_one())
    return count


async def drop_district(connection: AsyncConnection, district_id: str) -> str | None:
    """Delete a district's own row and return its display name; None if it is gone already."""
    mine = district.c.district_id == district_id
    row = (await connection.execute(select(district.c.display_name).where(mine))).first()
    if row is None:
        return None
    await connection.execute(delete(district).where(mine))
    return str(row.display_name)


async def drop_records(connection: AsyncConnection, district_id: str, most: int) -> int:
    """Delete at most so many records of a district that is gone; return how many, 0 at the end."""
    for table in _TABLES:
        keys = list(table.primary_key.columns)
        some = select(*keys).where(table.c.district_id == district_id).limit(most)
        gone = await connection.execute(delete(table).where(tuple_(*keys).in_(some)))
        if gone.rowcount:
            return gone.rowcount
    return await _drop_keys(connection, district_id)


async def _drop_keys(connection: AsyncConnection, district_id: str) -> int:
    """Take a district from the keys that are for it, and delete those that are for no other."""
    mine = api_key_district.c.district_id == district_id
    gone = await connection.execute(delete(api_key_district).where(mine))
    left = exists().where(api_key_district.c.key_id == api_key.c.key_id)
    await connection.execute(delete(api_key).where(~left))
    return gone.rowcount
