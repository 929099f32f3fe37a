"""aiosqlite with a cursor that takes one turn of the connection's thread for a statement, or none.

aiosqlite takes one to make a cursor, one to execute, one to fetch and one to close; a transaction
of twenty statements spends more time on handing over than in SQLite. Every result is fetched whole
in any case: SQLAlchemy keeps it in memory before anybody sees a row. Work that runs in the thread
itself (`in_one_turn`) has its statements executed there and then.
"""

from __future__ import annotations

import asyncio
import contextvars
import sqlite3
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import suppress
from functools import cache, cached_property, partial
from typing import Any, Self

import aiosqlite
from sqlalchemy import Engine, StaticPool, create_engine, event
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.util import LRUCache

BEGIN = "BEGIN IMMEDIATE"
"""Begins a transaction that writes."""
_STATEMENTS = 500
"""Compiled ones that are kept."""

Work = Callable[[AsyncConnection], Coroutine[Any, Any, None]]


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

    @cached_property
    def direct(self) -> Engine:
        """Return an engine of this one connection, for work in its thread."""

        def own() -> Any:
            return self._conn

        template, compiled = _direct()
        pool = StaticPool(own, reset_on_return=None, dialect=template.dialect)
        engine = Engine(pool, template.dialect, template.url)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(BEGIN))
        return engine.execution_options(compiled_cache=compiled)

    def cursor(self) -> OneTurnCursor:  # type: ignore[override]
        """Return a cursor, without asking the thread."""
        return OneTurnCursor(self._in_thread)

    async def _in_thread(self, work: Callable[[sqlite3.Connection], None]) -> None:
        await self._execute(lambda: work(self._conn))

    async def _execute(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run a function in the thread, at once where this is the thread."""
        if threading.current_thread() is self._thread:
            return fn(*args, **kwargs)
        return await super()._execute(fn, *args, **kwargs)  # type: ignore[no-untyped-call]


class DirectConnection(AsyncConnection):
    """A connection as work in its thread uses it: what it asks for is done when the call returns.

    SQLAlchemy has nothing to switch to and from, which takes longer than most statements.
    """

    async def execute(self, *asked: Any, **options: Any) -> Any:
        """Execute a statement."""
        return self._proxied.execute(*asked, **options)

    async def exec_driver_sql(self, *asked: Any, **options: Any) -> Any:
        """Execute a statement of the driver."""
        return self._proxied.exec_driver_sql(*asked, **options)


async def in_one_turn(lent: AsyncConnection, work: Work) -> None:
    """Run work in a connection's thread, where it waits for nothing but this connection.

    Whoever is cancelled waits for its end all the same: the connection is nobody else's before.
    RuntimeError where it waits for something else.
    """
    raw: Any = (await lent.get_raw_connection()).driver_connection
    run = partial(contextvars.copy_context().run, _run, raw, lent.engine, work)
    running = asyncio.ensure_future(raw._execute(run))
    try:
        await asyncio.shield(running)
    except asyncio.CancelledError:
        with suppress(Exception):
            await asyncio.shield(running)
        raise


@cache
def _direct() -> tuple[Engine, LRUCache[Any, Any]]:
    """Return an engine whose dialect every other one has, and what is compiled for it."""
    engine = create_engine("sqlite://")
    with engine.connect():  # the dialect asks what this SQLite can do
        return engine, LRUCache(_STATEMENTS)


def _run(raw: OneTurnConnection, engine: AsyncEngine, work: Work) -> None:
    with raw.direct.connect() as connection:
        running = work(DirectConnection(engine, connection))
        try:
            running.send(None)
        except StopIteration:
            return
        running.close()
    raise RuntimeError("work in a connection's thread waited for something else")


def connect(database: str, **options: Any) -> OneTurnConnection:
    """Open a SQLite database; await it. Takes the arguments of `sqlite3.connect`."""
    connection = OneTurnConnection(partial(sqlite3.connect, database, **options), 64)
    connection._thread.daemon = True  # as SQLAlchemy does with a connection of its own
    return connection
