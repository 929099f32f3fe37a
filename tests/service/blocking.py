"""Locks that somebody else holds on the database of a running service."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import asyncpg

from tests.service.whole import Whole


@asynccontextmanager
async def locked(service: Whole, table: str) -> AsyncIterator[None]:
    """Let nobody else write a table while the block runs; on SQLite nobody writes any."""
    url = service.config.storage.url.reveal()
    if not url:
        file = service.config.server.data_dir / "schoolbell.db"
        with closing(sqlite3.connect(file, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield
            connection.execute("ROLLBACK")
        return
    other = await asyncpg.connect(url.replace("postgresql+asyncpg", "postgresql"))
    try:
        async with other.transaction():
            await other.execute(f'LOCK TABLE "{table}" IN EXCLUSIVE MODE')
            yield
    finally:
        await other.close()
