"""A write of roster records that is worked out before it takes SQLite's only writer.

A connection of its own copies the district's roster into temporary tables of the same names, which
hide the stored ones from it: a write of records then does to the copy what it would do to the
roster, while everybody else goes on writing. What differs in the end is all that one transaction
still has to write, as long as the roster is the one that was copied.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Column, MetaData, Table, delete, insert, select, text, tuple_
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.districts import roster_version
from schoolbell_storage.tables import (
    bar,
    calendar,
    enrollment,
    relationship,
    school,
    user_account,
)

_stored, _copies, _differences = MetaData(), MetaData(), MetaData()


@dataclass(frozen=True, slots=True)
class _CopiedTable:
    """A table of the roster, its copy, and how the two differ."""

    stored: Table
    copy: Table
    changed: Table
    """Whole rows of the copy that are not stored like that."""
    gone: Table
    """The keys of stored rows that the copy no longer has."""


def _copied(table: Table) -> _CopiedTable:
    columns = [Column(column.name, column.type) for column in table.c]
    keys = [Column(column.name, column.type) for column in table.primary_key]
    return _CopiedTable(
        table.to_metadata(_stored, schema="main"),
        table.to_metadata(_copies, schema="temp"),
        Table(f"changed_{table.name}", _differences, *columns, schema="temp"),
        Table(f"gone_{table.name}", _differences, *keys, schema="temp"),
    )


_TABLES = [
    _copied(table) for table in (school, calendar, user_account, relationship, enrollment, bar)
]


@dataclass(frozen=True, slots=True)
class RosterDryRun:
    """A copy of a district's roster, on a connection that nobody else uses."""

    connection: AsyncConnection
    district_id: str
    version: int | None
    """Of the roster that was copied; None where there is no such district."""

    async def compare(self) -> None:
        """Keep how the copy differs, and take the copy away: its names are the roster's again."""
        await self.connection.run_sync(_differences.create_all, checkfirst=False)
        for one in _TABLES:
            stored, key = one.stored, one.gone.c.keys()
            here = stored.c.district_id == self.district_id
            changed = select(one.copy).except_(select(stored).where(here))
            gone = select(*(stored.c[name] for name in key)).where(here)
            gone_now = gone.except_(select(*(one.copy.c[name] for name in key)))
            await self.connection.execute(
                insert(one.changed).from_select(one.changed.c.keys(), changed)
            )
            await self.connection.execute(insert(one.gone).from_select(key, gone_now))
        await self.connection.run_sync(_copies.drop_all, checkfirst=False)

    async def still_holds(self) -> bool:
        """Return whether the roster is the one that was copied."""
        return await roster_version(self.connection, self.district_id) == self.version

    async def repeat(self) -> bool:
        """Do to the roster what was done to the copy; False if the roster is another by now.

        `compare` has run, and the connection is in a transaction that writes.
        """
        if not await self.still_holds():
            return False
        for one in _TABLES:
            key = tuple_(*one.stored.primary_key)
            await self.connection.execute(delete(one.stored).where(key.in_(select(one.gone))))
            names = one.changed.c.keys()
            # Without a WHERE, SQLite would take ON for that of a join.
            changed = select(one.changed).where(text("true"))
            upsert = sqlite.insert(one.stored).from_select(names, changed)
            values = {name: upsert.excluded[name] for name in names if name not in one.gone.c}
            await self.connection.execute(
                upsert.on_conflict_do_update(index_elements=one.gone.c.keys(), set_=values)
            )
        return True


async def begin_dry_run(connection: AsyncConnection, district_id: str) -> RosterDryRun:
    """Copy a district's roster; the version is read before, so that a write in between moves it."""
    dry_run = RosterDryRun(connection, district_id, await roster_version(connection, district_id))
    await connection.run_sync(_copies.create_all, checkfirst=False)
    for one in _TABLES:
        stored = select(one.stored).where(one.stored.c.district_id == district_id)
        await connection.execute(insert(one.copy).from_select(one.copy.c.keys(), stored))
    return dry_run
