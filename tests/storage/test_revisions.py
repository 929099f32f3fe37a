"""Readers of the status log skip nothing that is committed, and see every delivery's order.

Many transactions take their revisions at once, and commit or roll back in any order.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from itertools import groupby
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from schoolbell.v1 import status_pb2
from schoolbell_server.background.stopping import Stop
from schoolbell_server.contract.resume_tokens import ResumeToken
from schoolbell_server.status.tail import Tail
from schoolbell_server.status.watch import Watch, WatchSpec
from schoolbell_storage import status_log
from schoolbell_storage.engine import Storage, open_storage
from schoolbell_storage.migrate import migrate
from schoolbell_storage.status_log import LogEntry
from tests.storage.aged import NOW
from tests.storage.engines import (
    POSTGRESQL,
    database_url,
    databases,
    open_database,
)
from tests.storage.old_database import old_database, old_rows

SERVERS, WRITERS, TRANSACTIONS = 3, 4, 60
DELIVERIES = [f"d{number}" for number in range(12)]
DISTRICTS = ["maple", "oak", "pine"]
POLL = 0.01  # seconds
PATIENCE = 60.0  # seconds


async def prepare(storage: Storage) -> None:
    """Make the deliveries of the model."""
    async with storage.write() as connection:
        await connection.execute(text("CREATE TABLE model (name TEXT PRIMARY KEY, version INT)"))
        rows = [{"name": name} for name in DELIVERIES]
        await connection.execute(text("INSERT INTO model VALUES (:name, 0)"), rows)


async def write(storage: Storage, chance: random.Random) -> None:
    """Change some deliveries, each in a transaction that takes its time, and may be given up."""
    for _ in range(TRANSACTIONS):
        async with storage.write(keep=chance.random() > 0.2) as connection:
            names = sorted(chance.sample(DELIVERIES, chance.randint(1, 3)))
            told: dict[str, list[str]] = {}
            for name in names:
                version = await changed(connection, name)
                told.setdefault(DISTRICTS[hash_of(name)], []).append(f"{name} {version}")
            await status_log.append(
                connection, NOW, {name: ",".join(some).encode() for name, some in told.items()}
            )
            for _ in range(chance.choice((0, 0, 1, 8))):
                await connection.execute(text("SELECT 1"))


def hash_of(name: str) -> int:
    """Return which district a delivery is of."""
    return DELIVERIES.index(name) % len(DISTRICTS)


async def changed(connection: AsyncConnection, name: str) -> int:
    """Lock a delivery, count its version up and return it."""
    statement = "UPDATE model SET version = version + 1 WHERE name = :name RETURNING version"
    return int((await connection.execute(text(statement), {"name": name})).scalar_one())


async def follow(storage: Storage, after: int, written: asyncio.Event) -> list[LogEntry]:
    """Read the log from a revision on, a small page at a time, to the end of what was written."""
    found: list[LogEntry] = []
    while True:
        is_last = written.is_set()
        async with storage.read() as connection:
            page = await status_log.read_after(connection, after, 5)
        found += page.entries
        if page.entries:
            after = page.entries[-1].revision
        elif is_last:
            return found


async def watch(tail: Tail, written: asyncio.Event) -> list[LogEntry]:
    """Follow the log as a server does that nobody nudges, to the end of what was written."""
    stop = Stop()
    running = asyncio.create_task(tail.run(stop))
    await written.wait()
    last = (await tail.position()).value
    assert tail.head == last or await tail.wait_beyond(last - 1, PATIENCE)
    stop.ask()
    tail.nudge()
    await running
    return list(await tail.read_after(1))


async def list_then_watch(
    storage: Storage, chance: random.Random, written: asyncio.Event
) -> tuple[dict[str, int], list[LogEntry]]:
    """Take a position once some is written, then list, then read on from the position."""
    after = 0
    for _ in range(chance.randint(1, 200)):
        async with storage.read() as connection:
            after = (await status_log.position(connection, after)).value
    async with storage.read() as connection:
        listed = {
            str(name): int(version)
            for name, version in await connection.execute(text("SELECT name, version FROM model"))
        }
    return listed, await follow(storage, after, written)


def versions(entries: list[LogEntry]) -> dict[str, list[int]]:
    """Return the versions of each delivery as they were told."""
    told: dict[str, list[int]] = {name: [] for name in DELIVERIES}
    for entry in entries:
        for one in entry.updates.decode().split(","):
            name, version = one.split()
            told[name].append(int(version))
    return told


@databases()
@pytest.mark.parametrize("seed", range(2))
async def test_readers_of_several_servers_skip_nothing(
    database: str, seed: int, tmp_path: Path
) -> None:
    written = asyncio.Event()
    async with database_url(database, tmp_path) as url, AsyncExitStack() as stack:
        servers = [open_storage(url) for _ in range(1 if database == "sqlite" else SERVERS)]
        for one in servers:
            stack.push_async_callback(one.close)
        await prepare(servers[0])
        tails = [Tail(one, POLL) for one in servers]
        for tail in tails:
            await tail.start()
        async with asyncio.TaskGroup() as tasks:
            readers = [tasks.create_task(follow(one, 1, written)) for one in servers]
            watchers = [tasks.create_task(watch(one, written)) for one in tails]
            listers = [
                tasks.create_task(list_then_watch(one, random.Random(seed + n), written))
                for n, one in enumerate(servers)
            ]
            async with asyncio.TaskGroup() as writing:
                for number in range(WRITERS * len(servers)):
                    chance = random.Random(seed * 1000 + number)
                    writing.create_task(write(servers[number % len(servers)], chance))
            written.set()
        everything = readers[0].result()
        final = versions(everything)
        for name, told in final.items():
            assert told == list(range(1, len(told) + 1)), name
        assert sum(map(len, final.values())) > TRANSACTIONS
        for reader in (*readers, *watchers):
            assert reader.result() == everything
        for listed, rest in (lister.result() for lister in listers):
            for name, told in versions(rest).items():
                missed = final[name][listed[name] :]
                assert told[len(told) - len(missed) :] == missed, name
        whole = [key for key, _ in groupby(everything, key=lambda entry: entry.revision)]
        assert whole == sorted(set(whole))


@pytest.mark.postgresql
@pytest.mark.parametrize("keep", [True, False])
async def test_what_is_committed_waits_for_what_comes_before_it(keep: bool, tmp_path: Path) -> None:
    async with open_database(POSTGRESQL, tmp_path) as storage:
        async with storage.write(keep=keep) as first:
            await status_log.append(first, NOW, {"maple": b"1"})
            async with storage.write() as second, asyncio.timeout(PATIENCE):
                await status_log.append(second, NOW, {"maple": b"2"})  # waits for nobody
            async with storage.read() as connection:
                before = await status_log.position(connection)
                assert await status_log.position(connection, before.value) == before
                page = await status_log.read_after(connection, 1, 10)
            assert (page.entries, page.more) == ([], True)
            assert (before.value, before.visible, before.newest) == (1, 3, 3)
        async with storage.read() as connection:
            page = await status_log.read_after(connection, before.value, 10)
            after = await status_log.position(connection)
        told = [LogEntry(2, "maple", b"1")] if keep else []
        assert page.entries == [*told, LogEntry(3, "maple", b"2")]
        assert (page.more, after.value) == (False, 3)


async def _no_states() -> AsyncIterator[status_pb2.ServiceState]:
    return
    yield


class Attentive(Tail):
    """Keeps what it is asked to wait for."""

    def __init__(self, storage: Storage) -> None:
        super().__init__(storage, POLL)
        self.waits: asyncio.Queue[int] = asyncio.Queue()

    async def wait_beyond(self, revision: int, timeout: float) -> bool:
        """Note the revision, and wait."""
        self.waits.put_nowait(revision)
        return await super().wait_beyond(revision, timeout)


@databases()
async def test_a_watch_behind_which_nothing_is_left_waits(database: str, tmp_path: Path) -> None:
    """As after a district was deleted whose were the last entries, and a start of the server."""
    async with open_database(database, tmp_path) as storage:
        for _ in range(4):
            async with storage.write() as connection:
                await status_log.append(connection, NOW, {"maple": b""})
        async with storage.write() as connection:
            await connection.execute(text("DELETE FROM status_log WHERE revision IN (3, 4)"))
        tail = Attentive(storage)
        await tail.start()
        position = await tail.position()
        async with storage.write() as connection:
            await connection.execute(text("DELETE FROM status_log"))
        watch = Watch(
            tail=tail,
            spec=WatchSpec(districts=None, states=False, deliveries=True, changes=True, test=None),
            position=ResumeToken(position.store_id, 2),
            states=_no_states,
            clock=lambda: NOW,
        )
        responses = watch.responses()
        await anext(responses)
        waiting = asyncio.ensure_future(anext(responses))
        assert await asyncio.wait_for(tail.waits.get(), PATIENCE) == tail.head == 5
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)


@databases()
async def test_a_migrated_store_goes_on_counting(database: str, tmp_path: Path) -> None:
    async with old_database(database, tmp_path) as url:
        storage = open_storage(url)
        async with storage.read() as connection:
            (old,) = (await connection.run_sync(old_rows))["revision"]
        await migrate(storage)
        async with storage.write() as connection:
            await status_log.append(connection, NOW, {"maple": b""})
        async with storage.read() as connection:
            found = await status_log.position(connection)
        assert (found.store_id, found.value) == (old["store_id"], old["value"] + 1)
        await storage.close()
