"""Write roster records: whole or not at all, set-based, and only the rows that really change."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from sqlalchemy import (
    ColumnElement,
    Insert,
    Update,
    and_,
    case,
    exists,
    false,
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
from schoolbell_storage.districts import move_roster
from schoolbell_storage.roster_bars import BarWriter, lost_bars
from schoolbell_storage.roster_checks import (
    MOST_PROBLEMS,
    Problem,
    check_known,
    check_names,
    check_own,
    check_references,
)
from schoolbell_storage.roster_guards import (
    ALLOW_BAR_LOSS,
    MAX_BIRTH_DATE_LOSS,
    MAX_DEACTIVATED,
    MAX_PORTAL_LOSS,
    Counts,
    Excess,
    Guards,
    GuardsExceeded,
    Loss,
    RecordCounts,
    exceeded,
)
from schoolbell_storage.roster_incoming import (
    INCOMING,
    analyze_incoming,
    create_incoming,
    drop_incoming,
    incoming_types,
    load_incoming,
)
from schoolbell_storage.roster_layout import LAYOUTS, Layout
from schoolbell_storage.roster_merge import fill_from_stored
from schoolbell_storage.roster_records import RecordType
from schoolbell_storage.roster_scope import read_scope
from schoolbell_storage.roster_takeover import Takeover, is_strange, take_over
from schoolbell_storage.rows import insert_into
from schoolbell_storage.tables import relationship, user_account


@dataclass(frozen=True, slots=True, kw_only=True)
class RosterWrite:
    """How a set of records is to be written."""

    district_id: str
    source: str
    now: dt.datetime
    by_hand: bool = False
    """What is to be deactivated must be known, what is referred to may be inactive, records may
    lift their source's bars, and of the guards only that on deactivated bars holds."""
    full: bool = False
    """What the source, the types and the schools of the records lack is deactivated."""
    guards: Guards = Guards()
    sources: frozenset[str] = frozenset()
    """Whose records may be touched, with what is new; empty is everybody's."""

    @property
    def spoken_for(self) -> frozenset[str]:
        """Return the sources whose records stay with their writer."""
        return self.sources | {self.source}


@dataclass(frozen=True, slots=True)
class Written:
    """What a write did."""

    counts: Counts
    lost_bars: Sequence[Problem]
    """The first of the bars that were lifted where they would have been a loss."""
    lost_bar_total: int
    takeover: Takeover
    """What callers limited to other sources had stored."""

    @property
    def touched(self) -> bool:
        """Return whether any record changed."""
        return any(count.touched for count in self.counts.values())


async def write_records(
    connection: AsyncConnection, write: RosterWrite, batches: AsyncIterator[bytes]
) -> Written:
    """Write the records of these waiting batches in this transaction, and move the versions.

    Raises `RecordsRefused` or `GuardsExceeded`; the transaction must then be rolled back.
    The caller has locked the roster, so that roster writes come one after the other.
    """
    done = await change_roster(connection, write, batches)
    if done.touched:
        await move_roster(connection, write.district_id)
    return done


async def change_roster(
    connection: AsyncConnection, write: RosterWrite, batches: AsyncIterator[bytes]
) -> Written:
    """Do what `write_records` does, but for the versions."""
    await create_incoming(connection)
    async for batch in batches:
        await load_incoming(connection, batch)
    await analyze_incoming(connection)
    types = await incoming_types(connection)
    await check_names(connection, types)
    if write.by_hand:
        await check_known(connection, write.district_id, types)
    await fill_from_stored(connection, write.district_id, write.spoken_for, types)
    if write.sources:  # Of whole records: the student of an enrollment may be a stored one.
        await check_own(connection, write.district_id, types, write.sources)
    done = await _Work(connection, write).apply(types)
    await check_references(connection, write.district_id, types, active_only=not write.by_hand)
    await drop_incoming(connection)
    return done


@dataclass(slots=True)
class _Work:
    """One write, with what it turns out to lose."""

    connection: AsyncConnection
    write: RosterWrite
    bars: BarWriter | None = None
    """None where there is no bar to set, lift or lose."""
    losses: list[Loss] = field(default_factory=list)

    async def apply(self, types: Sequence[RecordType]) -> Written:
        write = self.write
        bars = BarWriter(write.district_id, write.source, write.now)
        self.bars = bars if await bars.matter(self.connection) else None
        stored = {} if write.by_hand else await self._count_stored(types)
        missing = await self._deactivate_missing(types) if write.full else {}
        takeover = await take_over(
            self.connection, write.district_id, write.spoken_for, write.now, types
        )
        counts: dict[RecordType, RecordCounts] = {}
        for record_type in types:
            layout = LAYOUTS[record_type]
            removed, asked = await self._remove(layout)
            created, updated, unchanged = await self._compare(layout, stored)
            await self.connection.execute(self._upsert(layout))
            counts[record_type] = RecordCounts(
                created=created,
                updated=updated,
                unchanged=unchanged + asked - removed,
                deactivated=removed + missing.get(record_type, 0),
            )
        for record_type, ended in takeover.ended.items():
            count = counts.get(record_type, RecordCounts())
            if ended:
                counts[record_type] = replace(count, deactivated=count.deactivated + ended)
        await self.connection.execute(marking_students(write.district_id))
        problems, total = await self._write_bars()
        self._guard(counts, problems, total)
        return Written(counts, problems, total, takeover)

    async def _write_bars(self) -> tuple[Sequence[Problem], int]:
        """Set and lift bars; return those that are lost, which the guards have yet to allow."""
        if self.bars is None:
            return (), 0
        if not self.write.by_hand:
            await self.bars.note_lifted(self.connection)
        await self.bars.forget_restated(self.connection)
        problems, total = await lost_bars(self.connection)
        await self.bars.write(self.connection)
        await self.bars.lift_lost(self.connection)
        return problems, total

    def _guard(self, counts: Counts, lost: Sequence[Problem], lost_total: int) -> None:
        guards = self.write.guards
        found = [] if self.write.by_hand else list(exceeded(guards, self.losses))
        excesses = [excess for excess, _ in found]
        problems, total = [problem for _, problem in found], len(found)
        if lost_total and not guards.allow_bar_loss:
            excesses.append(Excess(ALLOW_BAR_LOSS, RecordType.RELATIONSHIP))
            problems += lost[: MOST_PROBLEMS - total]
            total += lost_total
        if excesses:
            raise GuardsExceeded(excesses[0], counts, problems, total)

    async def _count_stored(self, types: Sequence[RecordType]) -> Mapping[str, int]:
        """Count, before the write, what its source has of that which a guard keeps."""
        return {
            guard: await self._count(LAYOUTS[record_type], kept)
            for record_type, (guard, kept, _) in _KEPT.items()
            if record_type in types
        }

    async def _compare(self, layout: Layout, stored: Mapping[str, int]) -> tuple[int, int, int]:
        """Count the records that will be created (or active again), changed, and left alone.

        Notes what they lose of that which a guard keeps.
        """
        incoming, table = INCOMING[layout.record_type], layout.table
        news = or_(table.c.district_id.is_(None), not_(table.c.active))
        state = case((news, 0), (self._differs(layout), 1), else_=2)
        guard, kept, gone = _KEPT.get(layout.record_type, ("", false(), false()))
        known = not_(is_strange(table, self.write.spoken_for))
        lost = func.sum(case((and_(known, kept, gone), 1), else_=0))
        grouped = (
            select(state.label("state"), func.count().label("total"), lost.label("lost"))
            .select_from(incoming)
            .outerjoin(table, self._known(layout))
            .where(not_(incoming.c.removed))
            .group_by("state")
        )
        found = {row.state: row for row in await self.connection.execute(grouped)}
        if guard in stored:
            total = sum(int(row.lost) for row in found.values())
            self.losses.append(Loss(guard, layout.record_type, total, stored[guard]))
        created, updated, unchanged = (found[n].total if n in found else 0 for n in range(3))
        return created, updated, unchanged

    def _known(self, layout: Layout) -> ColumnElement[bool]:
        return and_(layout.table.c.district_id == self.write.district_id, _same_name(layout))

    def _differs(self, layout: Layout) -> ColumnElement[bool]:
        incoming, table = INCOMING[layout.record_type], layout.table
        differs = [table.c[name].is_distinct_from(incoming.c[name]) for name in layout.values]
        if self.bars is not None and layout.record_type is RecordType.RELATIONSHIP:
            differs.append(self.bars.changes())
        return or_(table.c.source != self.write.source, *differs)

    def _upsert(self, layout: Layout) -> Insert:
        incoming, table = INCOMING[layout.record_type], layout.table
        columns = ["district_id", *layout.columns, "active", "source", "limited", "update_time"]
        stale = or_(table.c.district_id.is_(None), not_(table.c.active), self._differs(layout))
        changed = (
            select(
                literal(self.write.district_id),
                *(incoming.c[name] for name in layout.columns),
                literal(True),
                literal(self.write.source),
                literal(bool(self.write.sources)),
                literal(to_micros(self.write.now)),
            )
            .select_from(incoming)
            .outerjoin(table, self._known(layout))
            .where(not_(incoming.c.removed), stale)
        )
        statement = insert_into(self.connection.dialect.name, table).from_select(columns, changed)
        kept = ("district_id", *layout.keys)
        return statement.on_conflict_do_update(
            index_elements=kept,
            set_={name: statement.excluded[name] for name in columns if name not in kept},
        )

    async def _remove(self, layout: Layout) -> tuple[int, int]:
        """Deactivate the records that are named to be; return how many were and are named."""
        incoming, table = INCOMING[layout.record_type], layout.table
        asked = select(func.count()).select_from(incoming).where(incoming.c.removed)
        total = int((await self.connection.execute(asked)).scalar_one())
        if not total:
            return 0, 0
        before = 0 if self.write.by_hand else await self._count(layout, table.c.active)
        which = exists().where(incoming.c.removed, _same_name(layout))
        gone = await self._deactivate(layout, which, named=True)
        self.losses.append(Loss(MAX_DEACTIVATED, layout.record_type, gone, before))
        return gone, total

    async def _deactivate_missing(self, types: Sequence[RecordType]) -> Mapping[RecordType, int]:
        """Deactivate what a full write lacks, relationships before the people they belong to."""
        write = self.write
        scope = await read_scope(self.connection, write.district_id, write.source)
        gone: dict[RecordType, int] = {}
        for record_type in _RELATIONSHIPS_FIRST:
            if record_type in types:
                layout = LAYOUTS[record_type]
                covered = and_(layout.table.c.source == write.source, scope.covers(record_type))
                before = await self._count(layout, and_(layout.table.c.active, covered))
                missing = and_(covered, not_(exists().where(_same_name(layout))))
                gone[record_type] = await self._deactivate(layout, missing, named=False)
                self.losses.append(Loss(MAX_DEACTIVATED, record_type, gone[record_type], before))
        return gone

    async def _deactivate(self, layout: Layout, which: ColumnElement[bool], *, named: bool) -> int:
        table = layout.table
        if self.bars is not None:
            await self.bars.note_carried(self.connection, layout, which, named=named)
        done = await self.connection.execute(
            update(table)
            .where(table.c.district_id == self.write.district_id, table.c.active, which)
            .values(active=False, update_time=to_micros(self.write.now))
        )
        return done.rowcount

    async def _count(self, layout: Layout, which: ColumnElement[bool]) -> int:
        """Count the rows of the write's source."""
        table = layout.table
        counted = (
            select(func.count())
            .select_from(table)
            .where(
                table.c.district_id == self.write.district_id,
                table.c.source == self.write.source,
                which,
            )
        )
        return int((await self.connection.execute(counted)).scalar_one())


_RELATIONSHIPS_FIRST = (
    RecordType.RELATIONSHIP,
    RecordType.USER,
    RecordType.ENROLLMENT,
    RecordType.CALENDAR,
)
_Kept = tuple[str, ColumnElement[bool], ColumnElement[bool]]
_KEPT: Mapping[RecordType, _Kept] = {
    RecordType.RELATIONSHIP: (
        MAX_PORTAL_LOSS,
        and_(relationship.c.active, relationship.c.portal_enabled),
        not_(INCOMING[RecordType.RELATIONSHIP].c.portal_enabled),
    ),
    RecordType.USER: (
        MAX_BIRTH_DATE_LOSS,
        user_account.c.birth_date.is_not(None),
        INCOMING[RecordType.USER].c.birth_date.is_(None),
    ),
}
"""The guard of a type, which stored records have what it keeps, and which incoming ones lose it."""


def _same_name(layout: Layout) -> ColumnElement[bool]:
    incoming = INCOMING[layout.record_type]
    return and_(*(incoming.c[key] == layout.table.c[key] for key in layout.keys))


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
