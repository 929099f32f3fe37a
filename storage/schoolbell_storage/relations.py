"""Who is related to whom, by id."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.rows import TEXT, rows
from schoolbell_storage.tables import relationship


async def students_of(
    connection: AsyncConnection, district_id: str, guardian_ids: Collection[str]
) -> set[str]:
    """Return the students to whom these people are, or ever were, guardians."""
    batch = rows(connection, {"guardian_id": TEXT}, [(name,) for name in guardian_ids])
    found = await connection.execute(
        select(relationship.c.student_id)
        .join(batch, batch.c.guardian_id == relationship.c.guardian_id)
        .where(relationship.c.district_id == district_id)
    )
    return set(found.scalars())
