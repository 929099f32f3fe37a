"""A brief transaction is one turn of SQLite's writer thread, and a transaction like any other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell_storage import sqlite_driver
from schoolbell_storage.engine import Storage
from schoolbell_storage.errors import StorageUnavailable
from schoolbell_storage.tables import server_instance
from tests.storage.engines import SQLITE, databases, open_database


async def add(connection: AsyncConnection, name: str) -> int:
    """Write a row; return the thread that it was written in."""
    row = {"instance_id": name, "alive_until": 1, "sends": True}
    await connection.execute(insert(server_instance), [row])
    return threading.get_ident()


async def names(storage: Storage) -> set[str]:
    async with storage.read() as connection:
        return set((await connection.execute(select(server_instance.c.instance_id))).scalars())


@contextmanager
def turns(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """Collect the turns of connections' threads in the block."""
    taken: list[object] = []
    queued = sqlite_driver.OneTurnConnection._execute

    async def execute(self: Any, work: Any, *given: Any, **options: Any) -> Any:
        if threading.current_thread() is not self._thread:
            taken.append(work)
        return await queued(self, work, *given, **options)

    with monkeypatch.context() as patched:
        patched.setattr(sqlite_driver.OneTurnConnection, "_execute", execute)
        yield taken


@databases()
@pytest.mark.parametrize("brief", [True, False])
async def test_it_commits_and_returns_what_its_work_does(
    database: str, brief: bool, tmp_path: Path
) -> None:
    async with open_database(database, tmp_path) as storage:
        thread = await storage.transact(lambda connection: add(connection, "a"), brief=brief)
        assert await names(storage) == {"a"}
    assert (thread == threading.get_ident()) == (database != SQLITE or not brief)


async def test_brief_work_is_one_turn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def work(connection: AsyncConnection) -> None:
        for name in "abc":
            await add(connection, name)

    async with open_database(SQLITE, tmp_path) as storage:
        await storage.transact(lambda connection: add(connection, "first"), brief=True)
        with turns(monkeypatch) as taken:
            await storage.transact(work, brief=True)
        assert len(taken) == 1
        assert await names(storage) == {"first", "a", "b", "c"}


@databases()
async def test_what_fails_is_rolled_back_and_the_next_one_commits(
    database: str, tmp_path: Path
) -> None:
    async def refuse(connection: AsyncConnection) -> None:
        await add(connection, "a")
        raise KeyError("a reason of its own")

    async def twice(connection: AsyncConnection) -> None:
        await add(connection, "b")
        await add(connection, "b")

    async with open_database(database, tmp_path) as storage:
        with pytest.raises(KeyError, match="a reason of its own"):
            await storage.transact(refuse, brief=True)
        with pytest.raises(StorageUnavailable):
            await storage.transact(twice, brief=True)
        await storage.transact(lambda connection: add(connection, "c"), brief=True)
        async with storage.write() as connection:
            await add(connection, "d")
        assert await names(storage) == {"c", "d"}


async def test_work_in_the_thread_cannot_wait_for_the_loop(tmp_path: Path) -> None:
    async def wait(connection: AsyncConnection) -> None:
        await add(connection, "a")
        await asyncio.sleep(0)

    async with open_database(SQLITE, tmp_path) as storage:
        with pytest.raises(RuntimeError, match="waited for something else"):
            await storage.transact(wait, brief=True)
        await storage.transact(lambda connection: add(connection, "b"), brief=True)
        assert await names(storage) == {"b"}


async def test_whoever_is_cancelled_waits_for_the_end(tmp_path: Path) -> None:
    begun, go_on = threading.Event(), threading.Event()

    async def work(connection: AsyncConnection) -> None:
        begun.set()
        assert go_on.wait(60)
        await add(connection, "a")

    async with open_database(SQLITE, tmp_path) as storage:
        task = asyncio.create_task(storage.transact(work, brief=True))
        await asyncio.to_thread(begun.wait, 60)
        task.cancel()
        await asyncio.sleep(0)
        assert not task.done()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await names(storage) == {"a"}
