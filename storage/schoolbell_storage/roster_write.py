"""Write roster records: whole or not at all, set-based, and only the rows that really change."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import (
    ColumnElement,
    Insert,
    Update,
    and_,
    case,
    exists,
    func,
    literal,
    not_,
    or_,
    select,
    union,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.codec import to_micros
from schoolbell_storage.districts import bump_facts
from schoolbell_storage.roster_checks import check_known, check_names, check_references
from schoolbell_storage.roster_incoming import (
    INCOMING,
    analyze_incoming,
    create_incoming,
    drop_incoming,
    incoming_types,
    load_incoming,
)
from schoolbell_storage.roster_layout import LAYOUTS, Layout
from schoolbell_storage.roster_records import RecordType
from schoolbell_storage.roster_scope import read_scope
from schoolbell_storage.rows import insert_into
from schoolbell_storage.tables import relationship, user_account


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterWrite:
    """How a set of records is to be written."""

    district_id: str
    source: str
    now: dt.datetime
    by_hand: bool = False
    """A bar among the records is set or lifted by hand, which no import lifts; what is to be
    deactivated must be known, and what is referred to may be inactive."""
    full: bool = False
    """What the source, the types and the schools of the records lack is deactivated."""
    max_deactivated_percent: float = 5.0
    """Of the active records of any type in the scope of a full write."""


@dataclass(frozen=True, slots=True)
class RecordCounts:
    """What happened to records of one type."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    deactivated: int = 0

    @property
    def touched(self) -> int:
        """Return how many rows changed."""
        return self.created + self.updated + self.deactivated


Counts = Mapping[RecordType, RecordCounts]


class DeactivatesTooMany(Exception):
    """A full write would deactivate more than it may; nothing is written."""

    def __init__(self, record_type: RecordType, percent: float) -> None:
        super().__init__(f"{percent:.1f} % of {record_type.name}")
        self.record_type = record_type
        self.percent = percent


async def write_records(
    connection: AsyncConnection, write: RosterWrite, batches: AsyncIterator[bytes]
) -> Counts:
    """Write the records of these waiting batches in this transaction.

    Raises `RecordsRefused` or `DeactivatesTooMany`; the transaction must then be rolled back.
    The caller has locked the roster, so that roster writes come one after the other.
    """
    await create_incoming(connection)
    async for batch in batches:
        await load_incoming(connection, batch)
    await analyze_incoming(connection)
    types = await incoming_types(connection)
    await check_names(connection, types)
    if write.by_hand:
        await check_known(connection, write.district_id, types)
    counts = await _apply(connection, write, types)
    await check_references(connection, write.district_id, types, active_only=not write.by_hand)
    await drop_incoming(connection)
    if any(count.touched for count in counts.values()):
        await bump_facts(connection, write.district_id)
    return counts


async def _apply(
    connection: AsyncConnection, write: RosterWrite, types: Sequence[RecordType]
) -> Counts:
    missing = await _deactivate_missing(connection, write, types) if write.full else {}
    if not write.by_hand:
        await _keep_bars(connection, write.district_id)
    counts: dict[RecordType, RecordCounts] = {}
    for record_type in types:
        layout = LAYOUTS[record_type]
        created, updated, unchanged = await _compare(connection, write, layout)
        await connection.execute(_upsert(connection, write, layout))
        removed, asked = await _remove(connection, write, layout)
        counts[record_type] = RecordCounts(
            created=created,
            updated=updated,
            unchanged=unchanged + asked - removed,
            deactivated=removed + missing.get(record_type, 0),
        )
    await connection.execute(marking_students(write.district_id))
    return counts


def _same_name(layout: Layout) -> ColumnElement[bool]:
    incoming = INCOMING[layout.record_type]
    return and_(*(incoming.c[key] == layout.table.c[key] for key in layout.keys))


def _differs(layout: Layout, source: str) -> ColumnElement[bool]:
    incoming, table = INCOMING[layout.record_type], layout.table
    return or_(
        table.c.source != source,
        *(table.c[name].is_distinct_from(incoming.c[name]) for name in layout.values),
    )


async def _compare(
    connection: AsyncConnection, write: RosterWrite, layout: Layout
) -> tuple[int, int, int]:
    """Count the records that will be created (or active again), changed, and left alone."""
    incoming, table = INCOMING[layout.record_type], layout.table
    news = or_(table.c.district_id.is_(None), not_(table.c.active))
    state = case((news, 0), (_differs(layout, write.source), 1), else_=2)
    known = and_(table.c.district_id == write.district_id, _same_name(layout))
    grouped = (
        select(state.label("state"), func.count().label("total"))
        .select_from(incoming)
        .outerjoin(table, known)
        .where(not_(incoming.c.removed))
        .group_by("state")
    )
    found = {row.state: row.total for row in await connection.execute(grouped)}
    return found.get(0, 0), found.get(1, 0), found.get(2, 0)


def _upsert(connection: AsyncConnection, write: RosterWrite, layout: Layout) -> Insert:
    incoming, table = INCOMING[layout.record_type], layout.table
    columns = ["district_id", *layout.columns, "active", "source", "update_time"]
    known = and_(table.c.district_id == write.district_id, _same_name(layout))
    stale = or_(table.c.district_id.is_(None), not_(table.c.active), _differs(layout, write.source))
    changed = (
        select(
            literal(write.district_id),
            *(incoming.c[name] for name in layout.columns),
            literal(True),
            literal(write.source),
            literal(to_micros(write.now)),
        )
        .select_from(incoming)
        .outerjoin(table, known)
        .where(not_(incoming.c.removed), stale)
    )
    statement = insert_into(connection.dialect.name, table).from_select(columns, changed)
    kept = ("district_id", *layout.keys)
    return statement.on_conflict_do_update(
        index_elements=kept,
        set_={name: statement.excluded[name] for name in columns if name not in kept},
    )


async def _remove(
    connection: AsyncConnection, write: RosterWrite, layout: Layout
) -> tuple[int, int]:
    """Deactivate the records that are named to be; return how many were and how many are named."""
    incoming = INCOMING[layout.record_type]
    asked = select(func.count()).select_from(incoming).where(incoming.c.removed)
    total = int((await connection.execute(asked)).scalar_one())
    if not total:
        return 0, 0
    named = exists().where(incoming.c.removed, _same_name(layout))
    return await _deactivate(connection, write, layout, named), total


async def _deactivate(
    connection: AsyncConnection, write: RosterWrite, layout: Layout, which: ColumnElement[bool]
) -> int:
    table = layout.table
    done = await connection.execute(
        update(table)
        .where(table.c.district_id == write.district_id, table.c.active, which)
        .values(active=False, update_time=to_micros(write.now))
    )
    return done.rowcount


async def _deactivate_missing(
    connection: AsyncConnection, write: RosterWrite, types: Sequence[RecordType]
) -> Mapping[RecordType, int]:
    """Deactivate what a full write lacks, ties before the people and calendars they hang on."""
    scope = await read_scope(connection, write.district_id, write.source)
    gone: dict[RecordType, int] = {}
    for record_type in _TIES_FIRST:
        if record_type in types:
            layout = LAYOUTS[record_type]
            covered = and_(layout.table.c.source == write.source, scope.covers(record_type))
            before = await _count_active(connection, write, layout, covered)
            missing = and_(covered, not_(exists().where(_same_name(layout))))
            gone[record_type] = await _deactivate(connection, write, layout, missing)
            percent = 100.0 * gone[record_type] / max(before, 1)
            if percent > write.max_deactivated_percent:
                raise DeactivatesTooMany(record_type, percent)
    return gone


_TIES_FIRST = (
    RecordType.RELATIONSHIP,
    RecordType.USER,
    RecordType.ENROLLMENT,
    RecordType.CALENDAR,
)


async def _count_active(
    connection: AsyncConnection, write: RosterWrite, layout: Layout, which: ColumnElement[bool]
) -> int:
    table = layout.table
    counted = (
        select(func.count())
        .select_from(table)
        .where(table.c.district_id == write.district_id, table.c.active, which)
    )
    return int((await connection.execute(counted)).scalar_one())


async def _keep_bars(connection: AsyncConnection, district_id: str) -> None:
    """Let incoming relationships say what was set by hand, whatever they said."""
    incoming = INCOMING[RecordType.RELATIONSHIP]
    by_hand = exists().where(
        relationship.c.district_id == district_id,
        _same_name(LAYOUTS[RecordType.RELATIONSHIP]),
        relationship.c.locally_set,
    )
    await connection.execute(update(incoming).where(by_hand).values(barred=True, locally_set=True))


def marking_students(district_id: str) -> Update:
    """Return what marks who came as a student; it is derived, and no change of the account."""
    # One set, not an OR of two: those PostgreSQL looks through once for every account.
    named = union(
        *(
            select(INCOMING[record_type].c.student_id)
            for record_type in (RecordType.ENROLLMENT, RecordType.RELATIONSHIP)
        )
    )
    return (
        update(user_account)
        .where(
            user_account.c.district_id == district_id,
            not_(user_account.c.student),
            user_account.c.user_id.in_(named),
        )
        .values(student=True)
    )
