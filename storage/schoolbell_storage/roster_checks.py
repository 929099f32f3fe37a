"""What makes incoming records impossible together: repeated names and dangling references."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import IntEnum, unique
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, and_, exists, func, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.roster_incoming import INCOMING, repetitions
from schoolbell_storage.roster_layout import LAYOUTS, Layout, Reference
from schoolbell_storage.roster_records import RecordName, RecordType

NOT_OWN = "is of another source than the API key is for, or of its student"
MOST_PROBLEMS = 1000
"""How many problems are kept; the others are only counted."""


@unique
class ProblemCode(IntEnum):
    """The sorts of problems, numbered as in the contract."""

    UNSPECIFIED = 0
    """Of a report that is older than the sorts."""
    INVALID_FIELD = 1
    DUPLICATE_RECORD = 2
    MISSING_REFERENCE = 3
    UNKNOWN_RECORD = 4
    GUARD_EXCEEDED = 5
    BAR_LOST = 6


@unique
class Severity(IntEnum):
    """Whether a problem keeps an import from being applied, numbered as in the contract."""

    ERROR = 1
    WARNING = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why a record, or (without an index) the whole, is refused."""

    record_index: int | None
    name: RecordName | None
    """Without ids it names only the type."""
    field: str
    description: str
    code: ProblemCode
    severity: Severity = Severity.ERROR
    missing: RecordName | None = None
    """The record that a dangling reference names."""


class RecordsRefused(Exception):
    """Records break each other's rules; nothing is written."""

    def __init__(self, problems: Sequence[Problem], total: int) -> None:
        super().__init__(f"{total} problems")
        self.problems = problems
        self.total = total


async def check_names(connection: AsyncConnection, types: Sequence[RecordType]) -> None:
    """Refuse records of which one came before under the same name."""
    problems = [
        Problem(
            record_index=again.record_index,
            name=again.name,
            field="",
            description=f"was already record {again.first_index}",
            code=ProblemCode.DUPLICATE_RECORD,
        )
        for record_type in types
        for again in await repetitions(connection, record_type)
    ]
    refuse(problems, len(problems))


async def check_known(
    connection: AsyncConnection, district_id: str, types: Sequence[RecordType]
) -> None:
    """Refuse to deactivate a record that never was."""
    problems: list[Problem] = []
    for record_type in types:
        incoming, layout = INCOMING[record_type], LAYOUTS[record_type]
        known = exists().where(
            layout.table.c.district_id == district_id,
            *(layout.table.c[key] == incoming.c[key] for key in layout.keys),
        )
        unknown = await connection.execute(select(incoming).where(incoming.c.removed, not_(known)))
        problems += [_unknown(layout, row) for row in unknown]
    refuse(problems, len(problems))


def _unknown(layout: Layout, row: Row[Any]) -> Problem:
    name = _name(layout, row)
    return Problem(
        record_index=row.record_index,
        name=name,
        field="",
        description="is not in the roster",
        code=ProblemCode.UNKNOWN_RECORD,
        missing=name,
    )


async def check_own(
    connection: AsyncConnection,
    district_id: str,
    types: Sequence[RecordType],
    sources: Collection[str],
) -> None:
    """Refuse records that are stored under other sources, and those of a student who is."""
    problems: list[Problem] = []
    total = 0
    for record_type in types:
        incoming, layout = INCOMING[record_type], LAYOUTS[record_type]
        foreign = [_stored_under_others(layout, layout.keys, incoming, district_id, sources)]
        if "student_id" in incoming.c:
            student = LAYOUTS[RecordType.USER]
            foreign.append(
                _stored_under_others(student, ("student_id",), incoming, district_id, sources)
            )
        rows, count = await _first(connection, incoming, or_(*foreign))
        problems += [
            Problem(
                record_index=row.record_index,
                name=_name(layout, row),
                field="",
                description=NOT_OWN,
                code=ProblemCode.INVALID_FIELD,
            )
            for row in rows
        ]
        total += count
    refuse(problems, total)


def _stored_under_others(
    layout: Layout,
    columns: Sequence[str],
    incoming: Table,
    district_id: str,
    sources: Collection[str],
) -> ColumnElement[bool]:
    """Return whether a record that these incoming columns name is of none of the sources."""
    pairs = zip(layout.keys, columns, strict=True)
    return exists().where(
        layout.table.c.district_id == district_id,
        *(layout.table.c[key] == incoming.c[column] for key, column in pairs),
        layout.table.c.source.not_in(sorted(sources)),
    )


async def _first(
    connection: AsyncConnection, incoming: Table, which: ColumnElement[bool]
) -> tuple[Sequence[Row[Any]], int]:
    """Return the first incoming records of these, and how many they are."""
    counted = await connection.execute(select(func.count()).select_from(incoming).where(which))
    total = int(counted.scalar_one())
    if not total:
        return (), 0
    rows = await connection.execute(
        select(incoming).where(which).order_by(incoming.c.record_index).limit(MOST_PROBLEMS)
    )
    return rows.all(), total


async def check_references(
    connection: AsyncConnection,
    district_id: str,
    types: Sequence[RecordType],
    *,
    active_only: bool,
) -> None:
    """Refuse records that refer to one that is not in the roster after the write."""
    problems: list[Problem] = []
    total = 0
    for record_type in types:
        for reference in LAYOUTS[record_type].references:
            found, count = await _dangling(
                connection, district_id, LAYOUTS[record_type], reference, active_only
            )
            problems += found
            total += count
    refuse(problems, total)


def refuse(problems: list[Problem], total: int) -> None:
    """Raise `RecordsRefused` with the first problems, if there are any."""
    if problems:
        problems.sort(key=lambda problem: problem.record_index or 0)
        raise RecordsRefused(problems[:MOST_PROBLEMS], total)


async def _dangling(
    connection: AsyncConnection,
    district_id: str,
    layout: Layout,
    reference: Reference,
    active_only: bool,
) -> tuple[list[Problem], int]:
    incoming, target = INCOMING[layout.record_type], LAYOUTS[reference.record_type]
    there = [
        target.table.c.district_id == district_id,
        target.table.c[target.keys[0]] == incoming.c[reference.column],
    ]
    if active_only:
        there.append(target.table.c.active)
    dangling = and_(not_(incoming.c.removed), not_(exists().where(*there)))
    found, count = await _first(connection, incoming, dangling)
    return [_loose(layout, reference, row, active_only) for row in found], count


def _loose(layout: Layout, reference: Reference, row: Row[Any], active_only: bool) -> Problem:
    wanted = row._mapping[reference.column]
    kind = reference.record_type.name.lower()
    return Problem(
        record_index=row.record_index,
        name=_name(layout, row),
        field=reference.column,
        description=f"names no {'active ' if active_only else ''}{kind} of the roster: {wanted}",
        code=ProblemCode.MISSING_REFERENCE,
        missing=RecordName(reference.record_type, (wanted,)),
    )


def _name(layout: Layout, row: Row[Any]) -> RecordName:
    return RecordName(layout.record_type, tuple(row._mapping[key] for key in layout.keys))
