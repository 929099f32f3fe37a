"""Bare limits, measured beside the service: what the database and gRPC can do without it."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import asyncpg
from sqlalchemy import Column, Row, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from benchmarks.databases import SQLITE, database
from benchmarks.service import Service, generate, start_helper
from schoolbell_storage.engine import open_storage
from schoolbell_storage.migrate import migrate
from schoolbell_storage.tables import change, change_key, delivery, fact, status_log

_MOST = 10_000  # changes
_COMMIT = 100  # changes
_TABLES = (change_key, change, fact, delivery, status_log)

Chunk = Mapping[str, Sequence[Sequence[Any]]]
"""The rows of one commit, by table."""


async def commit_rate(on: Service) -> float:
    """Write the rows that were just written again, with the bare driver; return changes/s.

    100 changes a commit, into an empty database with the same tables and indexes.
    """
    chunks = await _chunks(on)
    changes = sum(len(chunk[change.name]) for chunk in chunks)
    with tempfile.TemporaryDirectory(prefix="schoolbell-bench-") as name:
        async with database(on.bench.database, Path(name)) as twin:
            storage = open_storage(twin.url.render_as_string(hide_password=False))
            await migrate(storage)
            await storage.close()
            if on.bench.database == SQLITE:
                took = await asyncio.to_thread(_sqlite, str(twin.url.database), chunks)
            else:
                took = await _postgresql(twin.configured, chunks)
    return changes / took


def written(table: Table) -> list[Column[Any]]:
    """Return the columns that are written; the database computes the others."""
    return [column for column in table.columns if column.computed is None]


async def _chunks(on: Service) -> list[Chunk]:
    """Read the newest changes with everything that was written for them."""
    async with on.storage.read() as connection:
        newest = select(*written(change)).order_by(change.c.accept_time.desc()).limit(_MOST)
        changes = (await connection.execute(newest)).all()
        oldest = min(row.accept_time for row in changes)
        keys = await _since(connection, change_key.c.accept_time, oldest)
        facts = await _since(connection, fact.c.update_time, oldest)
        deliveries = await _since(connection, delivery.c.create_time, oldest)
        logged = await _since(connection, status_log.c.create_time, oldest)
    blob = b"\0" * (sum(len(row.updates) for row in logged) * _COMMIT // len(changes))
    key_of = {(row.source, row.change_id): row for row in keys}
    deliveries_of = defaultdict(list)
    for row in deliveries:
        deliveries_of[row.source, row.change_id].append(row)
    chunks: list[Chunk] = []
    for first in range(0, len(changes), _COMMIT):
        some = changes[first : first + _COMMIT]
        names = [(row.source, row.change_id) for row in some]
        chunks.append(
            {
                change_key.name: [key_of[name] for name in names],
                change.name: some,
                fact.name: facts[first : first + _COMMIT],
                delivery.name: [row for name in names for row in deliveries_of[name]],
                status_log.name: [(first, some[0].district_id, 0, blob)],
            }
        )
    return chunks


async def _since(connection: AsyncConnection, time: Column[int], oldest: int) -> Sequence[Row[Any]]:
    columns = written(time.table)
    return (await connection.execute(select(*columns).where(time >= oldest))).all()


def _sqlite(file: str, chunks: Sequence[Chunk]) -> float:
    connection = sqlite3.connect(file, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    statements = {table.name: _insert(table) for table in _TABLES}
    began = time.perf_counter()
    for chunk in chunks:
        connection.execute("BEGIN IMMEDIATE")
        for name, rows in chunk.items():
            connection.executemany(statements[name], rows)
        connection.execute("COMMIT")
    took = time.perf_counter() - began
    connection.close()
    return took


def _insert(table: Table) -> str:
    names = [column.name for column in written(table)]
    marks = ", ".join("?" * len(names))
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({marks})"  # noqa: S608 - ours


async def _postgresql(url: str, chunks: Sequence[Chunk]) -> float:
    connection = await asyncpg.connect(url)
    columns = {table.name: [column.name for column in written(table)] for table in _TABLES}
    began = time.perf_counter()
    for chunk in chunks:
        async with connection.transaction():
            for name, rows in chunk.items():
                await connection.copy_records_to_table(
                    name, records=[tuple(row) for row in rows], columns=columns[name]
                )
    took = time.perf_counter() - began
    await connection.close()
    return took


async def echo_rate(on: Service, kind: str, **job: object) -> float:
    """Run a job of the load generator against a server that does nothing; return changes/s."""
    async with AsyncExitStack() as stack:
        port, _ = await start_helper(stack, "benchmarks.echo", on.folder / "data")
        found = await generate(on.job(kind, name="echo", **job) | {"port": port})
    return float(found["changes"] / found["seconds"])
