"""The status log: what watchers read, in the order in which it was committed.

Every transaction that changes what a watcher may see calls `advance` as its last lock and
`append` after it; numbers therefore become visible in order and a reader skips nothing.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from sqlalchemy import BigInteger, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.codec import to_micros
from schoolbell_storage.tables import revision, status_log


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPosition:
    """Which store this is, its last revision, and the last whose log was pruned."""

    store_id: str
    value: int
    pruned: int


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What one transaction changed in one district; the bytes are the server's."""

    revision: int
    district_id: str
    updates: bytes


_POSITION = select(revision)
_ADVANCE = update(revision).values(value=revision.c.value + 1).returning(revision.c.value)
_APPEND = insert(status_log)
_READ = (
    select(status_log.c.revision, status_log.c.district_id, status_log.c.updates)
    .where(status_log.c.revision > bindparam("after", type_=BigInteger()))
    .order_by(status_log.c.revision, status_log.c.district_id)
)


async def ensure_store(connection: AsyncConnection) -> None:
    """Give a new store its identity."""
    if (await connection.execute(select(revision.c.store_id))).first() is None:
        await connection.execute(insert(revision).values(store_id=str(uuid.uuid4()), value=1))


async def rename_store(connection: AsyncConnection) -> None:
    """Make this another store, so that no position given out before means anything in it."""
    await connection.execute(update(revision).values(store_id=str(uuid.uuid4())))


async def position(connection: AsyncConnection) -> LogPosition:
    """Return where the log stands."""
    row = (await connection.execute(_POSITION)).one()
    return LogPosition(store_id=row.store_id, value=row.value, pruned=row.pruned)


async def advance(connection: AsyncConnection) -> int:
    """Take the next revision: the last lock of the calling transaction."""
    return int((await connection.execute(_ADVANCE)).scalar_one())


async def append(
    connection: AsyncConnection, number: int, now: dt.datetime, updates: Mapping[str, bytes]
) -> None:
    """Write what the transaction changed, one row a district."""
    if updates:
        await connection.execute(
            _APPEND,
            [
                {
                    "revision": number,
                    "district_id": district_id,
                    "create_time": to_micros(now),
                    "updates": blob,
                }
                for district_id, blob in sorted(updates.items())
            ],
        )


class LogPruned(Exception):
    """Entries behind the position that is read from are gone."""


async def read_after(connection: AsyncConnection, after: int, limit: int) -> list[LogEntry]:
    """Return the entries behind a revision, whole revisions only, oldest first.

    Raises `LogPruned` where some of them are gone already.
    """
    found = await connection.execute(_READ.limit(limit), {"after": after})
    entries = [LogEntry(row.revision, row.district_id, row.updates) for row in found]
    if len(entries) >= limit:
        entries = await _whole(connection, entries)
    # Looked at last: what is not pruned now was there when the entries were read.
    gap = entries and entries[0].revision > after + 1
    if gap and (await position(connection)).pruned > after:
        raise LogPruned
    return entries


async def _whole(connection: AsyncConnection, entries: list[LogEntry]) -> list[LogEntry]:
    """Complete the last revision, whose districts the limit may have cut."""
    last = entries[-1]
    found = await connection.execute(
        select(status_log.c.revision, status_log.c.district_id, status_log.c.updates)
        .where(status_log.c.revision == last.revision, status_log.c.district_id > last.district_id)
        .order_by(status_log.c.district_id)
    )
    return entries + [LogEntry(row.revision, row.district_id, row.updates) for row in found]


async def district_entries(
    connection: AsyncConnection, district_id: str, after: int, limit: int
) -> list[LogEntry]:
    """Return a page of one district's entries behind a revision, oldest first."""
    found = await connection.execute(
        select(status_log.c.revision, status_log.c.district_id, status_log.c.updates)
        .where(status_log.c.revision > after, status_log.c.district_id == district_id)
        .order_by(status_log.c.revision)
        .limit(limit)
    )
    return [LogEntry(row.revision, row.district_id, row.updates) for row in found]


async def lock_entries(connection: AsyncConnection, entries: Sequence[LogEntry]) -> list[LogEntry]:
    """Lock one district's entries, and return them as they are now."""
    found = await connection.execute(
        select(status_log.c.revision, status_log.c.district_id, status_log.c.updates)
        .where(
            status_log.c.revision.in_([entry.revision for entry in entries]),
            status_log.c.district_id == entries[0].district_id,
        )
        .order_by(status_log.c.revision)
        .with_for_update()
    )
    return [LogEntry(row.revision, row.district_id, row.updates) for row in found.all()]


async def rewrite(connection: AsyncConnection, entry: LogEntry) -> None:
    """Store another wording of an entry; it must have as many updates, which positions count."""
    await connection.execute(
        update(status_log)
        .where(
            status_log.c.revision == entry.revision,
            status_log.c.district_id == entry.district_id,
        )
        .values(updates=entry.updates)
    )


async def prune(connection: AsyncConnection, before: dt.datetime, most: int) -> int:
    """Drop the oldest entries, up to the first that is not of before a time; return how many.

    Whole revisions of about `most` entries go at once. Servers whose clocks differ never make a
    gap: what lies behind a young entry stays, however old its own time.
    """
    oldest = await connection.execute(
        select(status_log.c.revision, status_log.c.create_time)
        .order_by(status_log.c.revision, status_log.c.district_id)
        .limit(most)
    )
    old = takewhile(lambda row: row.create_time < to_micros(before), oldest)
    last = max((row.revision for row in old), default=None)
    if last is None:
        return 0
    gone = await connection.execute(delete(status_log).where(status_log.c.revision <= last))
    further = update(revision).where(revision.c.pruned < last).values(pruned=last)
    await connection.execute(further)
    return gone.rowcount
