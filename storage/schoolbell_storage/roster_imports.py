"""Roster imports: where each stands, what it did, and the batches that wait to be applied."""

from __future__ import annotations

import datetime as dt
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique

from sqlalchemy import ColumnElement, and_, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.codec import to_micros
from schoolbell_storage.mapping import Codec, Mapper
from schoolbell_storage.roster_guards import Guards
from schoolbell_storage.roster_report import ImportReport, decode_report, encode_report
from schoolbell_storage.tables import roster_import, roster_stage

SILENCE = dt.timedelta(minutes=1)
"""After so long without a batch, an import that is being received counts as abandoned."""


@unique
class ImportMode(StrEnum):
    """Whether an import replaces or adds."""

    FULL = "full"
    DELTA = "delta"


@unique
class ImportState(StrEnum):
    """Where an import stands."""

    RECEIVING = "receiving"
    APPLYING = "applying"
    APPLIED = "applied"
    REFUSED = "refused"
    ABANDONED = "abandoned"
    VALIDATED = "validated"


ENDED = frozenset(ImportState) - {ImportState.RECEIVING, ImportState.APPLYING}


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportHeader:
    """What an import is."""

    district_id: str
    import_id: str
    mode: ImportMode
    source: str
    validate_only: bool
    guards: Guards


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportRow:
    """An import as stored."""

    header: ImportHeader
    state: ImportState
    attempt: int
    """Rises when the import starts anew; what an older attempt still sends is refused."""
    report: ImportReport
    create_time: dt.datetime
    update_time: dt.datetime
    sources: frozenset[str] = frozenset()
    """Those that the key which brought it is limited to; empty is all."""

    @property
    def end_time(self) -> dt.datetime | None:
        """Return when it ended, or None."""
        return self.update_time if self.state in ENDED else None


class ImportInProgress(Exception):
    """Another import of the same source is under way."""

    def __init__(self, import_id: str) -> None:
        super().__init__(import_id)
        self.import_id = import_id


async def find_import(
    connection: AsyncConnection, district_id: str, import_id: str, *, lock: bool = False
) -> ImportRow | None:
    """Return an import, or None."""
    wanted = select(roster_import).where(*_named(district_id, import_id))
    row = (await connection.execute(wanted.with_for_update() if lock else wanted)).first()
    return None if row is None else _MAPPER.decode(row)


async def begin_import(
    connection: AsyncConnection,
    header: ImportHeader,
    now: dt.datetime,
    sources: frozenset[str] = frozenset(),
) -> ImportRow:
    """Begin to receive an import, or return it as it is where it is applied or being applied.

    One with the same id that was refused, abandoned, only validated, or still waits for the rest
    of its records starts anew; the header returned is the stored one, for the caller to compare.
    The caller has locked the district. Raises `ImportInProgress`.
    """
    known = await find_import(connection, header.district_id, header.import_id, lock=True)
    if known is not None and (
        known.header != header or known.state in (ImportState.APPLIED, ImportState.APPLYING)
    ):
        return known
    await _refuse_second(connection, header, now)
    begun = ImportRow(
        header=header,
        state=ImportState.RECEIVING,
        attempt=1 if known is None else known.attempt + 1,
        report=ImportReport(),
        create_time=now,
        update_time=now,
        sources=sources,
    )
    if known is not None:
        await _forget(connection, header.district_id, header.import_id)
    await connection.execute(insert(roster_import).values(**_MAPPER.values(begun)))
    return begun


async def _refuse_second(
    connection: AsyncConnection, header: ImportHeader, now: dt.datetime
) -> None:
    """Let one import of a source be under way, and give up those that fell silent."""
    others = and_(
        roster_import.c.district_id == header.district_id,
        roster_import.c.source == header.source,
        roster_import.c.import_id != header.import_id,
    )
    silent = and_(
        roster_import.c.state == ImportState.RECEIVING,
        roster_import.c.update_time < to_micros(now - SILENCE),
    )
    fell = await connection.execute(
        update(roster_import)
        .where(others, silent)
        .values(state=ImportState.ABANDONED, update_time=to_micros(now))
        .returning(roster_import.c.import_id)
    )
    for import_id in fell.scalars().all():
        await drop_stage(connection, header.district_id, import_id)
    under_way = await connection.execute(
        select(roster_import.c.import_id)
        .where(others, roster_import.c.state.in_([ImportState.RECEIVING, ImportState.APPLYING]))
        .limit(1)
    )
    other = under_way.scalar()
    if other is not None:
        raise ImportInProgress(other)


async def stage_batch(
    connection: AsyncConnection, begun: ImportRow, position: int, batch: bytes, now: dt.datetime
) -> bool:
    """Let a batch wait; False if the import has meanwhile started anew."""
    if not await _move(connection, begun, ImportState.RECEIVING, now):
        return False
    await connection.execute(
        insert(roster_stage).values(
            district_id=begun.header.district_id,
            import_id=begun.header.import_id,
            position=position,
            records=batch,
        )
    )
    return True


async def complete_import(connection: AsyncConnection, begun: ImportRow, now: dt.datetime) -> bool:
    """Say that everything arrived: from now on it is applied without the client."""
    return await _move(connection, begun, ImportState.APPLYING, now)


async def abandon_import(connection: AsyncConnection, begun: ImportRow, now: dt.datetime) -> None:
    """Give up what was received, unless the import has meanwhile started anew."""
    if await _move(connection, begun, ImportState.ABANDONED, now):
        await drop_stage(connection, begun.header.district_id, begun.header.import_id)


async def refuse_import(
    connection: AsyncConnection, begun: ImportRow, report: ImportReport, now: dt.datetime
) -> bool:
    """End an import that was being received without applying it."""
    moved = await _move(connection, begun, ImportState.REFUSED, now, report)
    if moved:
        await drop_stage(connection, begun.header.district_id, begun.header.import_id)
    return moved


async def end_import(
    connection: AsyncConnection, ended: ImportRow, state: ImportState, report: ImportReport
) -> None:
    """End an import that was being applied, at the row's update time."""
    await connection.execute(
        update(roster_import)
        .where(*_named(ended.header.district_id, ended.header.import_id))
        .values(state=state, report=encode_report(report), update_time=to_micros(ended.update_time))
    )
    await drop_stage(connection, ended.header.district_id, ended.header.import_id)


async def drop_stage(connection: AsyncConnection, district_id: str, import_id: str) -> None:
    """Drop the batches that wait for an import."""
    await connection.execute(
        delete(roster_stage).where(
            roster_stage.c.district_id == district_id, roster_stage.c.import_id == import_id
        )
    )


async def staged_batches(
    connection: AsyncConnection, district_id: str, import_id: str
) -> AsyncIterator[bytes]:
    """Return the waiting batches in order, one in memory at a time."""
    position = -1
    while True:
        found = await connection.execute(
            select(roster_stage.c.position, roster_stage.c.records)
            .where(
                roster_stage.c.district_id == district_id,
                roster_stage.c.import_id == import_id,
                roster_stage.c.position > position,
            )
            .order_by(roster_stage.c.position)
            .limit(1)
        )
        row = found.first()
        if row is None:
            return
        position = row.position
        yield row.records


async def unfinished_imports(connection: AsyncConnection) -> list[tuple[str, str]]:
    """Return (district_id, import_id) of the imports that arrived whole and are not applied."""
    found = await connection.execute(
        select(roster_import.c.district_id, roster_import.c.import_id)
        .where(roster_import.c.state == ImportState.APPLYING)
        .order_by(roster_import.c.create_time)
    )
    return [(row.district_id, row.import_id) for row in found]


async def list_imports(
    connection: AsyncConnection,
    district_id: str,
    *,
    sources: Collection[str] = (),
    before: tuple[int, str] | None,
    limit: int,
) -> Sequence[ImportRow]:
    """Return a page of imports, newest first; `before` is (microseconds, id) of the last one.

    `sources` narrows it to theirs; empty is all.
    """
    page = select(roster_import).where(roster_import.c.district_id == district_id)
    if sources:
        page = page.where(roster_import.c.source.in_(list(sources)))
    if before is not None:
        time, name = before
        same_time = and_(roster_import.c.create_time == time, roster_import.c.import_id < name)
        page = page.where(or_(roster_import.c.create_time < time, same_time))
    newest = (roster_import.c.create_time.desc(), roster_import.c.import_id.desc())
    found = await connection.execute(page.order_by(*newest).limit(limit))
    return [_MAPPER.decode(row) for row in found]


async def _move(
    connection: AsyncConnection,
    begun: ImportRow,
    state: ImportState,
    now: dt.datetime,
    report: ImportReport | None = None,
) -> bool:
    """Take the step of this attempt, if it is still the one that receives."""
    values: dict[str, object] = {"state": state, "update_time": to_micros(now)}
    if report is not None:
        values["report"] = encode_report(report)
    moved = await connection.execute(
        update(roster_import)
        .where(
            *_named(begun.header.district_id, begun.header.import_id),
            roster_import.c.attempt == begun.attempt,
            roster_import.c.state == ImportState.RECEIVING,
        )
        .values(**values)
    )
    return bool(moved.rowcount)


async def _forget(connection: AsyncConnection, district_id: str, import_id: str) -> None:
    await drop_stage(connection, district_id, import_id)
    await connection.execute(delete(roster_import).where(*_named(district_id, import_id)))


def _named(district_id: str, import_id: str) -> tuple[ColumnElement[bool], ...]:
    return (
        roster_import.c.district_id == district_id,
        roster_import.c.import_id == import_id,
    )


_MAPPER = Mapper(ImportRow, {"report": Codec(encode_report, decode_report)})
