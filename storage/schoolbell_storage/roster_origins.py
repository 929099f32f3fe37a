"""Whose records of a roster are: what a caller that is limited to sources may not touch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.roster_layout import LAYOUTS, name_of
from schoolbell_storage.roster_records import (
    EnrollmentRecord,
    Record,
    RecordName,
    RecordType,
    RelationshipRecord,
)
from schoolbell_storage.rows import among_district
from schoolbell_storage.tables import enrollment


async def foreign_records(
    connection: AsyncConnection,
    district_id: str,
    records: Iterable[Record | RecordName],
    sources: Collection[str],
) -> list[RecordName]:
    """Return what is stored under other sources: of the records, and the students they hang on."""
    named: dict[RecordType, set[RecordName]] = defaultdict(set)
    for record in records:
        for name in _touched(record):
            named[name.record_type].add(name)
    foreign: list[RecordName] = []
    for record_type, names in sorted(named.items()):
        layout = LAYOUTS[record_type]
        keys = [layout.table.c[key] for key in layout.keys]
        found = await connection.execute(
            select(*keys).where(
                among_district(keys[0], district_id, sorted({name.ids[0] for name in names})),
                layout.table.c.source.not_in(list(sources)),
            )
        )
        stored = {RecordName(record_type, tuple(row)) for row in found}
        foreign += sorted(stored & names, key=lambda name: name.ids)
    return foreign


async def students_enrolled(
    connection: AsyncConnection, district_id: str, enrollment_ids: Collection[str]
) -> list[str]:
    """Return the students of these enrollments, by id."""
    found = await connection.execute(
        select(enrollment.c.student_id)
        .where(among_district(enrollment.c.enrollment_id, district_id, enrollment_ids))
        .order_by(enrollment.c.student_id)
    )
    return list(found.scalars())


def _touched(record: Record | RecordName) -> Iterable[RecordName]:
    """Yield the names of a record, and of the student of a relationship."""
    match record:
        case RecordName():
            yield record
            if record.record_type is RecordType.RELATIONSHIP:
                yield RecordName(RecordType.USER, record.ids[:1])
        case RelationshipRecord() | EnrollmentRecord():
            yield name_of(record)
            yield RecordName(RecordType.USER, (record.student_id,))
        case _:
            yield name_of(record)
