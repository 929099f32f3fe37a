"""Open a database and run transactions on it, the same way on SQLite and PostgreSQL.

SQLite writes through one connection, one transaction at a time (`BEGIN IMMEDIATE`, WAL,
synchronous FULL), and reads through others; PostgreSQL uses one pool for both.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from weakref import WeakSet

from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from schoolbell_storage import sqlite_driver
from schoolbell_storage.errors import (
    Conflict,
    OutcomeUnknown,
    StorageError,
    StorageUnavailable,
    ValueRefused,
)

_READERS = 4
POOL_SIZE = 12
"""PostgreSQL connections, where nobody says how many."""
_POOL_TIMEOUT = 30.0  # seconds
_GRACE = 2.0  # seconds, to end what was cancelled
_FAULTS = (DBAPIError, PoolTimeout, OSError)
_CONFLICTS = frozenset({"40P01", "40001"})  # deadlock detected, could not serialize
_WRITER_CACHE = 64 * 1024  # KiB
_READER_CACHE = 8 * 1024  # KiB: what they read the system has in its cache too
_DATA_EXCEPTIONS = "22"  # their class
_SQLITE_PRAGMAS = (
    "PRAGMA busy_timeout=10000",  # first: two that open an empty file meet over the next
    "PRAGMA journal_mode=WAL",
    # 32 MiB: a page that many transactions write goes to the database once for all of them.
    "PRAGMA wal_autocheckpoint=8192",
    "PRAGMA synchronous=FULL",
    "PRAGMA temp_store=MEMORY",
    # What is deleted is overwritten: freed pages would keep erased persons for years.
    "PRAGMA secure_delete=ON",
)

FEW = 8
"""Changes, outcomes or receipts whose transaction is brief."""

Result = TypeVar("Result")
Work = Callable[[AsyncConnection], Coroutine[Any, Any, Result]]
"""What a transaction does with its connection."""


class Storage:
    """A database with its transactions. Create with `open_storage`, end with `close`."""

    def __init__(
        self,
        writer: AsyncEngine,
        reader: AsyncEngine,
        timeout: float | None = None,
        aside: AsyncEngine | None = None,
    ) -> None:
        """`timeout` is the longest that a timed transaction may take, in seconds.

        `aside` makes a new connection each time; only SQLite has one.
        """
        self._writer = writer
        self._reader = reader
        self._aside = aside
        self._timeout = timeout
        self._open: WeakSet[Any] = WeakSet()
        """What PostgreSQL's driver has open."""
        if writer.dialect.name == "postgresql":
            event.listen(writer.sync_engine, "connect", self._opened)
        self.on_fault: Callable[[StorageError], None] = lambda error: None
        """Is told of everything that storage fails, before whoever asked for it is."""
        self._one_writer = asyncio.Lock() if writer.dialect.name == "sqlite" else None
        self.erased = asyncio.Event()
        """Somebody's data were erased, and a SQLite database's log may still hold them."""

    def _opened(self, connection: Any, _record: Any) -> None:
        self._open.add(connection.driver_connection)

    @property
    def dialect(self) -> str:
        """Return 'sqlite' or 'postgresql'."""
        return self._writer.dialect.name

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection for reading; raise `StorageUnavailable` where there is none.

        Raises `ValueRefused` for a value that the database cannot compare with.
        """
        try:
            async with self._connected(self._reader, self._timeout) as connection:
                yield connection
        except _FAULTS as error:
            raise self._failed(error, committing=False) from error

    @asynccontextmanager
    async def aside(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection to SQLite for long work on temporary tables, which end with the block.

        Every statement is a transaction of its own, so that nobody who writes waits for the work.
        Raises what `read` does.
        """
        assert self._aside is not None, "PostgreSQL has more writers than one"
        try:
            async with self._aside.connect() as connection:
                yield connection
        except _FAULTS as error:
            raise self._failed(error, committing=False) from error

    @asynccontextmanager
    async def write(
        self, *, keep: bool = True, timed: bool = True, on: AsyncConnection | None = None
    ) -> AsyncIterator[AsyncConnection]:
        """Run one transaction: commit where the block ends well, else roll back.

        Without `keep` it is rolled back in any case: a dry run. Without `timed` it may take as
        long as it takes. `on` is a connection of `aside` to run it on, for its temporary tables.

        Raises `StorageUnavailable` where nothing was committed (`Conflict` where another
        transaction was the cause), `OutcomeUnknown` where nobody answered the commit, and
        `ValueRefused` for a value that the database cannot hold.
        """
        limit = self._timeout if timed else None
        where = self._connected(self._writer, limit) if on is None else _lent(on)
        async with (
            self._committed(keep=keep) as commit,
            where as connection,
            commit.transaction(connection),
        ):
            if on is not None:
                await connection.exec_driver_sql(sqlite_driver.BEGIN)
            yield connection

    async def transact(self, work: Work[Result], *, brief: bool) -> Result:
        """Run one transaction of `work`, as `write` does, and return what that returns.

        On SQLite what is `brief` is one turn of the writer's thread, beside the event loop: `work`
        waits for nothing but its connection and touches nothing that the loop may change meanwhile.
        Whoever is cancelled waits for its end all the same. What takes long between its statements
        would contend with the loop for the interpreter, which costs more than the turns.
        """
        found: list[Result] = []

        async def run(connection: AsyncConnection) -> None:
            async with commit.transaction(connection):
                found.append(await work(connection))

        async with (
            self._committed(keep=True) as commit,
            self._connected(self._writer, self._timeout) as connection,
        ):
            if brief and self._one_writer is not None:
                await sqlite_driver.in_one_turn(connection, run)
            else:
                await run(connection)
        return found[0]  # also where letting go of the connection failed

    @asynccontextmanager
    async def _committed(self, *, keep: bool) -> AsyncIterator[_Commit]:
        """Run one transaction, alone on SQLite; tell what its failure means."""
        commit = _Commit(keep)
        async with self._one_writer or nullcontext():
            try:
                yield commit
            except _FAULTS as error:
                if not commit.done:  # else what failed is only to let go of the connection
                    raise self._failed(error, committing=commit.begun) from error

    def _failed(self, error: Exception, *, committing: bool) -> StorageError | ValueRefused:
        failure = _failure(error, committing=committing)
        if isinstance(failure, StorageError):
            self.on_fault(failure)
        return failure

    @asynccontextmanager
    async def _connected(
        self, engine: AsyncEngine, limit: float | None
    ) -> AsyncIterator[AsyncConnection]:
        """Connect for so many seconds at most; what then still waits for an answer gets none.

        To let go of a connection rolls back, and SQLAlchemy lets nobody cancel that.
        """
        cut: asyncio.TimerHandle | None = None
        try:
            async with asyncio.timeout(limit), engine.connect() as connection:
                if limit is not None:
                    raw: Any = (await connection.get_raw_connection()).driver_connection
                    cut = asyncio.get_running_loop().call_later(limit + _GRACE, raw.terminate)
                yield connection
        finally:
            if cut is not None:
                cut.cancel()

    async def empty_log(self) -> bool:
        """Empty the log (WAL) of a SQLite database into it, so that it holds nothing erased.

        Nobody is waited for: False where a reader or another program is in the way, and the log is
        as it was. PostgreSQL recycles its own log; nothing is done there. StorageError where
        storage fails.
        """
        if self._one_writer is None:
            return True
        try:
            async with self._one_writer, self._reader.connect() as connection:
                await connection.exec_driver_sql("PRAGMA busy_timeout=0")
                try:
                    answer = await connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
                    busy = answer.scalar_one_or_none() if answer.returns_rows else 0
                finally:
                    await connection.exec_driver_sql(_SQLITE_PRAGMAS[0])
        except _FAULTS as error:
            if "locked" in _cause(error):
                return False
            raise _failure(error, committing=False) from error
        return not busy

    async def close(self) -> None:
        """Close every connection; one that does not answer is cut."""
        cut = asyncio.get_running_loop().call_later(_GRACE, self._cut)
        try:
            for engine in {self._writer, self._reader, self._aside or self._reader}:
                await engine.dispose()
        finally:
            cut.cancel()

    def _cut(self) -> None:
        for connection in list(self._open):
            connection.terminate()


@dataclass(slots=True)
class _Commit:
    """How far a transaction's commit is."""

    keep: bool
    """Else it is rolled back."""
    begun: bool = False
    done: bool = False

    @asynccontextmanager
    async def transaction(self, connection: AsyncConnection) -> AsyncIterator[None]:
        transaction = await connection.begin()
        yield
        if self.keep:
            self.begun = True
            await transaction.commit()
            self.done = True
        else:
            await transaction.rollback()


@asynccontextmanager
async def _lent(connection: AsyncConnection) -> AsyncIterator[AsyncConnection]:
    """Lend a connection to one transaction, of which nothing is left open in the end."""
    await connection.commit()  # what SQLAlchemy takes for a transaction
    try:
        yield connection
    finally:
        with suppress(*_FAULTS):  # of a connection that is lost anyway
            await connection.rollback()


def sqlite_url(file: Path) -> URL:
    """Return the URL of a SQLite database; no letter of its path means anything in it."""
    return URL.create("sqlite+aiosqlite", database=str(file.absolute()))


def open_storage(
    url: str | URL, pool_size: int = POOL_SIZE, timeout: float | None = None
) -> Storage:
    """Open the database at a SQLAlchemy URL (`sqlite+aiosqlite:///…`, `postgresql+asyncpg://…`).

    `pool_size` is the most connections to PostgreSQL; SQLite has one writer and a few readers.
    `timeout` is how long a PostgreSQL may take over a transaction, in seconds: one that hangs, or a
    network that swallows its answers, then counts as gone.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return Storage(
            _sqlite_writer(parsed),
            _sqlite_engine(parsed, _READER_CACHE, _READERS),
            aside=_sqlite_engine(parsed, _READER_CACHE),
        )
    engine = create_async_engine(
        parsed,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=_POOL_TIMEOUT,
    )
    # Reads see what is committed when each statement runs, as on SQLite: no BEGIN, no ROLLBACK.
    return Storage(engine, engine.execution_options(isolation_level="AUTOCOMMIT"), timeout)


def _sqlite_engine(url: URL, cache: int, connections: int | None = None) -> AsyncEngine:
    """Return an engine whose every statement sees what is committed when it runs.

    A reader needs no transaction: what must be read first is read first. `cache` is in KiB.
    Without a number of connections none is kept: each is made, and closed after its use.
    """
    pool: dict[str, Any] = {"poolclass": NullPool}
    if connections is not None:
        pool = {
            "pool_size": connections,
            "max_overflow": 0,
            "pool_timeout": _POOL_TIMEOUT,
            "pool_reset_on_return": None,
        }
    engine = create_async_engine(
        url, connect_args={"async_creator_fn": sqlite_driver.connect}, **pool
    )

    @event.listens_for(engine.sync_engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions by itself
        cursor = connection.cursor()
        for pragma in (*_SQLITE_PRAGMAS, f"PRAGMA cache_size=-{cache}"):
            cursor.execute(pragma)
        cursor.close()

    return engine


def _sqlite_writer(url: URL) -> AsyncEngine:
    engine = _sqlite_engine(url, _WRITER_CACHE, 1)

    @event.listens_for(engine.sync_engine, "begin")
    def _begin(connection: Any) -> None:
        connection.exec_driver_sql(sqlite_driver.BEGIN)

    return engine


def _failure(error: Exception, *, committing: bool) -> StorageError | ValueRefused:
    """Return what a transaction that failed is to its caller."""
    if committing:
        return OutcomeUnknown(_cause(error))
    state = _state(error)
    if state.startswith(_DATA_EXCEPTIONS):
        return ValueRefused(f"SQLSTATE {state}")  # its words may hold the value
    return (Conflict if state in _CONFLICTS else StorageUnavailable)(_cause(error))


def _state(error: Exception) -> str:
    """Return PostgreSQL's SQLSTATE; SQLite has none, and its driver refuses values by itself."""
    return (isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None)) or ""


def _cause(error: BaseException) -> str:
    """Name the cause without the statement, whose parameters may hold personal data."""
    return str(error.orig) if isinstance(error, DBAPIError) else type(error).__name__
