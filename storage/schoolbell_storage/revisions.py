"""Revisions: the numbers of the status log, and how far a reader may go without skipping one.

SQLite has one writer, and its next number is a row of the database. PostgreSQL has many: a row
that each must lock until its commit would let them commit one after another only. There a sequence
gives the numbers, so that a number may be committed before a lower one. Before a transaction takes
its number it takes a shared advisory lock that names a lower bound of it. PostgreSQL releases the
lock after the commit is visible. A reader asks for these locks first, reads the log in a statement
after that, and goes no further than the lowest bound: what is missing up to there was rolled back.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, bindparam, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.codec import to_micros
from schoolbell_storage.mapping import Mapper
from schoolbell_storage.tables import REVISIONS, revision, status_log

_LOCKS = 0x5C40
"""The upper 16 bits of the keys of these advisory locks; the lower 48 are the bound."""
_NEAR = 500
"""Revisions that are counted at most, to see whether one is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPosition:
    """Which store this is, and where its log stands."""

    store_id: str
    value: int
    """No transaction that is still to commit has a revision up to this one."""
    visible: int
    """The newest revision that is committed, `value` at least."""
    newest: int
    """The last revision that was given to a transaction."""
    pruned: int
    """The last revision whose log is gone."""


_POSITION = Mapper(LogPosition)
_ONE_WRITER: Select[Any] = select(
    revision.c.store_id,
    revision.c.value,
    revision.c.value.label("visible"),
    revision.c.value.label("newest"),
    revision.c.pruned,
)
# The newest revision is that of the statement's snapshot, which is older than the look at the
# locks: whoever has a lower number had its lock by then. To look costs the most, so that it is
# left out where nothing is missing since a revision that is known to be complete.
_MANY_WRITERS = text(
    f"""
    SELECT log.store_id, log.visible, log.pruned, numbers.last_value AS newest,
        CASE WHEN log.visible BETWEEN :known AND :known + {_NEAR} AND (
            SELECT count(DISTINCT revision) FROM status_log
            WHERE revision > :known AND revision <= log.visible
        ) = log.visible - :known THEN log.visible ELSE least(log.visible, (
            SELECT min((classid::bigint & 65535) << 32 | objid::bigint)
            FROM pg_locks
            WHERE locktype = 'advisory' AND objsubid = 1 AND classid::bigint >> 16 = {_LOCKS}
                AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        )) END AS value
    FROM (
        SELECT store_id, pruned,
            greatest(value, pruned, (SELECT max(revision) FROM status_log)) AS visible
        FROM revision
    ) AS log
    CROSS JOIN {REVISIONS} AS numbers
    """  # noqa: S608 - constants
).bindparams(bindparam("known", type_=status_log.c.revision.type))
_ADVANCE = update(revision).values(value=revision.c.value + 1).returning(revision.c.value)
_APPEND = insert(status_log)
# What is asked of a row of the CTE before makes PostgreSQL take the lock before the number.
_TAKE_AND_APPEND = text(
    f"""
    WITH taken AS MATERIALIZED (
        SELECT pg_advisory_xact_lock_shared({_LOCKS}::bigint << 48 | last_value)::text AS done
        FROM {REVISIONS}
    ), number AS MATERIALIZED (
        SELECT CASE WHEN done IS NOT NULL THEN nextval('{REVISIONS}') END AS value FROM taken
    )
    INSERT INTO status_log (revision, district_id, create_time, updates)
    SELECT number.value, entry.district_id, :create_time, entry.updates
    FROM number
    CROSS JOIN unnest(CAST(:districts AS text[]), CAST(:updates AS bytea[]))
        AS entry(district_id, updates)
    """  # noqa: S608 - constants
).bindparams(bindparam("create_time", type_=status_log.c.create_time.type))


async def position(connection: AsyncConnection, known: int = -_NEAR) -> LogPosition:
    """Return where the log stands; what a later statement reads up to `value` is complete.

    Where the caller knows that it is up to a recent revision, to find out costs less.
    """
    if connection.dialect.name == "postgresql":
        row = (await connection.execute(_MANY_WRITERS, {"known": known})).one()
    else:
        row = (await connection.execute(_ONE_WRITER)).one()
    return _POSITION.decode(row)


async def append(
    connection: AsyncConnection, now: dt.datetime, updates: Mapping[str, bytes]
) -> None:
    """Take the next revision and log under it, a row a district.

    The calling transaction locks nothing after it: two that change the same delivery then have
    their numbers in the order in which they changed it.
    """
    districts = sorted(updates)
    if connection.dialect.name == "postgresql":
        given = {
            "create_time": to_micros(now),
            "districts": districts,
            "updates": [updates[district_id] for district_id in districts],
        }
        await connection.execute(_TAKE_AND_APPEND, given)
        return
    number = (await connection.execute(_ADVANCE)).scalar_one()
    rows = [
        {
            "revision": number,
            "district_id": district_id,
            "create_time": to_micros(now),
            "updates": updates[district_id],
        }
        for district_id in districts
    ]
    await connection.execute(_APPEND, rows)
