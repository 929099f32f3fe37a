"""Who is related to whom, by id."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.rows import among_district
from schoolbell_storage.tables import relationship


async def students_of(
    connection: AsyncConnection, district_id: str, guardian_ids: Collection[str]
) -> set[str]:
    """Return the students to whom these people are, or ever were, guardians."""
    found = await connection.execute(
        select(relationship.c.student_id).where(
            among_district(relationship.c.guardian_id, district_id, guardian_ids),
        )
    )
    return set(found.scalars())
