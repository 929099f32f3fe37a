"""aiosqlite with a cursor that takes one turn of the connection's thread for a statement.

aiosqlite takes one to make a cursor, one to execute, one to fetch and one to close; a transaction
of twenty statements spends more time on handing over than in SQLite. Every result is fetched whole
in any case: SQLAlchemy keeps it in memory before anybody sees a row.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, Self

import aiosqlite


class OneTurnCursor:
    """What SQLAlchemy asks of a cursor, made and closed within its one statement."""

    def __init__(self, execute: Callable[..., Any]) -> None:
        """`execute` runs a function of a connection in the connection's thread."""
        self._execute = execute
        self._rows: Sequence[Any] = ()
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, statement: str, parameters: Iterable[Any] = ()) -> Self:
        """Execute a statement and fetch its rows."""
        await self._execute(partial(self._run, sqlite3.Cursor.execute, statement, parameters))
        return self

    async def executemany(self, statement: str, parameters: Iterable[Any]) -> Self:
        """Execute a statement once for each of the parameters."""
        await self._execute(partial(self._run, sqlite3.Cursor.executemany, statement, parameters))
        return self

    async def fetchall(self) -> Sequence[Any]:
        """Return the rows that were fetched."""
        return self._rows

    async def close(self) -> None:
        """Do nothing: the statement's cursor is closed already."""

    def _run(
        self,
        run: Callable[[sqlite3.Cursor, str, Any], sqlite3.Cursor],
        statement: str,
        parameters: Any,
        connection: sqlite3.Connection,
    ) -> None:
        cursor = connection.cursor()
        try:
            run(cursor, statement, parameters)
            self.description = cursor.description
            self._rows = cursor.fetchall() if cursor.description else ()
            self.rowcount, self.lastrowid = cursor.rowcount, cursor.lastrowid
        finally:
            cursor.close()


class OneTurnConnection(aiosqlite.Connection):
    """A connection whose cursors take one turn of its thread."""

    def cursor(self) -> OneTurnCursor:  # type: ignore[override]
        """Return a cursor, without asking the thread."""
        return OneTurnCursor(self._in_thread)

    async def _in_thread(self, work: Callable[[sqlite3.Connection], None]) -> None:
        await self._execute(lambda: work(self._conn))  # type: ignore[no-untyped-call]


def connect(database: str, **options: Any) -> OneTurnConnection:
    """Open a SQLite database; await it. Takes the arguments of `sqlite3.connect`."""
    connection = OneTurnConnection(partial(sqlite3.connect, database, **options), 64)
    connection._thread.daemon = True  # as SQLAlchemy does with a connection of its own
    return connection
