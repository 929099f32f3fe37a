"""A PostgreSQL that stops answering at any point of a transaction: it ends, in its time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import text

from schoolbell_storage.engine import Storage, open_storage
from schoolbell_storage.errors import OutcomeUnknown, StorageError, StorageUnavailable
from tests.end_to_end.postgresql import Cluster, cluster
from tests.programs import PATIENCE

LIMIT = 1.0  # seconds
ONE = text("SELECT 1")

Transaction = Callable[[Storage, Cluster], Awaitable[None]]


@asynccontextmanager
async def opened() -> AsyncIterator[tuple[Storage, Cluster]]:
    """Open a database of the test's own, and see that it can be closed however it is."""
    async with cluster() as database:
        url = database.url.replace("postgresql://", "postgresql+asyncpg://", 1)
        storage = open_storage(url, pool_size=4, timeout=LIMIT)
        try:
            yield storage, database
        finally:
            await asyncio.wait_for(storage.close(), PATIENCE)


async def freeze(database: Cluster) -> None:
    await asyncio.to_thread(database.freeze)


async def before_a_read(storage: Storage, database: Cluster) -> None:
    await freeze(database)
    async with storage.read() as connection:
        await connection.execute(ONE)


async def before_a_statement(storage: Storage, database: Cluster) -> None:
    async with storage.write() as connection:
        await freeze(database)
        await connection.execute(ONE)


async def before_the_commit(storage: Storage, database: Cluster) -> None:
    async with storage.write() as connection:
        await connection.execute(ONE)
        await freeze(database)


async def before_a_rollback(storage: Storage, database: Cluster) -> None:
    async with storage.write() as connection:
        await connection.execute(ONE)
        await freeze(database)
        raise StorageUnavailable("the block's own fault")


@pytest.mark.parametrize(
    ("transaction", "ends"),
    [
        (before_a_read, StorageUnavailable),
        (before_a_statement, StorageUnavailable),
        (before_the_commit, OutcomeUnknown),
        (before_a_rollback, StorageUnavailable),
    ],
)
async def test_a_transaction_ends_wherever_it_hangs(
    transaction: Transaction, ends: type[StorageError]
) -> None:
    async with opened() as (storage, database):
        await _answers(storage)
        with pytest.raises(ends):
            await asyncio.wait_for(transaction(storage, database), PATIENCE)
        await asyncio.to_thread(database.thaw)
        await asyncio.wait_for(_answers(storage), PATIENCE)


async def test_what_was_read_is_read_though_nobody_answers_any_more() -> None:
    async with opened() as (storage, database):
        await _answers(storage)
        async with asyncio.timeout(PATIENCE), storage.read() as connection:
            assert (await connection.execute(ONE)).scalar_one() == 1
            await freeze(database)


async def _answers(storage: Storage) -> None:
    """Read, and again where a connection did not outlive what was."""
    while True:
        try:
            async with storage.read() as connection:
                assert (await connection.execute(ONE)).scalar_one() == 1
        except StorageUnavailable:
            continue
        return
