"""Fill what incoming records do not provide with what is stored, set-based."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, case, false, func, not_, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.roster_checks import MOST_PROBLEMS, Problem, ProblemCode, refuse
from schoolbell_storage.roster_incoming import INCOMING, value_bits
from schoolbell_storage.roster_layout import LAYOUTS, Layout
from schoolbell_storage.roster_records import RecordName, RecordType
from schoolbell_storage.roster_takeover import is_strange

REQUIRED_OF_NEW = "is required: the record is new"


async def fill_from_stored(
    connection: AsyncConnection,
    district_id: str,
    sources: Collection[str],
    types: Sequence[RecordType],
) -> None:
    """Complete the records that provide only some of their values.

    What a caller limited to other sources than these stored completes nothing. Raises
    `RecordsRefused` for a new record that lacks a required value, and for one whose dates would
    then be out of order. One statement a type; none where every record is whole.
    """
    problems: list[Problem] = []
    total = 0
    for record_type in types:
        layout, incoming = LAYOUTS[record_type], INCOMING[record_type]
        partial = and_(incoming.c.provided.is_not(None), not_(incoming.c.removed))
        if (await connection.execute(select(incoming.c.removed).where(partial).limit(1))).first():
            await _fill(connection, (district_id, sources), layout, partial)
            found, count = await _broken(connection, layout, partial)
            problems += found
            total += count
    refuse(problems, total)


async def _fill(
    connection: AsyncConnection,
    writer: tuple[str, Collection[str]],
    layout: Layout,
    partial: ColumnElement[bool],
) -> None:
    district_id, sources = writer
    incoming, table = INCOMING[layout.record_type], layout.table
    values = {
        name: case(
            (incoming.c.provided.bitwise_and(bit) == 0, table.c[name]), else_=incoming.c[name]
        )
        for name, bit in value_bits(layout).items()
    }
    same = (incoming.c[key] == table.c[key] for key in layout.keys)
    here = and_(table.c.district_id == district_id, not_(is_strange(table, sources)))
    await connection.execute(update(incoming).where(partial, here, *same).values(values))


async def _broken(
    connection: AsyncConnection, layout: Layout, partial: ColumnElement[bool]
) -> tuple[list[Problem], int]:
    incoming = INCOMING[layout.record_type]
    missing = [incoming.c[name].is_(None) for name in layout.required]
    broken = and_(partial, or_(*missing, _disordered(layout)))
    counted = await connection.execute(select(func.count()).select_from(incoming).where(broken))
    total = int(counted.scalar_one())
    if not total:
        return [], 0
    rows = await connection.execute(
        select(incoming).where(broken).order_by(incoming.c.record_index).limit(MOST_PROBLEMS)
    )
    return [_problem(layout, row) for row in rows], total


def _disordered(layout: Layout) -> ColumnElement[bool]:
    """Return whether a record ends before it begins; dates are stored as they sort."""
    incoming = INCOMING[layout.record_type].c
    return incoming.end_date < incoming.start_date if "end_date" in layout.values else false()


def _problem(layout: Layout, row: Row[Any]) -> Problem:
    missing = [name for name in layout.required if row._mapping[name] is None]
    return Problem(
        record_index=row.record_index,
        name=RecordName(layout.record_type, tuple(row._mapping[key] for key in layout.keys)),
        field=missing[0] if missing else "end_date",
        description=REQUIRED_OF_NEW if missing else "must not be before start_date",
        code=ProblemCode.INVALID_FIELD,
    )
