"""The status log: what watchers read, in the order of its revisions (`revisions`).

Every transaction that changes what a watcher may see calls `append` as its last act. A reader
skips nothing, and sees each delivery change in the order in which it did.
"""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from sqlalchemy import BigInteger, bindparam, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.codec import to_micros
from schoolbell_storage.revisions import LogPosition, append, position
from schoolbell_storage.tables import revision, status_log

__all__ = [
    "LogEntry",
    "LogPage",
    "LogPosition",
    "LogPruned",
    "append",
    "district_entries",
    "ensure_store",
    "lock_entries",
    "position",
    "prune",
    "read_after",
    "rename_store",
    "rewrite",
]


@dataclass(frozen=True, slots=True)
class LogEntry:
    """What one transaction changed in one district; the bytes are the server's."""

    revision: int
    district_id: str
    updates: bytes


@dataclass(frozen=True, slots=True)
class LogPage:
    """Entries that follow one another, whole revisions only, oldest first."""

    entries: list[LogEntry]
    more: bool
    """More is committed, which waits for a transaction under way that comes before it."""


_READ = (
    select(status_log.c.revision, status_log.c.district_id, status_log.c.updates)
    .where(
        status_log.c.revision > bindparam("after", type_=BigInteger()),
        status_log.c.revision <= bindparam("last", type_=BigInteger()),
    )
    .order_by(status_log.c.revision, status_log.c.district_id)
)
_NO_END = 2**63 - 1


async def ensure_store(connection: AsyncConnection) -> None:
    """Give a new store its identity."""
    if (await connection.execute(select(revision.c.store_id))).first() is None:
        await connection.execute(insert(revision).values(store_id=str(uuid.uuid4()), value=1))


async def rename_store(connection: AsyncConnection) -> None:
    """Make this another store, so that no position given out before means anything in it."""
    await connection.execute(update(revision).values(store_id=str(uuid.uuid4())))


class LogPruned(Exception):
    """Entries behind the position that is read from are gone."""


async def read_after(
    connection: AsyncConnection, after: int, limit: int, settled: int = 0
) -> LogPage:
    """Return the entries behind a revision, as far as nothing is still to come before them.

    `settled` is up to where the caller knows that nothing is. Raises `LogPruned` where some of
    the entries are gone already.
    """
    entries, more = await _read(connection, after, _NO_END, limit), False
    if not _follow(entries, max(after, settled)):
        present = await position(connection)  # in a statement of its own, before they are read
        last = max(present.value, settled)
        entries, more = await _read(connection, after, last, limit), last < present.visible
    # Looked at last: what is not pruned now was there when the entries were read.
    gap = entries and entries[0].revision > after + 1
    if gap and (await connection.execute(select(revision.c.pruned))).scalar_one() > after:
        raise LogPruned
    return LogPage(entries, more)


def _follow(entries: Iterable[LogEntry], settled: int) -> bool:
    """Return whether no revision is missing between these, beyond those that are settled."""
    for entry in entries:
        if entry.revision > settled + 1:
            return False
        settled = max(settled, entry.revision)
    return True


async def _read(connection: AsyncConnection, after: int, last: int, limit: int) -> list[LogEntry]:
    found = await connection.execute(_READ.limit(limit), {"after": after, "last": last})
    entries = [LogEntry(row.revision, row.district_id, row.updates) for row in found]
    return await _whole(connection, entries) if len(entries) >= limit else entries


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
    settled = (await position(connection)).value
    oldest = await connection.execute(
        select(status_log.c.revision, status_log.c.create_time)
        .where(status_log.c.revision <= settled)
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
